"""Receipts of answers: figures and charge with the proof, for whoever may read the answer, and nothing besides."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from audit import documents
from audit.models import Entry, LogKey
from privacy.execution import settling
from privacy.ledgers import budget_ledger
from privacy.models import Answer
from tests import make
from tests.makers.audit import checkpoint
from tests.privacy.api.calling import Caller
from tests.rest import problem
from weir import notes
from weir.checks import all_hold
from weir.pins import Pins
from weir.receipts import Receipt

pytestmark = pytest.mark.django_db

ODD: dict[str, Any] = {
    "whole": [1e22, 1e300, 2**70, -(2**63), 10**100, 3.0],
    "small": [5e-324, 1e-7, -1e-300, 0.1 + 0.2],
    "zero": [-0.0, 0.0, 0],
    "text": {"ß": "\u2028 ☃ \\u0041", "": None, "b": True},
}


@pytest.fixture
def answered(budget, ask, compute):
    return compute(ask(budget, "SELECT region, COUNT(*) FROM wages GROUP BY region", epsilon=10))


def receipt_of(caller: Caller, answer: Answer) -> dict[str, Any]:
    found = caller.get("api:answer_receipt", answer.pk).json()
    assert (found["ready"], found["due"]) == (True, None)
    return dict(found["receipt"])


def payloads(receipt: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(each["payload"]) for each in receipt["entries"]]


def pins() -> Pins:
    """What a stranger has who has compared the key of the log."""
    return Pins(notes.key(LogKey.objects.get().key.text))


def assert_holds(receipt: dict[str, Any]) -> None:
    """Verify it as a stranger does, with the client."""
    checks = Receipt(receipt).verify(pins())
    assert all_hold(checks), checks


def test_a_receipt_proves_figures_and_charge_to_those_who_read_the_answer(scientist, owner, answered):
    early = scientist.get("api:answer_receipt", answered.pk).json()
    assert (early["ready"], early["receipt"]) == (False, None)
    assert early["due"] > timezone.now().isoformat()
    checkpoint()
    receipt = receipt_of(scientist, answered)
    for caller in (owner, Caller(make.auditor())):
        assert receipt_of(caller, answered) == receipt
    for caller in (Caller(make.scientist()), Caller(make.owner()), Caller(make.admin())):
        problem(caller.get("api:answer_receipt", answered.pk), 404, "not_found")

    released, charge = payloads(receipt)
    assert (receipt["kind"], released["action"], charge["action"]) == (
        "answer",
        "answer.released",
        "budget.commit",
    )
    assert documents.is_of(
        released["detail"]["document_sha256"], receipt["document_salt"], receipt["document"]
    )
    told = {"answer": str(answered.pk), "result": answered.result, "record": answered.record}
    assert json.loads(receipt["document"]) == told
    assert_holds(receipt)
    assert released["detail"]["charge"] == charge["object_id"]
    assert not all_hold(Receipt({**receipt, "document": receipt["document"] + " "}).verify(pins()))


def test_the_entries_tell_no_time_but_the_public_ones_and_nobody_else(scientist, answered):
    checkpoint()
    receipt = receipt_of(scientist, answered)
    released, charge = payloads(receipt)
    assert released["at"] == answered.visible_at.isoformat()
    assert charge["at"] == answered.begun_at.isoformat()
    person = answered.budget.scientist
    dataset = answered.budget.promise.dataset
    for entry, detail in ((released, {"charge", "document_sha256", "facts"}), (charge, {"units", "share"})):
        assert (entry["person_id"], entry["dataset_id"]) == (str(person.pk), str(dataset.pk))
        assert (set(entry["detail"]), entry["changes"]) == (detail, {})
    assert (released["actor"], charge["actor"]) == (person.email, User.objects.system().email)
    assert dataset.owner.email not in json.dumps(receipt)


@pytest.mark.parametrize("state", ["pending", "lost"])
def test_without_an_answer_there_is_a_receipt_of_the_charge(scientist, answered, state):
    checkpoint()
    if state == "pending":
        later = timezone.now() + timedelta(hours=1)
        Answer.objects.update(kind=Answer.Kind.FIT, visible_at=later, deadline=later)
    else:
        Answer.objects.update(state=state, result=None)
    receipt = receipt_of(scientist, answered)
    assert_holds(receipt)
    assert [entry["action"] for entry in payloads(receipt)] == ["budget.commit"]
    assert (receipt["kind"], receipt["document"], receipt["document_salt"]) == ("charge", "", "")


def test_a_question_tells_by_no_receipt_when_it_was_charged(scientist, answered):
    Answer.objects.update(visible_at=timezone.now() + timedelta(hours=1))
    found = scientist.get("api:answer_receipt", answered.pk)
    assert "comes with the answer" in problem(found, 400, "refused")["detail"]


def test_what_was_not_charged_has_no_receipt(scientist, budget, ask):
    answer = ask(budget)
    settling.give_back(answer, "Not today.")
    found = scientist.get("api:answer_receipt", answer.pk)
    assert "nothing was charged" in problem(found, 400, "refused")["detail"]


def test_what_an_earlier_version_released_has_a_receipt_without_figures(scientist, answered):
    checkpoint()
    Answer.objects.update(document_salt="")
    receipt = receipt_of(scientist, answered)
    assert (receipt["kind"], receipt["document"], receipt["document_salt"]) == ("answer", "", "")
    assert_holds(receipt)


def test_a_document_is_written_again_whatever_numbers_it_holds(scientist, budget, ask):
    answer = ask(budget)
    line = budget_ledger.commit(answer.line, by=User.objects.system())
    many = [[k / 7, -k * 1e-12] for k in range(60_000)]  # as large as models are
    assert settling.release(answer, line, at=timezone.now(), result={**ODD, "many": many}, facts=ODD)
    stored = Answer.objects.get(pk=answer.pk)
    assert len(stored.document) > 1_500_000
    assert stored.document == answer.document == Answer.objects.get(pk=answer.pk).document
    result = json.loads(stored.document)["result"]
    assert list(map(float, result.pop("whole"))) == list(map(float, ODD["whole"]))
    assert (result.pop("many") == many, result) == (True, {name: ODD[name] for name in result})
    entry = Entry.objects.get(action="answer.released", object_id=str(answer.pk))
    assert documents.is_of(entry.detail["document_sha256"], stored.document_salt, stored.document)
    checkpoint()
    assert_holds(receipt_of(scientist, stored))
