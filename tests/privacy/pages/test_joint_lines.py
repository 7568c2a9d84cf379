"""A charge for a part of a joint question, which has no answer here: in the ledger, on the budget, and its receipt."""

import csv
import io
import json

import pytest
from django.urls import reverse

from common.errors import Denied, Refused
from privacy.engine.measure.contributions import CAP
from privacy.execution import joint_legs
from privacy.services import receipts
from tests import make
from tests.makers.audit import checkpoint
from tests.makers.joint import leg, reserved
from tests.privacy.api.calling import Caller

pytestmark = pytest.mark.django_db

WORDS = "Joint question: Number of people by area"


@pytest.fixture
def line(budget):
    (found,) = reserved(budget)
    return found


def test_the_ledger_says_what_was_asked_jointly(as_, budget, line):
    data = budget.promise.dataset
    owner = as_(data.owner)
    page = owner.get(reverse("privacy:ledger", args=[data.pk]))
    (row,) = page.context["rows"]
    assert (row["what"], row["state"], row["has_receipt"]) == (WORDS, "Reserved", False)
    assert WORDS in page.content.decode()
    (item,) = Caller(data.owner, "read").get("api:dataset_ledger", data.pk).json()["items"]
    assert (item["question"], item["answer"], item["state"]) == (WORDS, None, "reserved")
    file = b"".join(owner.post(reverse("privacy:export", args=[data.pk]))).decode()
    (row,) = csv.DictReader(io.StringIO(file))
    assert (json.loads(row["question"])["table"], row["answer"], row["mu"]) == ("pay", "", "")


def test_the_budget_shows_what_is_reserved(as_, budget, line):
    page = as_(budget.scientist).get(reverse("privacy:budget", args=[budget.pk]))
    assert page.status_code == 200
    budget.refresh_from_db()
    assert budget.share_used == line.units / CAP


def test_the_receipt_of_a_charge_is_for_those_who_see_the_budget(budget, line):
    people = [budget.scientist, budget.promise.dataset.owner, make.auditor()]
    with pytest.raises(Refused, match="nothing was charged"):
        receipts.of_charge(line, by=budget.scientist)
    joint_legs.compute(leg(line), still=lambda: True, finish=lambda *_: None)
    assert receipts.of_charge(line, by=budget.scientist) is None
    checkpoint()
    found = [receipts.of_charge(line, by=person) for person in people]
    assert [each["kind"] for each in found] == ["charge"] * 3
    for stranger in (make.scientist(), make.owner()):
        with pytest.raises(Denied, match="Only those who may see a budget"):
            receipts.of_charge(line, by=stranger)
