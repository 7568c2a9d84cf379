"""Questions from programs: the same services as the pages, one key one charge, problems with codes."""

import json
from functools import partial
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common import heavy_views, plain_json
from common.admission import Busy
from common.models import IdempotencyKey
from privacy import services
from privacy.engine.language import wire
from privacy.engine.language.expressions import MAX_DEPTH
from privacy.models import Answer, LedgerLine
from tests import make
from tests.privacy.api.calling import Caller
from tests.rest import problem

pytestmark = pytest.mark.django_db

COUNT = "SELECT COUNT(DISTINCT person) FROM wages"
ASKING, PRICE, TRIAL = "api:budget_answers", "api:budget_price", "api:budget_trial"


def reserved():
    return LedgerLine.objects.filter(kind="reserve").count()


def test_a_question_is_priced_asked_and_answered(scientist, budget, compute):
    asked = {"sql": COUNT, "error": 6}
    price = scientist.post(PRICE, budget.pk, body=asked).json()
    assert price["half_width_95"] == pytest.approx(6, rel=1e-6)
    assert price["joint_factor"] == 1.0
    assert (price["question"], price["unaffordable"]) == ("Number of people", "")
    assert (price["share_left"], price["stored_answer"]) == (1.0, None)
    assert not LedgerLine.objects.exists()
    key = uuid4()
    answer = scientist.post(ASKING, budget.pk, body=asked, key=key)
    assert (answer.status_code, answer.json()["state"], answer.json()["result"]) == (202, "pending", None)
    assert answer["Location"] == reverse("api:answer", args=[answer.json()["id"]])
    assert scientist.post(ASKING, budget.pk, body=asked, key=key).json() == answer.json()
    compute(budget.answers.get())
    found = scientist.get("api:answer", answer.json()["id"]).json()
    assert (found["state"], found["question"]) == ("released", "Number of people")
    assert found["result"]["lines"][0]["figures"][0]["name"] == "count"
    again = scientist.post(ASKING, budget.pk, body=asked)
    assert (again.status_code, again.json()["stored"], again.json()["id"]) == (200, True, found["id"])
    assert scientist.post(PRICE, budget.pk, body=asked).json()["stored_answer"] == {"id": found["id"]}
    assert reserved() == 1


def test_the_declarations_are_read_once_per_question(scientist, budget):
    """From SQL by a program, and on the page that asks, with both its sides."""
    client = Client()
    client.force_login(budget.scientist, backend="django.contrib.auth.backends.ModelBackend")
    with CaptureQueriesContext(connection) as program:
        assert scientist.post(PRICE, budget.pk, body={"sql": COUNT, "error": 6}).status_code == 200
    with CaptureQueriesContext(connection) as page:
        assert client.get(reverse("privacy:ask", args=[budget.pk])).status_code == 200
    for seen in (program, page):
        assert len([each for each in seen if 'FROM "datasets_column"' in each["sql"]]) == 1


def test_the_wire_form_asks_what_sql_has_no_words_for(scientist, budget):
    query = {
        "table": "wages",
        "measure": {"kind": "mean", "of": {"kind": "column", "name": "wage"}, "per_subject": True},
    }
    assert scientist.post(ASKING, budget.pk, body={"query": query, "epsilon": 1.0}).status_code == 202


def test_a_question_may_use_a_share_of_the_budget(scientist, budget):
    price = scientist.post(PRICE, budget.pk, body={"sql": COUNT, "share": 0.02}).json()
    assert price["share"] == pytest.approx(0.02, rel=1e-3)
    answer = scientist.post(ASKING, budget.pk, body={"sql": COUNT, "share": 0.02}).json()
    assert answer["share"] == price["share"]


@pytest.mark.parametrize(
    ("body", "status", "code", "detail"),
    [
        ({"sql": "SELECT wage FROM wages", "epsilon": 1}, 400, "refused", "Line 1, column 8"),
        ({"sql": COUNT}, 400, "refused", "Give "),
        ({"sql": COUNT, "epsilon": 1, "error": 1}, 400, "refused", "Give "),
        ({"sql": COUNT, "epsilon": "1"}, 400, "invalid", "epsilon: This must be a number"),
        ({"sql": COUNT, "epsilon": True}, 400, "invalid", "epsilon: This must be a number"),
        ({"sql": COUNT, "epsilon": 10**99 * 1e250}, 400, "not_json", "JSON"),
        ({"sql": COUNT, "error": 2e300}, 400, "invalid", "error: "),
        ({"sql": COUNT, "epsilon": 49}, 402, "budget_exceeded", "would cost"),
        ({"epsilon": 1}, 400, "invalid", "either sql or query"),
        ({"sql": COUNT, "query": {}, "epsilon": 1}, 400, "invalid", "either sql or query"),
        (
            {"query": {"table": "wages", "measure": {"kind": "max"}}, "epsilon": 1},
            400,
            "invalid",
            "measure.kind",
        ),
        ({"sql": 5, "epsilon": 1}, 400, "invalid", "sql: This must be text"),
        ({"sql": COUNT, "epsilon": 1, "cap": 1}, 400, "invalid", "cap: This is not a field here"),
        ("[]", 400, "invalid", "Send a JSON object"),
        ("{", 400, "not_json", "not JSON"),
        ({"sql": "x" * 100_000, "epsilon": 1}, 413, "too_large", "longer than"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals_are_problems(scientist, budget, body, status, code, detail):
    content = json.dumps(body) if isinstance(body, dict) else body
    for name in (ASKING, PRICE) if status != 402 else (ASKING,):
        assert detail in problem(scientist.post(name, budget.pk, body=content), status, code)["detail"]
    assert not LedgerLine.objects.exists()


def test_a_question_may_be_as_deep_as_the_engine_takes_it(scientist, budget):
    """Two levels of JSON for each level of a condition; one level more is refused by the engine, with its limit."""

    def priced(levels):
        where: dict[str, object] = {"kind": "is_null", "column": "wage"}
        for number in range(levels - 1):
            where = {"kind": ("and", "or")[number % 2], "parts": [where]}
        query = {"table": "wages", "measure": {"kind": "count"}, "where": where}
        return scientist.post(PRICE, budget.pk, body={"query": query, "epsilon": 1})

    assert priced(MAX_DEPTH).status_code == 200
    assert "nested at most" in problem(priced(MAX_DEPTH + 1), 400, "refused")["detail"]
    assert wire.MAX_DEPTH + 1 < plain_json.DEPTH


def test_a_refusal_names_the_place(scientist, budget):
    compare = {"kind": "compare", "op": "~", "left": {"kind": "column", "name": "year"}, "right": 1}
    where = {"kind": "and", "parts": [{"kind": "max"}, compare]}
    query = {"table": "wages", "measure": {"kind": "count"}, "where": where}
    answer = scientist.post(PRICE, budget.pk, body={"query": query, "epsilon": 1})
    assert problem(answer, 400, "invalid")["place"] == "query.where.parts[0].kind"


def test_too_little_budget_says_how_much(scientist, budget):
    found = problem(
        scientist.post(ASKING, budget.pk, body={"sql": COUNT, "epsilon": 49}), 402, "budget_exceeded"
    )
    assert (found["costs"] > 1, found["left"]) == (True, 1.0)
    price = scientist.post(PRICE, budget.pk, body={"sql": COUNT, "epsilon": 49}).json()
    assert price["unaffordable"] == found["detail"]


def test_a_key_is_a_uuid_and_asks_one_thing(scientist, budget):
    key = uuid4()
    for text in ("x", ""):  # an empty one is no protection that somebody relies on
        call = scientist.post(
            ASKING, budget.pk, body={"sql": COUNT, "epsilon": 1}, **{"Idempotency-Key": text}
        )
        assert "must be a UUID" in problem(call, 400, "invalid")["detail"]
    scientist.post(ASKING, budget.pk, body={"sql": COUNT, "epsilon": 1}, key=key)
    again = scientist.post(
        ASKING, budget.pk, body={"sql": "SELECT COUNT(*) FROM wages", "epsilon": 1}, key=key
    )
    problem(again, 409, "key_reused")
    assert reserved() == 1


def test_a_repeated_call_returns_the_answer_as_it_is_now(scientist, budget, compute):
    asked, key = {"sql": COUNT, "epsilon": 1}, uuid4()
    first = scientist.post(ASKING, budget.pk, body=asked, key=key)
    assert "Idempotent-Replayed" not in first
    compute(budget.answers.get())
    again = scientist.post(ASKING, budget.pk, body=asked, key=key)
    assert (again.status_code, again["Idempotent-Replayed"], again.json()["stored"]) == (200, "true", False)
    assert again.json()["result"] == budget.answers.get().result
    other = Caller(make.scientist(), "ask")
    problem(other.post(ASKING, budget.pk, body=asked, key=key), 404, "not_found")


def test_a_call_that_died_before_its_answer_is_repeated_once(scientist, budget):
    """The ledger knows the key, though the call did not live to write down what it made."""
    asked, key = {"sql": COUNT, "epsilon": 1}, uuid4()
    first = scientist.post(ASKING, budget.pk, body=asked, key=key).json()
    IdempotencyKey.objects.update(object_id=None)
    assert scientist.post(ASKING, budget.pk, body=asked, key=key).json() == first
    assert (reserved(), IdempotencyKey.objects.get().object_id) == (1, budget.answers.get().pk)


def test_a_question_that_was_stored_says_so_when_it_is_repeated(scientist, budget):
    asked, key = {"sql": COUNT, "epsilon": 1}, uuid4()
    assert not scientist.post(ASKING, budget.pk, body=asked).json()["stored"]
    for _ in range(2):
        assert scientist.post(ASKING, budget.pk, body=asked, key=key).json()["stored"]
    assert reserved() == 1


def test_who_waits_hears_of_the_answer(scientist, budget):
    asked = scientist.post(ASKING, budget.pk, body={"sql": COUNT, "epsilon": 1}, Prefer="wait=5")
    assert asked["Weir-Live"] == f"user:{budget.scientist_id},answer:{budget.answers.get().pk}"


def test_what_is_foreign_is_not_there_and_only_the_scientist_asks(budget):
    """The owner and overseers see the budget; with it asks its scientist alone."""
    asked = {"sql": COUNT, "epsilon": 1}
    for name in (ASKING, PRICE, TRIAL):
        problem(Caller(make.scientist(), "ask").post(name, budget.pk, body=asked), 404, "not_found")
        for person in (budget.promise.dataset.owner, make.admin(), make.auditor()):
            refused = problem(Caller(person, "ask").post(name, budget.pk, body=asked), 403, "denied")
            assert refused["detail"] == "This is somebody else's budget."
    assert Caller(make.scientist()).get("api:budgets").json()["items"] == []
    assert not LedgerLine.objects.exists()


def test_a_token_asks_only_with_the_scope_and_the_datasets_for_it(budget):
    asked = {"sql": COUNT, "epsilon": 1}
    elsewhere = Caller(budget.scientist, "read", "ask", dataset_ids=[make.dataset().pk])
    here = Caller(budget.scientist, "read", "ask", dataset_ids=[budget.promise.dataset_id])
    for name in (ASKING, PRICE, TRIAL):
        problem(
            Caller(budget.scientist, "read", "work").post(name, budget.pk, body=asked), 403, "token_scope"
        )
        problem(elsewhere.post(name, budget.pk, body=asked), 404, "not_found")
        assert here.post(name, budget.pk, body=asked).status_code < 300
    answer = budget.answers.get()
    problem(elsewhere.get("api:answer", answer.pk), 404, "not_found")
    assert elsewhere.get("api:answers").json()["items"] == []
    assert [item["id"] for item in here.get("api:answers").json()["items"]] == [str(answer.pk)]


def test_a_session_asks_with_its_csrf_token_and_a_forged_call_does_not(budget):
    client = Client(enforce_csrf_checks=True)
    client.force_login(budget.scientist, backend="django.contrib.auth.backends.ModelBackend")
    call = partial(client.post, reverse(ASKING, args=[budget.pk]))
    question = {"data": {"sql": COUNT, "epsilon": 1}, "content_type": "application/json"}
    assert problem(call(**question), 403, "denied")["detail"].startswith("The CSRF token")
    assert not LedgerLine.objects.exists()
    client.cookies[settings.CSRF_COOKIE_NAME] = "b" * 32
    headers = {"X-CSRFToken": "b" * 32}
    for form in ({}, {"content_type": "application/x-www-form-urlencoded", "data": "sql=x"}):
        problem(call(**form, headers=headers), 415, "unsupported_media_type")
    assert call(**question, headers=headers).status_code == 202


def test_asking_again_with_a_key_says_what_was_charged(scientist, budget, compute):
    """Though more is known by then, with which the same wish would cost less."""
    asked, key = {"sql": "SELECT AVG(year) FROM wages", "error": 1.5}, uuid4()
    first = scientist.post(ASKING, budget.pk, body=asked, key=key).json()
    compute(budget.answers.get())
    price = scientist.post(PRICE, budget.pk, body=asked).json()
    again = scientist.post(ASKING, budget.pk, body=asked, key=key).json()
    assert price["share"] < first["share"]
    assert [again[name] for name in ("id", "share", "epsilon")] == [
        first[name] for name in ("id", "share", "epsilon")
    ]


def test_a_price_says_what_its_error_rests_on(scientist, budget, compute):
    mean = "SELECT AVG(wage) FROM wages WHERE year >= 1991"
    asked = {"sql": mean, "epsilon": 3}
    price = scientist.post(PRICE, budget.pk, body=asked).json()
    assert (price["half_width_95"], price["error_basis"]) == (None, None)
    scientist.post(ASKING, budget.pk, body={"sql": mean.replace("AVG(wage)", "COUNT(*)"), "epsilon": 25})
    count = compute(budget.answers.get())
    price = scientist.post(PRICE, budget.pk, body=asked).json()
    figure = count.result["lines"][0]["figures"][0]
    assert price["error_basis"] == {
        "basis": "count",
        "answer": {"id": str(count.pk)},
        "rows": figure["value"],
        "people": None,
        "at_most": False,
    }
    assert price["half_width_95"] > 0
    services.publish_rows(budget.promise, {"wages": 1000}, by=budget.promise.dataset.owner)
    whole = {"sql": "SELECT AVG(year) FROM wages", "epsilon": 3}
    assert scientist.post(PRICE, budget.pk, body=whole).json()["error_basis"] == {
        "basis": "published",
        "answer": None,
        "rows": 1000,
        "people": None,
        "at_most": True,
    }
    found = scientist.get("api:budget", budget.pk).json()
    assert (found["people"], found["tables"][0]["rows"]) == (30, 1000)
    per_person = {"kind": "mean", "of": {"kind": "column", "name": "year"}, "per_subject": True}
    body = {"query": {"table": "wages", "measure": per_person}, "epsilon": 3}
    basis = scientist.post(PRICE, budget.pk, body=body).json()["error_basis"]
    assert (basis["rows"], basis["people"]) == (None, 30)


def test_a_trial_is_that_of_the_price(scientist, budget):
    asked = {"sql": "SELECT CORR(wage, year) FROM wages", "epsilon": 30}
    tried = scientist.post(TRIAL, budget.pk, body=asked).json()
    assert tried == {"on_mock": scientist.post(PRICE, budget.pk, body=asked).json()["on_mock"]}
    assert tried["on_mock"]["figures"][0]["name"] == "correlation"
    assert scientist.post(TRIAL, budget.pk, body={"sql": COUNT, "epsilon": 1}).json() == {"on_mock": None}
    assert not LedgerLine.objects.exists()


def test_heavy_calls_take_their_turn(scientist, budget, monkeypatch):
    def full(*args, **kwargs):
        raise Busy("The portal is busy.")

    monkeypatch.setattr(heavy_views.COMPUTING, "turn", full)
    for name in (ASKING, PRICE, TRIAL):
        answer = scientist.post(name, budget.pk, body={"sql": COUNT, "epsilon": 1})
        problem(answer, 503, "busy")
        assert int(answer["Retry-After"]) > 0
    assert not Answer.objects.exists()
