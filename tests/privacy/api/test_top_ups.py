"""Requests for larger budgets from programs: asked by the scientist, decided by the owner."""

from uuid import uuid4

import pytest
from django.urls import reverse

from privacy.engine.accounting import noise_epsilon
from privacy.models import Budget, TopUp
from tests import make
from tests.privacy.api.calling import Caller
from tests.rest import problem

pytestmark = pytest.mark.django_db

WANTED = {"epsilon": 40, "reason": "The medians\nare still open."}


@pytest.fixture
def asked(scientist, budget):
    scientist.post("api:budget_top_ups", budget.pk, body=WANTED)
    return TopUp.objects.get()


def test_a_scientist_asks_for_more_once(scientist, budget):
    key = uuid4()
    made = scientist.post("api:budget_top_ups", budget.pk, body=WANTED, key=key)
    item = made.json()
    assert (made.status_code, made["Location"]) == (201, reverse("api:top_up", args=[item["id"]]))
    assert (item["epsilon"], item["reason"], item["state"]) == (40, WANTED["reason"], "pending")
    again = scientist.post("api:budget_top_ups", budget.pk, body=WANTED, key=key)
    assert (again.json(), again["Idempotent-Replayed"]) == (item, "true")
    other = scientist.post("api:budget_top_ups", budget.pk, body={**WANTED, "epsilon": 45}, key=key)
    problem(other, 409, "key_reused")
    waiting = problem(scientist.post("api:budget_top_ups", budget.pk, body=WANTED), 403, "denied")
    assert "is waiting for the owner" in waiting["detail"]
    assert scientist.get("api:budget", budget.pk).json()["top_up"] == {"id": item["id"]}
    assert TopUp.objects.count() == 1


def test_what_is_asked_for_is_checked(scientist, budget):
    for body, code in (
        ({}, "invalid"),
        ({**WANTED, "epsilon": "40"}, "invalid"),
        ({**WANTED, "epsilon": 20}, "refused"),
        ({**WANTED, "reason": ""}, "refused"),
        ({**WANTED, "reason": "x" * 4001}, "refused"),
    ):
        problem(scientist.post("api:budget_top_ups", budget.pk, body=body), 400, code)
    assert not TopUp.objects.exists()


def test_only_the_scientist_asks(owner, budget):
    for person in (make.auditor(), budget.promise.dataset.owner):
        answer = Caller(person, "read", "ask").post("api:budget_top_ups", budget.pk, body=WANTED)
        problem(answer, 403, "denied")
    stranger = Caller(make.scientist(), "read", "ask")
    problem(stranger.post("api:budget_top_ups", budget.pk, body=WANTED), 404, "not_found")
    problem(owner.post("api:budget_top_ups", budget.pk, body=WANTED), 403, "token_scope")
    assert not TopUp.objects.exists()


def test_requests_are_listed_and_read_by_those_who_see_the_budget(scientist, budget, asked):
    dataset = budget.promise.dataset
    for caller in (scientist, Caller(dataset.owner), Caller(make.auditor())):
        for name, args, query in (
            ("api:top_ups", (), ""),
            ("api:top_ups", (), f"?state=pending&dataset={dataset.pk}"),
            ("api:budget_top_ups", (budget.pk,), ""),
        ):
            items = caller.get(name, *args, query=query).json()["items"]
            assert [item["id"] for item in items] == [str(asked.pk)]
        assert caller.get("api:top_ups", query="?state=granted").json()["items"] == []
        assert caller.get("api:top_up", asked.pk).json()["reason"] == WANTED["reason"]
        problem(caller.get("api:top_ups", query="?state=odd"), 400, "invalid")
    elsewhere = Caller(budget.scientist, dataset_ids=[make.dataset().pk])
    for caller in (Caller(make.scientist()), Caller(make.owner()), elsewhere):
        assert caller.get("api:top_ups").json()["items"] == []
        problem(caller.get("api:top_up", asked.pk), 404, "not_found")
        problem(caller.get("api:budget_top_ups", budget.pk), 404, "not_found")


def test_the_owner_gives_the_larger_budget(owner, budget, asked):
    given = owner.post("api:top_up_decide", asked.pk, body={"grant": True})
    assert (given.status_code, given.json()["state"]) == (200, "granted")
    budget = Budget.objects.get()
    assert noise_epsilon(budget.mu, budget.promise.noise_delta) == pytest.approx(40)
    problem(owner.post("api:top_up_decide", asked.pk, body={"grant": True}), 409, "conflict")


def test_the_owner_declines_with_a_note(owner, budget, asked):
    problem(owner.post("api:top_up_decide", asked.pk, body={"grant": False}), 400, "refused")
    problem(owner.post("api:top_up_decide", asked.pk, body={"grant": "no"}), 400, "invalid")
    body = {"grant": False, "note": "Ask for fewer groups first."}
    declined = owner.post("api:top_up_decide", asked.pk, body=body).json()
    assert (declined["state"], declined["decision_note"]) == ("denied", body["note"])
    assert declined["decided_at"] is not None
    assert Budget.objects.get().mu == budget.mu


def test_only_the_owner_decides(scientist, budget, asked):
    dataset = budget.promise.dataset
    for person in (budget.scientist, make.auditor()):
        answer = Caller(person, "read", "budgets").post("api:top_up_decide", asked.pk, body={"grant": True})
        problem(answer, 403, "denied")
    problem(scientist.post("api:top_up_decide", asked.pk, body={"grant": True}), 403, "token_scope")
    elsewhere = Caller(dataset.owner, "budgets", dataset_ids=[make.dataset().pk])
    for caller in (Caller(make.owner(), "budgets"), elsewhere):
        problem(caller.post("api:top_up_decide", asked.pk, body={"grant": True}), 404, "not_found")
    assert TopUp.objects.get().state == "pending"
