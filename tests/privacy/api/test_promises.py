"""The promise of a dataset, its public numbers of rows and its ledger, for programs."""

from base64 import urlsafe_b64encode
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from privacy import services
from privacy.execution import settling
from privacy.models import LedgerLine, Promise
from tests import make
from tests.makers.datasets import PEOPLE
from tests.privacy.api.calling import Caller
from tests.rest import problem

pytestmark = pytest.mark.django_db

PROMISE = {"epsilon": 4, "people": PEOPLE, "scientists": 2, "constants": ["region"], "rows": {"wages": 70}}


@pytest.fixture
def data():
    return make.dataset()


@pytest.fixture
def maker(data):
    return Caller(data.owner, "read", "budgets")


def test_the_owner_makes_a_promise_once(data, maker):
    key = uuid4()
    problem(maker.get("api:dataset_promise", data.pk), 404, "not_found")
    made = maker.post("api:dataset_promise", data.pk, body=PROMISE, key=key)
    found = made.json()
    assert made.status_code == 201
    assert (found["epsilon"], found["people"], found["scientists"], found["constants"]) == (
        4,
        PEOPLE,
        2,
        ["region"],
    )
    assert (found["rows"], found["budgets_given"], found["share_given"]) == ({"wages": 70}, 0, 0)
    assert (found["extended_allowed"], found["undeclared_values"]) == (False, False)
    assert found["delta"] == services.usual_delta(PEOPLE)
    again = maker.post("api:dataset_promise", data.pk, body=PROMISE, key=key)
    assert (again.json(), again["Idempotent-Replayed"]) == (found, "true")
    problem(
        maker.post("api:dataset_promise", data.pk, body={**PROMISE, "epsilon": 5}, key=key), 409, "key_reused"
    )
    problem(maker.post("api:dataset_promise", data.pk, body=PROMISE), 409, "conflict")
    assert Promise.objects.get().public_rows == {"wages": 70}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"epsilon": "4"}, "invalid"),
        ({"epsilon": -1}, "refused"),
        ({"people": 0}, "refused"),
        ({"people": 1.5}, "invalid"),
        ({"scientists": 1001}, "refused"),
        ({"constants": ["wage"]}, "refused"),
        ({"constants": [1]}, "invalid"),
        ({"constants": ["region"] * 1001}, "invalid"),
        ({"rows": {"others": 5}}, "refused"),
        ({"rows": {"wages": "5"}}, "invalid"),
        ({"extended_allowed": True}, "invalid"),
    ],
    ids=str,
)
def test_a_promise_is_checked(data, maker, change, code):
    problem(maker.post("api:dataset_promise", data.pk, body={**PROMISE, **change}), 400, code)
    assert not Promise.objects.exists()


def test_the_rest_of_a_promise_has_usual_values(data, maker):
    body = {"epsilon": 4, "people": PEOPLE, "undeclared_values": True}
    found = maker.post("api:dataset_promise", data.pk, body=body).json()
    assert (found["scientists"], found["constants"], found["rows"]) == (3, [], {})
    assert found["undeclared_values"]


def test_only_the_owner_makes_a_promise(data):
    for caller in (
        Caller(make.scientist(), "read", "budgets"),
        Caller(make.owner(), "read", "budgets"),
        Caller(data.owner, "read", "budgets", dataset_ids=[make.dataset().pk]),
    ):
        problem(caller.post("api:dataset_promise", data.pk, body=PROMISE), 404, "not_found")
    for person in (make.admin(), make.auditor()):
        problem(Caller(person, "budgets").post("api:dataset_promise", data.pk, body=PROMISE), 403, "denied")
    problem(
        Caller(data.owner, "publish").post("api:dataset_promise", data.pk, body=PROMISE), 403, "token_scope"
    )
    assert not Promise.objects.exists()


def test_a_promise_is_read_by_those_who_manage_or_oversee(owner, budget):
    dataset = budget.promise.dataset
    for caller in (owner, Caller(make.admin()), Caller(make.auditor())):
        found = caller.get("api:dataset_promise", dataset.pk).json()
        assert (found["dataset"]["id"], found["budgets_given"]) == (str(dataset.pk), 1)
        assert 0 < found["share_given"] < 1
    for caller in (Caller(budget.scientist), Caller(make.owner())):
        problem(caller.get("api:dataset_promise", dataset.pk), 404, "not_found")


def test_a_promise_that_somebody_no_longer_sees_is_not_repeated(data, maker):
    key = uuid4()
    maker.post("api:dataset_promise", data.pk, body=PROMISE, key=key)
    data.owner = make.owner()
    data.save()
    problem(maker.post("api:dataset_promise", data.pk, body=PROMISE, key=key), 404, "not_found")


def test_the_owner_publishes_numbers_of_rows(owner, budget):
    dataset = budget.promise.dataset
    published = owner.post("api:dataset_rows", dataset.pk, body={"rows": {"wages": 75}})
    assert (published.status_code, published.json()["rows"]) == (200, {"wages": 75})
    assert owner.post("api:dataset_rows", dataset.pk, body={"rows": {}}).json()["rows"] == {}
    for body, code in (({}, "invalid"), ({"rows": {"wages": 0}}, "refused"), ({"rows": [5]}, "invalid")):
        problem(owner.post("api:dataset_rows", dataset.pk, body=body), 400, code)
    body = {"rows": {"wages": 75}}
    problem(Caller(make.auditor(), "budgets").post("api:dataset_rows", dataset.pk, body=body), 403, "denied")
    problem(Caller(dataset.owner, "read").post("api:dataset_rows", dataset.pk, body=body), 403, "token_scope")
    elsewhere = Caller(dataset.owner, "budgets", dataset_ids=[make.dataset().pk])
    for caller in (Caller(budget.scientist, "budgets"), elsewhere):
        problem(caller.post("api:dataset_rows", dataset.pk, body=body), 404, "not_found")
    assert Promise.objects.get().public_rows == {}


def test_the_ledger_is_read_by_owners_and_auditors(owner, budget, ask, compute):
    dataset = budget.promise.dataset
    spent, given_back, reserved = (
        compute(ask(budget, epsilon=2)),
        ask(budget, epsilon=3),
        ask(budget, epsilon=4),
    )
    settling.give_back(given_back, "Nobody was free.")
    for caller in (owner, Caller(make.auditor())):
        items = caller.get("api:dataset_ledger", dataset.pk).json()["items"]
        assert [(item["answer"]["id"], item["state"]) for item in items] == [
            (str(reserved.pk), "reserved"),
            (str(given_back.pk), "given_back"),
            (str(spent.pk), "spent"),
        ]
        assert {item["question"] for item in items} == {"Number of people"}
        assert {item["scientist"]["name"] for item in items} == {"Sam Scientist"}
        assert [item["share"] for item in items] == sorted((item["share"] for item in items), reverse=True)
        assert set(items[0]) == {"id", "at", "scientist", "answer", "question", "share", "state"}
    elsewhere = Caller(dataset.owner, dataset_ids=[make.dataset().pk])
    for caller in (Caller(budget.scientist), Caller(make.admin()), Caller(make.owner()), elsewhere):
        problem(caller.get("api:dataset_ledger", dataset.pk), 404, "not_found")
    problem(Caller(dataset.owner, "budgets").get("api:dataset_ledger", dataset.pk), 403, "token_scope")


def test_the_ledger_goes_on_at_its_cursor_and_is_filtered(owner, budget, ask):
    path, lines = (
        ("api:dataset_ledger", budget.promise.dataset_id),
        [ask(budget, epsilon=e).line_id for e in (1, 2, 3)],
    )
    first = owner.get(*path, query="?limit=2").json()
    query = "?" + first["next"].partition("?")[2]
    second = owner.get(*path, query=query).json()
    assert [item["id"] for item in first["items"] + second["items"]] == lines[::-1]
    assert second["next"] is None
    soon = (timezone.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query, count in (
        (f"?scientist={budget.scientist_id}", 3),
        (f"?scientist={uuid4()}", 0),
        (f"?since={soon}", 0),
        (f"?until={soon}", 3),
    ):
        assert len(owner.get(*path, query=query).json()["items"]) == count
    for query in ("?since=monday", "?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgIngiXQ"):
        problem(owner.get(*path, query=query), 400, "invalid")


@pytest.mark.parametrize(
    "content",
    [
        '["2026-01-01T00:00:00+00:00", Infinity]',
        '["2026-01-01T00:00:00+00:00", NaN]',
        '["2026-01-01T00:00:00+00:00", 1e999]',
        '["0001-01-01T00:00:00+14:00", 1]',
        '["9999-12-31T23:59:59-14:00", 1]',
        '["2026-01-01T00:00:00+00:00", 99999999999999999999]',
        "[" * 200,
    ],
    ids=["infinity", "nan", "too large a float", "first day", "last day", "too large", "deep"],
)
def test_a_cursor_that_somebody_made_is_refused_or_read(owner, budget, ask, content):
    ask(budget)
    cursor = urlsafe_b64encode(content.encode()).decode().rstrip("=")
    answer = owner.get("api:dataset_ledger", budget.promise.dataset_id, query=f"?cursor={cursor}")
    assert answer.status_code in {200, 400}


def test_a_charge_without_an_answer_is_shown(owner, budget, ask):
    """Its call died between the charge and the answer."""
    answer = ask(budget)
    answer.delete()
    (item,) = owner.get("api:dataset_ledger", budget.promise.dataset_id).json()["items"]
    assert (item["id"], item["answer"], item["question"]) == (LedgerLine.objects.get().pk, None, "")
