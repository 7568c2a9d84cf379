"""Answers to programs: listed without figures, shown once they are released, sent as files."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.inbox import inbox
from privacy.execution import settling
from privacy.models import Answer
from tests import make
from tests.privacy.api.calling import Caller
from tests.rest import problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def answered(budget, ask, compute):
    return compute(ask(budget, "SELECT region, COUNT(*) FROM wages GROUP BY region", epsilon=10))


def ids(caller, name="api:answers", *args, query=""):
    return [item["id"] for item in caller.get(name, *args, query=query).json()["items"]]


def test_an_answer_is_read_by_those_who_may(scientist, budget, answered):
    dataset = budget.promise.dataset
    for caller in (scientist, Caller(dataset.owner), Caller(make.auditor())):
        (item,) = caller.get("api:answers").json()["items"]
        found = caller.get("api:answer", answered.pk).json()
        assert {name: found[name] for name in item} == item
        assert not {"result", "record"} & set(item)
        assert (found["state"], found["question"]) == ("released", "Number of rows by region")
        assert (found["result"], found["record"]) == (answered.result, answered.record)
        assert found["counting"] == "counting at most 4 per person"
        assert (found["rows_per_person"], found["reason"]) == (4, "")
        assert found["epsilon"] == pytest.approx(10, rel=1e-3)
        assert 0 < found["share"] < 1
        assert (found["mode"], found["scientist"]["id"]) == ("complete", str(budget.scientist_id))
        assert ids(caller, "api:budget_answers", budget.pk) == [str(answered.pk)]
    elsewhere = Caller(budget.scientist, dataset_ids=[make.dataset().pk])
    for caller in (Caller(make.scientist()), Caller(make.owner()), Caller(make.admin()), elsewhere):
        assert ids(caller) == []
        problem(caller.get("api:answer", answered.pk), 404, "not_found")
        problem(caller.get("api:answer_file", answered.pk, "csv"), 404, "not_found")
    assert ids(Caller(make.admin()), "api:budget_answers", budget.pk) == []
    problem(Caller(make.scientist()).get("api:budget_answers", budget.pk), 404, "not_found")
    problem(Caller(budget.scientist, "ask").get("api:answer", answered.pk), 403, "token_scope")


def test_nothing_of_an_answer_is_shown_before_its_time(scientist, budget, answered):
    Answer.objects.update(visible_at=timezone.now() + timedelta(hours=1))
    found = scientist.get("api:answer", answered.pk, Prefer="wait=5")
    assert found["Weir-Live"] == f"user:{budget.scientist_id},answer:{answered.pk}"
    told = found.json()
    assert (told["state"], told["result"], told["record"], told["released_at"]) == (
        "pending",
        None,
        None,
        None,
    )
    for form in ("csv", "json", "record"):
        problem(scientist.get("api:answer_file", answered.pk, form), 404, "not_found")
    assert ids(scientist, query="?state=released") == []
    assert ids(scientist, query="?state=pending") == [str(answered.pk)]
    Answer.objects.update(visible_at=timezone.now() - timedelta(hours=1))
    assert ids(scientist, query="?state=released") == [str(answered.pk)]
    assert ids(scientist, query="?state=pending") == []
    assert "Weir-Live" not in scientist.get("api:answer", answered.pk, Prefer="wait=5")


def test_answers_are_filtered(scientist, budget, answered, ask):
    waiting = ask(budget)
    both = [str(waiting.pk), str(answered.pk)]
    assert ids(scientist) == ids(scientist, query=f"?dataset={budget.promise.dataset_id}") == both
    assert ids(scientist, query=f"?dataset={budget.pk}") == ids(scientist, query="?state=lost") == []
    assert ids(scientist, "api:budget_answers", budget.pk, query="?state=pending") == both[:1]
    for query in ("?state=odd", "?dataset=odd", "?budget=odd"):
        problem(scientist.get("api:answers", query=query), 400, "invalid")


def test_an_answer_that_was_given_back_says_why_and_cost_nothing(scientist, budget, ask):
    answer = ask(budget)
    settling.give_back(answer, "Nobody was free.")
    found = scientist.get("api:answer", answer.pk).json()
    assert (found["state"], found["reason"], found["share"]) == ("voided", "Nobody was free.", 0)
    assert (found["result"], found["record"]) == (None, None)
    assert ids(scientist, query="?state=voided") == [str(answer.pk)]


def test_its_files_are_those_of_the_page(scientist, budget, answered):
    client = Client()
    client.force_login(budget.scientist, backend="django.contrib.auth.backends.ModelBackend")
    for form in ("csv", "json", "record"):
        found = scientist.get("api:answer_file", answered.pk, form)
        page = client.get(reverse("privacy:download", args=[answered.pk, form]))
        assert (found.status_code, found.content) == (200, page.content)
        for header in ("Content-Type", "Content-Disposition"):
            assert found[header] == page[header]
    problem(scientist.get("api:answer_file", answered.pk, "xlsx"), 404, "not_found")


def test_an_answer_that_its_scientist_has_read_waits_no_longer(scientist, budget, answered):
    Caller(budget.promise.dataset.owner).get("api:answer", answered.pk)
    assert len(inbox(budget.scientist)) == 1
    scientist.get("api:answer", answered.pk)
    assert len(inbox(budget.scientist)) == 0
