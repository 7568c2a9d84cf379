"""A role that is taken ends what it allowed, on the next click. What was released to somebody stays theirs."""

from uuid import uuid4

import pytest
from django.test import Client

from accounts import services as people
from accounts.models import User
from common.errors import Refused
from datasets import services as datasets
from datasets.models import AccessRequest
from privacy import services as budgets
from privacy.models import Budget, TopUp
from privacy.services import questions
from requests_app import rules
from requests_app import services as lane
from requests_app.consumers import may_watch
from requests_app.models import CodeRequest, Release, Run
from requests_app.services import outputs, releases
from tests import make
from tests.makers import privacy as shares
from tests.makers import requests as requests_

pytestmark = pytest.mark.django_db


def take(person: User, role: str) -> User:
    """The person after an admin has taken a role from them."""
    return people.take_role(person, by=make.admin(), role=role, reason="They leave.")


def test_an_owner_without_the_role_sees_no_rows_and_decides_nothing(client: Client):
    item = make.code_request(at="ran")
    wish = make.access_request(item.dataset)
    release = Release.objects.get(run__request=item)
    table = make.current(item.dataset).tables.get()
    owner = item.dataset.owner
    client.force_login(owner)
    inside = [f"/datasets/tables/{table.pk}/rows/", f"/datasets/{item.dataset_id}/people/"]
    held = [f"/requests/releases/{release.pk}/", f"/requests/runs/{release.run_id}/log/"]
    assert [client.get(path).status_code for path in inside + held] == [200] * 4
    owner = take(owner, "owner")
    assert {client.get(path).status_code for path in inside + held} <= {403, 404}
    for act in (
        lambda: datasets.set_policy(item.dataset, by=owner, max_runs=9),
        lambda: datasets.decide_access(wish, by=owner, grant=True),
        lambda: datasets.transfer(item.dataset, by=owner, to=make.owner(), reason="Mine."),
        lambda: releases.decide(release, by=owner, decision="reject", comment="No."),
        lambda: lane.start_run(item, by=owner, key=uuid4()),
    ):
        with pytest.raises(Refused):
            act()
    people.grant_role(owner, by=make.admin(), role="owner", reason="To hand it over.")
    again = User.objects.get(pk=owner.pk)
    assert datasets.transfer(item.dataset, by=again, to=make.owner(), reason="They leave.").owner != again


def test_their_approval_of_two_that_are_needed_counts_no_more():
    dataset = make.dataset()
    reviewers = [make.reviewer(dataset).user for _ in range(2)]
    datasets.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    item = make.code_request(at="submitted", dataset=dataset)
    requests_.approve(requests_.version(item))
    take(dataset.owner, "owner")
    requests_.approve(requests_.version(item), by=reviewers[0])
    assert requests_.fresh(item).state == CodeRequest.State.IN_REVIEW
    requests_.approve(requests_.version(item), by=reviewers[1])
    assert requests_.fresh(item).state == CodeRequest.State.APPROVED


def test_a_scientist_without_the_role_begins_nothing_and_keeps_what_was_released():
    item = make.code_request(at="released")
    output = Run.objects.get(request=item).outputs.get()
    approved = make.code_request(at="approved", author=item.author, dataset=item.dataset)
    run = requests_.claimed(requests_.start(approved))
    budget = shares.budget(shares.promise(item.dataset), item.author)
    wish = make.access_request(make.dataset(), item.author)
    top_up = TopUp.objects.create(budget=budget, epsilon=1.5, reason="More.")
    author = take(item.author, "scientist")
    owner = item.dataset.owner
    approved, budget = requests_.fresh(approved), Budget.objects.get(pk=budget.pk)
    wish, top_up = AccessRequest.objects.get(pk=wish.pk), TopUp.objects.get(pk=top_up.pk)
    for act in (
        lambda: lane.new_request(item.dataset, by=author, title="Another"),
        lambda: lane.save_draft(approved, by=author, number=1, purpose="Other."),
        lambda: lane.submit(approved, by=author, key=uuid4()),
        lambda: lane.start_run(approved, by=author, key=uuid4()),
        lambda: lane.comment(requests_.version(approved), by=author, text="But why?"),
        lambda: questions.quote(
            budget, questions.read_sql(budget, shares.PEOPLE_COUNTED).query, by=author, epsilon=0.2
        ),
        lambda: budgets.ask_top_up(budget, by=author, epsilon=1.5, reason="More."),
        lambda: datasets.decide_access(wish, by=wish.dataset.owner, grant=True),
        lambda: budgets.decide_top_up(top_up, by=owner, grant=True),
        lambda: budgets.change_budget(budget, by=owner, epsilon=1.5),
    ):
        with pytest.raises(Refused):
            act()
    assert rules.may_open_data(Run.objects.get(pk=run.pk)) is not None
    assert outputs.open_released(output, by=author).is_file()
    assert datasets.decide_access(wish, by=wish.dataset.owner, grant=False, note="Too late.").state == (
        AccessRequest.State.DENIED
    )


def test_an_open_page_hears_no_more_than_its_person_may_know_now():
    dataset = make.dataset()
    seat = make.reviewer(dataset).user
    item = make.code_request(at="in_review", dataset=dataset)
    auditor = make.auditor()
    assert [may_watch(who.pk, f"request:{item.pk}") for who in (seat, dataset.owner, auditor)] == [True] * 3
    take(auditor, "auditor")
    take(dataset.owner, "owner")
    datasets.remove_reviewer(dataset.reviewers.get(user=seat), by=_with_role(dataset.owner))
    take(dataset.owner, "owner")
    assert [may_watch(who.pk, f"request:{item.pk}") for who in (seat, dataset.owner, auditor)] == [False] * 3


def _with_role(person: User) -> User:
    people.grant_role(person, by=make.admin(), role="owner", reason="Again.")
    return User.objects.get(pk=person.pk)


def test_whoever_takes_over_a_dataset_does_not_decide_on_a_budget_of_their_own():
    promise = shares.promise()
    heir = make.user("owner", "scientist")
    grant = make.grant(promise.dataset, heir)
    budget = shares.budget(promise, heir)
    datasets.transfer(promise.dataset, by=promise.dataset.owner, to=heir, reason="They know it.")
    grant.refresh_from_db()
    assert grant.revoke_reason == "They own the dataset now."
    budget = Budget.objects.get(pk=budget.pk)
    for act in (
        lambda: budgets.change_budget(budget, by=heir, epsilon=2.0),
        lambda: budgets.close_budget(budget, by=heir, reason="Mine."),
    ):
        with pytest.raises(Refused, match="Somebody else has to decide on your budget"):
            act()
