"""Budgets from programs: who sees them, and how owners give, change and close them."""

import time
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from common.rest import etags
from privacy import services
from privacy.engine.accounting import noise_epsilon
from privacy.models import Budget
from tests import make
from tests.privacy.api.calling import Caller
from tests.rest import problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def newcomer(budget):
    """A scientist with access to the dataset and no budget."""
    person = make.scientist(name="Nina Newcomer")
    make.grant(budget.promise.dataset, person)
    return person


def epsilon_of(budget):
    budget = Budget.objects.get(pk=budget.pk)
    return noise_epsilon(budget.mu, budget.promise.noise_delta)


def listed(caller, query=""):
    return [item["id"] for item in caller.get("api:budgets", query=query).json()["items"]]


def test_a_program_finds_its_budgets_and_what_they_can_be_asked(scientist, budget):
    (found,) = scientist.get("api:budgets").json()["items"]
    assert (found["id"], found["share_used"]) == (str(budget.pk), 0.0)
    assert found["epsilon"] == pytest.approx(30)
    assert (found["scientist"]["name"], found["mode"], found["closed_at"]) == (
        "Sam Scientist",
        "complete",
        None,
    )
    detail = scientist.get("api:budget", budget.pk).json()
    assert {name: detail[name] for name in found} == found
    (table,) = detail["tables"]
    wage = next(column for column in table["columns"] if column["name"] == "wage")
    assert (table["person"], wage["bounds"], wage["unit"]) == ("person", [0, 50_000], "EUR")
    assert (table["rows_per_person"], table["rows"], detail["people"]) == (4, None, 30)
    region = next(column for column in table["columns"] if column["name"] == "region")
    assert (region["bounds"], region["values"], region["constant"]) == (None, ["east", "north", "west"], True)


def test_a_budget_is_listed_for_those_who_see_it(budget):
    dataset = budget.promise.dataset
    for person in (budget.scientist, dataset.owner, make.auditor(), make.admin()):
        caller = Caller(person)
        assert listed(caller) == [str(budget.pk)]
        assert caller.get("api:budget", budget.pk).status_code == 200
        assert listed(caller, f"?dataset={dataset.pk}&scientist={budget.scientist_id}") == [str(budget.pk)]
        assert listed(caller, f"?dataset={uuid4()}") == listed(caller, f"?scientist={uuid4()}") == []
    for caller in (Caller(make.scientist()), Caller(budget.scientist, dataset_ids=[make.dataset().pk])):
        assert listed(caller) == []
        problem(caller.get("api:budget", budget.pk), 404, "not_found")


def test_a_list_takes_known_filters_alone(scientist):
    problem(scientist.get("api:budgets", query="?dataset=wages"), 400, "invalid")
    problem(scientist.get("api:budgets", query="?owner=me"), 400, "invalid")
    problem(Caller(scientist.person, "ask").get("api:budgets"), 403, "token_scope")


def test_a_budget_of_a_dataset_without_a_revision_has_no_tables(scientist, budget):
    dataset = budget.promise.dataset
    dataset.revisions.update(state="retired")
    assert scientist.get("api:budget", budget.pk).json()["tables"] == []
    answer = scientist.post(
        "api:budget_price", budget.pk, body={"sql": "SELECT COUNT(*) FROM wages", "epsilon": 1}
    )
    problem(answer, 409, "conflict")


def test_the_owner_changes_a_budget(owner, budget):
    etag = owner.get("api:budget", budget.pk)["ETag"]
    problem(owner.patch("api:budget", budget.pk, body={"epsilon": 35}, etag=""), 428, "etag_missing")
    changed = owner.patch("api:budget", budget.pk, body={"epsilon": 35}, etag=etag)
    assert (changed.status_code, changed.json()["epsilon"]) == (200, pytest.approx(35))
    problem(owner.patch("api:budget", budget.pk, body={"epsilon": 40}, etag=etag), 412, "stale")
    assert epsilon_of(budget) == pytest.approx(35)
    same = owner.patch("api:budget", budget.pk, body={})
    assert (same.status_code, epsilon_of(budget)) == (200, pytest.approx(35))


def test_a_change_does_not_undo_a_top_up_that_was_granted_meanwhile(owner, budget, as_):
    """On the page, after the program has read the budget."""
    top_up = services.ask_top_up(budget, by=budget.scientist, epsilon=40, reason="For a report.")
    read = owner.get("api:budget", budget.pk)
    page = reverse("privacy:decide", args=[top_up.pk])
    assert as_(budget.promise.dataset.owner).post(page, {"verdict": "grant"}).status_code == 302
    assert epsilon_of(budget) == pytest.approx(40)
    assert owner.get("api:budget", budget.pk)["ETag"] != read["ETag"]
    for body in ({"epsilon": 35}, {"epsilon": 45}):
        problem(owner.patch("api:budget", budget.pk, body=body, etag=read["ETag"]), 412, "stale")
    assert epsilon_of(budget) == pytest.approx(40)


def test_a_top_up_between_the_comparison_and_the_change_is_not_lost(owner, budget, monkeypatch):
    top_up = services.ask_top_up(budget, by=budget.scientist, epsilon=40, reason="For a report.")
    compared = etags.now

    def granted_after(*args):
        found = compared(*args)
        services.decide_top_up(top_up, by=budget.promise.dataset.owner, grant=True)
        return found

    monkeypatch.setattr(etags, "now", granted_after)
    etag = owner.get("api:budget", budget.pk)["ETag"]
    problem(owner.patch("api:budget", budget.pk, body={"epsilon": 35}, etag=etag), 412, "stale")
    assert epsilon_of(budget) == pytest.approx(40)


def test_a_change_that_is_not_possible_changes_nothing(owner, scientist, budget):
    scientist.post("api:budget_answers", budget.pk, body={"sql": "SELECT COUNT(*) FROM wages", "epsilon": 1})
    for epsilon, status, code in ((1e9, 400, "refused"), ("5", 400, "invalid"), (None, 400, "invalid")):
        problem(owner.patch("api:budget", budget.pk, body={"epsilon": epsilon}), status, code)
    assert epsilon_of(budget) == pytest.approx(30)


def test_only_the_owner_changes_closes_and_gives(scientist, budget, newcomer):
    """Whoever sees the budget hears why not; for others it does not exist."""
    dataset = budget.promise.dataset

    def tried(caller):
        yield caller.patch("api:budget", budget.pk, body={"epsilon": 35})
        yield caller.patch("api:budget", budget.pk, body={})
        yield caller.post("api:budget_close", budget.pk, body={"reason": "Over."})

    for answer in tried(Caller(budget.scientist, "read", "budgets")):
        assert "Somebody else" in problem(answer, 403, "denied")["detail"]
    for answer in tried(Caller(make.auditor(), "read", "budgets")):
        problem(answer, 403, "denied")
    for caller in (
        Caller(make.owner(), "read", "budgets"),
        Caller(dataset.owner, "read", "budgets", dataset_ids=[make.dataset().pk]),
    ):
        for answer in tried(caller):
            problem(answer, 404, "not_found")
        given = caller.post("api:dataset_budgets", dataset.pk, body={"scientist": str(newcomer.pk)})
        problem(given, 404, "not_found")
    for answer in tried(Caller(dataset.owner, "read", "publish")):
        problem(answer, 403, "token_scope")
    give = {"scientist": str(newcomer.pk)}
    auditor = Caller(make.auditor(), "read", "budgets")
    problem(auditor.post("api:dataset_budgets", dataset.pk, body=give), 403, "denied")
    problem(scientist.post("api:dataset_budgets", dataset.pk, body=give), 403, "token_scope")
    assert (Budget.objects.count(), Budget.objects.get().closed_at) == (1, None)


def test_the_owner_closes_a_budget(owner, scientist, budget):
    problem(owner.post("api:budget_close", budget.pk), 400, "invalid")
    problem(owner.post("api:budget_close", budget.pk, body={"reason": " "}), 400, "invalid")
    closed = owner.post("api:budget_close", budget.pk, body={"reason": "The project is over."})
    assert (closed.status_code, closed.json()["closed_at"] is None) == (200, False)
    problem(owner.post("api:budget_close", budget.pk, body={"reason": "Again."}), 409, "conflict")
    asked = {"sql": "SELECT COUNT(*) FROM wages", "epsilon": 1}
    refused = problem(scientist.post("api:budget_answers", budget.pk, body=asked), 403, "denied")
    assert refused["detail"] == "The owner has closed this budget."


def test_the_owner_gives_a_budget_once(owner, budget, newcomer):
    dataset, key = budget.promise.dataset, uuid4()
    give = {"scientist": str(newcomer.pk), "epsilon": 2.5}
    given = owner.post("api:dataset_budgets", dataset.pk, body=give, key=key)
    made = Budget.objects.get(scientist=newcomer)
    assert (given.status_code, given["Location"]) == (201, reverse("api:budget", args=[made.pk]))
    assert (given.json()["id"], given.json()["epsilon"]) == (str(made.pk), pytest.approx(2.5))
    again = owner.post("api:dataset_budgets", dataset.pk, body=give, key=key)
    assert (again.json(), again["Idempotent-Replayed"]) == (given.json(), "true")
    other = owner.post("api:dataset_budgets", dataset.pk, body={**give, "epsilon": 3}, key=key)
    problem(other, 409, "key_reused")
    refused = problem(owner.post("api:dataset_budgets", dataset.pk, body=give), 409, "conflict")
    assert "already has a budget" in refused["detail"]
    assert Budget.objects.count() == 2


def test_without_an_epsilon_it_is_one_of_the_equal_budgets():
    data, person = make.dataset(), make.scientist()
    make.grant(data, person)
    promise = services.protect(data, by=data.owner, epsilon=4, public_size=30, constants=[], scientists=2)
    caller = Caller(data.owner, "budgets")
    given = caller.post("api:dataset_budgets", data.pk, body={"scientist": str(person.pk), "epsilon": None})
    assert given.status_code == 201
    assert Budget.objects.get().mu == pytest.approx(promise.mu / 2**0.5)


def test_whoever_has_no_access_gets_no_budget(owner, budget, newcomer):
    path = ("api:dataset_budgets", budget.promise.dataset_id)
    for person in (make.scientist(), make.owner(), budget.promise.dataset.owner):
        refused = problem(owner.post(*path, body={"scientist": str(person.pk)}), 400, "refused")
        assert refused["detail"] == "Choose a scientist with access to this dataset."
    for body in ({}, {"scientist": "Nina"}, {"scientist": str(newcomer.pk), "extended": True}):
        problem(owner.post(*path, body=body), 400, "invalid")
    nothing = problem(
        owner.post("api:dataset_budgets", make.dataset(owner=owner.person).pk, body={}), 400, "invalid"
    )
    assert "scientist" in nothing["fields"]
    unprotected = make.dataset(owner=owner.person)
    answer = owner.post("api:dataset_budgets", unprotected.pk, body={"scientist": str(newcomer.pk)})
    problem(answer, 404, "not_found")
    assert Budget.objects.count() == 1


def test_a_session_confirms_who_it_is(budget):
    client, owner = Client(), budget.promise.dataset.owner
    owner.set_password(make.PASSWORD)
    owner.save()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    records = session["account_authentication_methods"]
    session["account_authentication_methods"] = [{**each, "at": time.time() - 901} for each in records]
    session.save()
    path = reverse("api:budget_close", args=[budget.pk])
    answer = client.post(path, {"reason": "Over."}, content_type="application/json")
    assert "Close a scientist's budget" in problem(answer, 403, "confirm_again")["detail"]
    assert Budget.objects.get().closed_at is None
