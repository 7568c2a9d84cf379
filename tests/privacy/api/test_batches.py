"""Several questions in one call: priced together, charged all or none, and one answer to each, in their order."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.models import IdempotencyKey
from privacy.models import Batch, LedgerLine
from privacy.services import batches
from tests import make
from tests.privacy.api.calling import Caller
from tests.rest import problem

pytestmark = pytest.mark.django_db

COUNT, ROWS = "SELECT COUNT(DISTINCT person) FROM wages", "SELECT COUNT(*) FROM wages"
NORTH, EAST = (f"SELECT COUNT(*) FROM wages WHERE region = '{region}'" for region in ("north", "east"))  # noqa: S608
ASKING, PRICE, BATCH = "api:budget_batches", "api:budget_batch_price", "api:batch"


def asked(*texts, **price):
    return {"questions": [{"sql": text, **(price or {"share": 0.02})} for text in texts]}


def test_questions_are_priced_together_asked_and_answered(scientist, budget, compute):
    mixed = {"questions": [{"sql": COUNT, "error": 6}, {"sql": ROWS, "share": 0.1}]}
    price = scientist.post(PRICE, budget.pk, body=mixed).json()
    assert [each["question"] for each in price["questions"]] == ["Number of people", "Number of rows"]
    assert price["questions"][0]["half_width_95"] == pytest.approx(6, rel=1e-6)
    assert price["share"] == pytest.approx(sum(each["share"] for each in price["questions"]))
    assert (price["share_left"], price["unaffordable"], reserved()) == (1.0, "", 0)
    made = scientist.post(ASKING, budget.pk, body=mixed)
    found = made.json()
    assert (made.status_code, made["Location"]) == (202, reverse(BATCH, args=[found["id"]]))
    assert [each["state"] for each in found["answers"]] == ["pending", "pending"]
    for answer in budget.answers.all():
        compute(answer)
    read = scientist.get(BATCH, found["id"]).json()
    assert [each["question"] for each in read["answers"]] == ["Number of people", "Number of rows"]
    assert [each["result"]["lines"][0]["figures"][0]["name"] for each in read["answers"]] == [
        "count",
        "count",
    ]
    for each in read["answers"]:
        alone = scientist.get("api:answer", each["id"]).json()
        assert each == {**alone, "stored": False}
    assert (read["budget"], reserved()) == ({"id": str(budget.pk)}, 2)


def reserved():
    return LedgerLine.objects.filter(kind="reserve").count()


def test_groups_that_are_kept_apart_cost_less_than_their_sum(scientist, budget):
    price = scientist.post(PRICE, budget.pk, body=asked(NORTH, EAST, share=0.6)).json()
    assert (price["share"], price["unaffordable"]) == (pytest.approx(0.6, rel=1e-6), "")
    assert scientist.post(ASKING, budget.pk, body=asked(NORTH, EAST, share=0.6)).status_code == 202


def test_a_budget_that_cannot_pay_for_all_pays_for_none(scientist, budget):
    body = asked(COUNT, ROWS, share=0.6)
    refused = problem(scientist.post(ASKING, budget.pk, body=body), 402, "budget_exceeded")
    price = scientist.post(PRICE, budget.pk, body=body).json()
    assert refused["detail"] == price["unaffordable"]
    assert refused["detail"].startswith("These 2 answers together would cost 1.2 times your budget")
    assert (refused["costs"], refused["left"]) == (pytest.approx(1.2, rel=1e-6), 1.0)
    assert (reserved(), budget.answers.count(), Batch.objects.count()) == (0, 0, 0)


def test_what_is_stored_or_asked_twice_costs_nothing(scientist, budget):
    stored = scientist.post("api:budget_answers", budget.pk, body={"sql": COUNT, "share": 0.1}).json()
    price = scientist.post(PRICE, budget.pk, body=asked(COUNT, ROWS, ROWS)).json()
    assert [each["is_charged"] for each in price["questions"]] == [False, True, False]
    assert [each["stored_answer"] for each in price["questions"]] == [{"id": stored["id"]}, None, None]
    assert price["share"] == price["questions"][1]["share"]
    answers = scientist.post(ASKING, budget.pk, body=asked(COUNT, ROWS, ROWS)).json()["answers"]
    assert [each["stored"] for each in answers] == [True, False, True]
    assert (answers[0]["id"], answers[1]["id"]) == (stored["id"], answers[2]["id"])
    assert reserved() == 2


def test_a_repeated_call_returns_the_batch_as_it_is_now(scientist, budget, compute):
    key, body = uuid4(), asked(COUNT, ROWS)
    first = scientist.post(ASKING, budget.pk, body=body, key=key)
    assert "Idempotent-Replayed" not in first
    compute(budget.answers.first())
    again = scientist.post(ASKING, budget.pk, body=body, key=key)
    assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert sorted(each["state"] for each in again.json()["answers"]) == ["pending", "released"]
    assert again.json()["id"] == first.json()["id"]
    compute(budget.answers.last())
    assert scientist.post(ASKING, budget.pk, body=body, key=key).status_code == 200
    problem(scientist.post(ASKING, budget.pk, body=asked(ROWS, COUNT), key=key), 409, "key_reused")
    assert (reserved(), Batch.objects.count()) == (2, 1)


def test_a_call_that_died_before_its_answer_is_repeated_once(scientist, budget):
    key, body = uuid4(), asked(COUNT, ROWS)
    first = scientist.post(ASKING, budget.pk, body=body, key=key).json()
    IdempotencyKey.objects.update(object_id=None)
    assert scientist.post(ASKING, budget.pk, body=body, key=key).json() == first
    assert (reserved(), IdempotencyKey.objects.get().object_id) == (2, Batch.objects.get().pk)


def test_a_key_that_is_forgotten_still_asks_one_thing(scientist, budget):
    """Also where nothing is charged, so that the ledger has no line with the key."""
    key = uuid4()
    scientist.post(ASKING, budget.pk, body=asked(COUNT, ROWS))
    free = scientist.post(ASKING, budget.pk, body=asked(COUNT), key=key).json()
    IdempotencyKey.objects.all().delete()
    assert scientist.post(ASKING, budget.pk, body=asked(COUNT), key=key).json() == free
    IdempotencyKey.objects.all().delete()
    other = problem(scientist.post(ASKING, budget.pk, body=asked(ROWS), key=key), 409, "conflict")
    assert other["detail"] == "This idempotency key was used for other questions. Use a new key."


def test_who_waits_hears_of_every_answer_that_is_not_there(scientist, budget, compute):
    made = scientist.post(ASKING, budget.pk, body=asked(COUNT, ROWS), Prefer="wait=5")
    keys = [f"answer:{each['id']}" for each in made.json()["answers"]]
    assert made["Weir-Live"].split(",") == [f"user:{budget.scientist_id}", *keys]
    compute(budget.answers.get(pk=made.json()["answers"][0]["id"]))
    read = scientist.get(BATCH, made.json()["id"], Prefer="wait=5")
    assert read["Weir-Live"].split(",") == [f"user:{budget.scientist_id}", *keys[1:]]
    compute(budget.answers.get(pk=made.json()["answers"][1]["id"]))
    assert "Weir-Live" not in scientist.get(BATCH, made.json()["id"], Prefer="wait=5")


WRONG_KIND = {"table": "wages", "measure": {"kind": "count"}, "where": {"kind": "max"}}
NO_COLUMN = {"table": "wages", "measure": {"kind": "mean", "of": {"kind": "column", "name": "pay"}}}


@pytest.mark.parametrize(
    ("bad", "place", "detail"),
    [
        (
            {"query": WRONG_KIND, "share": 0.1},
            "questions[1].query.where.kind",
            "Question 2: query.where.kind",
        ),
        ({"query": NO_COLUMN, "share": 0.1}, "questions[1]", "Question 2: "),
        ({"sql": "SELECT 1", "share": 0.1}, "questions[1]", "Question 2: "),
        ({"sql": ROWS}, "questions[1]", "Question 2: Give either the error"),
        ({"sql": ROWS, "share": 2.0}, "questions[1].share", "Question 2: The share of the budget"),
    ],
    ids=["wire form", "column", "sql", "no price", "share"],
)
def test_a_refusal_names_the_question(scientist, budget, bad, place, detail):
    body = {"questions": [{"sql": COUNT, "share": 0.1}, bad]}
    for name in (ASKING, PRICE):
        refused = problem(scientist.post(name, budget.pk, body=body), 400, "invalid")
        assert (refused["place"], refused["detail"][: len(detail)]) == (place, detail)
    assert reserved() == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "questions"),
        (asked(), "questions"),
        (asked(*[COUNT] * (batches.MOST + 1)), "questions"),
        ({"questions": "x"}, "questions"),
        ({"questions": [{"sql": COUNT, "share": 0.1}, {"share": 0.1}]}, "questions[1]"),
        ({"questions": [{"sql": COUNT, "share": 0.1}, {"sql": ROWS, "share": "x"}]}, "questions[1].share"),
        ({"questions": [{"sql": COUNT, "share": 0.1, "cap": 1}]}, "questions[0].cap"),
    ],
    ids=["nothing", "no questions", "too many", "text", "no question", "no number", "unknown field"],
)
def test_wrong_fields_are_named_with_their_question(scientist, budget, body, field):
    for name in (ASKING, PRICE):
        refused = problem(scientist.post(name, budget.pk, body=body), 400, "invalid")
        assert [each for each in refused["fields"] if each.startswith(field)] == list(refused["fields"])
    assert reserved() == 0


def test_more_groups_than_one_answer_may_have_are_too_many(scientist, budget, monkeypatch):
    monkeypatch.setattr(batches, "MAX_CELLS", 5)
    by_region = "SELECT region, COUNT(*) FROM wages GROUP BY region"
    assert scientist.post(PRICE, budget.pk, body=asked(by_region, COUNT, ROWS)).status_code == 200
    refused = problem(scientist.post(PRICE, budget.pk, body=asked(by_region, by_region)), 400, "refused")
    assert refused["detail"] == "These questions have more than 5 groups together. Ask fewer at once."


def test_a_batch_exists_for_those_who_see_its_answers(budget):
    body = asked(COUNT)
    for name in (ASKING, PRICE):
        problem(Caller(make.scientist(), "ask").post(name, budget.pk, body=body), 404, "not_found")
        problem(Caller(budget.scientist, "read").post(name, budget.pk, body=body), 403, "token_scope")
        for person in (budget.promise.dataset.owner, make.admin(), make.auditor()):
            refused = problem(Caller(person, "ask").post(name, budget.pk, body=body), 403, "denied")
            assert refused["detail"] == "This is somebody else's budget."
    elsewhere = Caller(budget.scientist, "read", "ask", dataset_ids=[make.dataset().pk])
    problem(elsewhere.post(ASKING, budget.pk, body=body), 404, "not_found")
    made = Caller(budget.scientist, "ask").post(ASKING, budget.pk, body=body).json()
    for person in (budget.scientist, budget.promise.dataset.owner, make.auditor()):
        assert Caller(person).get(BATCH, made["id"]).json()["id"] == made["id"]
    for caller in (Caller(make.scientist()), Caller(make.admin()), elsewhere):
        problem(caller.get(BATCH, made["id"]), 404, "not_found")


def test_reading_a_batch_takes_its_answers_out_of_the_scientists_inbox_alone(
    budget, scientist, owner, compute
):
    made = scientist.post(ASKING, budget.pk, body=asked(COUNT, ROWS)).json()
    for answer in budget.answers.all():
        compute(answer)
    owner.get(BATCH, made["id"])
    assert budget.answers.filter(seen_at=None).count() == 2
    scientist.get(BATCH, made["id"])
    assert budget.answers.filter(seen_at=None).count() == 0


def test_reading_a_batch_takes_as_many_queries_as_reading_one_answer_takes(scientist, budget):
    texts = [f"SELECT COUNT(*) FROM wages WHERE year < {year}" for year in range(1988, 1996)]  # noqa: S608
    seen = []
    for many in (1, len(texts)):
        made = scientist.post(ASKING, budget.pk, body=asked(*texts[:many])).json()
        with CaptureQueriesContext(connection) as read:
            assert len(scientist.get(BATCH, made["id"]).json()["answers"]) == many
        seen.append(len(read))
    assert seen[0] == seen[1]
