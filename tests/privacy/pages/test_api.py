"""Questions as JSON: the same services, refusals as code and detail, one key one charge."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from privacy import services
from privacy.models import LedgerLine
from tests import make

pytestmark = pytest.mark.django_db

COUNT = "SELECT COUNT(DISTINCT person) FROM wages"


@pytest.fixture
def scientist(as_, budget):
    return as_(budget.scientist)


def post(client, budget, body, name="api_answers", key=None):
    headers = {"Idempotency-Key": str(key)} if key else {}
    path = reverse(f"privacy:{name}", args=[budget.pk])
    return client.post(path, body, content_type="application/json", headers=headers)


def test_a_program_finds_its_budgets_and_what_they_can_be_asked(scientist, budget):
    (found,) = scientist.get(reverse("privacy:api_budgets")).json()["budgets"]
    assert (found["id"], found["share_used"]) == (str(budget.pk), 0.0)
    (table,) = scientist.get(reverse("privacy:api_budget", args=[budget.pk])).json()["tables"]
    wage = next(column for column in table["columns"] if column["name"] == "wage")
    assert (table["subject"], wage["bounds"], wage["unit"]) == ("person", [0, 50_000], "EUR")


def test_a_question_is_priced_asked_and_answered(scientist, budget, compute):
    asked = {"sql": COUNT, "error": 6}
    price = post(scientist, budget, asked, "api_price").json()
    assert price["half_width_95"] == pytest.approx(6, rel=1e-6)
    assert price["joint_factor"] == 1.0
    assert (price["share_left"], price["stored"]) == (1.0, False)
    assert not LedgerLine.objects.exists()
    key = uuid4()
    answer = post(scientist, budget, asked, key=key)
    assert (answer.status_code, answer.json()["state"], answer.json()["result"]) == (202, "pending", None)
    assert post(scientist, budget, asked, key=key).json()["id"] == answer.json()["id"]
    compute(budget.answers.get())
    told = scientist.get(answer.json()["url"]).json()
    assert (told["state"], told["question"]) == ("released", "Number of people")
    assert told["result"]["lines"][0]["figures"][0]["name"] == "count"
    again = post(scientist, budget, asked)
    assert (again.status_code, again.json()["stored"], again.json()["id"]) == (200, True, told["id"])
    assert LedgerLine.objects.filter(kind="reserve").count() == 1


def test_the_declarations_are_read_once_per_question(scientist, budget):
    """From SQL by a program, and on the page that asks, with both its sides."""
    with CaptureQueriesContext(connection) as program:
        assert post(scientist, budget, {"sql": COUNT, "error": 6}, "api_price").status_code == 200
    with CaptureQueriesContext(connection) as page:
        assert scientist.get(reverse("privacy:ask", args=[budget.pk])).status_code == 200
    for seen in (program, page):
        assert len([each for each in seen if 'FROM "datasets_column"' in each["sql"]]) == 1


def test_the_wire_form_asks_what_sql_has_no_words_for(scientist, budget):
    query = {
        "table": "wages",
        "measure": {"kind": "mean", "of": {"kind": "column", "name": "wage"}, "per_subject": True},
    }
    assert post(scientist, budget, {"query": query, "epsilon": 1.0}).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "code", "detail"),
    [
        ({"sql": "SELECT wage FROM wages", "epsilon": 1}, 400, "refused", "Line 1, column 8"),
        ({"sql": COUNT}, 400, "refused", "Give either the error"),
        ({"sql": COUNT, "epsilon": 1, "error": 1}, 400, "refused", "Give either the error"),
        ({"sql": COUNT, "epsilon": "1"}, 400, "refused", "epsilon must be a number"),
        ({"sql": COUNT, "epsilon": 49}, 402, "budget_exceeded", "would cost"),
        ({"epsilon": 1}, 400, "refused", "either sql or query"),
        ({"sql": COUNT, "query": {}, "epsilon": 1}, 400, "refused", "either sql or query"),
        (
            {"query": {"table": "wages", "measure": {"kind": "max"}}, "epsilon": 1},
            400,
            "refused",
            "measure.kind",
        ),
        ({"sql": 5, "epsilon": 1}, 400, "refused", "must be a string"),
        ({"sql": COUNT, "epsilon": 1, "cap": 1}, 400, "refused", "“cap” is not a known field"),
        ("[]", 400, "refused", "not a JSON object"),
        ("{", 400, "refused", "not JSON"),
        ({"sql": "x" * 200_000, "epsilon": 1}, 400, "refused", "longer than"),
    ],
)
def test_refusals_are_json_with_a_code(scientist, budget, body, status, code, detail):
    answer = post(scientist, budget, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert detail in answer.json()["detail"]
    assert not LedgerLine.objects.exists()


def test_a_key_is_a_uuid_and_asks_one_thing(scientist, budget):
    key = uuid4()
    assert "must be a UUID" in post(scientist, budget, {"sql": COUNT, "epsilon": 1}, key="x").json()["detail"]
    post(scientist, budget, {"sql": COUNT, "epsilon": 1}, key=key)
    again = post(scientist, budget, {"sql": "SELECT COUNT(*) FROM wages", "epsilon": 1}, key=key)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_what_is_foreign_is_not_there(as_, budget):
    """The owner and overseers see the budget on their pages; with it asks its scientist alone."""
    for person in (make.scientist(), budget.promise.dataset.owner, make.admin(), make.auditor()):
        answer = post(as_(person), budget, {"sql": COUNT, "epsilon": 1})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert as_(person).get(reverse("privacy:api_budgets")).json() == {"budgets": []}


def test_a_forged_call_asks_nothing(budget):
    client = Client(enforce_csrf_checks=True)
    client.force_login(budget.scientist, backend="django.contrib.auth.backends.ModelBackend")
    assert post(client, budget, {"sql": COUNT, "epsilon": 1}).status_code == 403
    assert not LedgerLine.objects.exists()


def test_asking_again_with_a_key_says_what_was_charged(scientist, budget, compute):
    """Though more is known by then, with which the same wish would cost less."""
    asked, key = {"sql": "SELECT AVG(year) FROM wages", "error": 1.5}, uuid4()
    first = post(scientist, budget, asked, key=key).json()
    compute(budget.answers.get())
    price = post(scientist, budget, asked, "api_price").json()
    again = post(scientist, budget, asked, key=key).json()
    assert price["share"] < first["share"]
    assert [again[name] for name in ("id", "share", "epsilon")] == [
        first[name] for name in ("id", "share", "epsilon")
    ]


def test_a_price_says_what_its_error_rests_on(scientist, budget, compute):
    mean = "SELECT AVG(wage) FROM wages WHERE year >= 1991"
    asked = {"sql": mean, "epsilon": 3}
    price = post(scientist, budget, asked, "api_price").json()
    assert (price["half_width_95"], price["half_width_rests_on"]) == (None, None)
    post(scientist, budget, {"sql": mean.replace("AVG(wage)", "COUNT(*)"), "epsilon": 25})
    count = compute(budget.answers.get())
    price = post(scientist, budget, asked, "api_price").json()
    figure = count.result["lines"][0]["figures"][0]
    assert price["half_width_rests_on"] == {
        "basis": "count",
        "answer": str(count.pk),
        "rows": figure["value"],
        "at_most": False,
    }
    assert price["half_width_95"] > 0
    services.publish_rows(budget.promise, {"wages": 1000}, by=budget.promise.dataset.owner)
    whole = {"sql": "SELECT AVG(year) FROM wages", "epsilon": 3}
    assert post(scientist, budget, whole, "api_price").json()["half_width_rests_on"] == {
        "basis": "published",
        "answer": None,
        "rows": 1000,
        "at_most": True,
    }
    told = scientist.get(reverse("privacy:api_budget", args=[budget.pk])).json()
    assert (told["people"], told["tables"][0]["rows"]) == (30, 1000)
