"""What a reviewer tries: the submitted code on mock data, with parameters of their own."""

from uuid import uuid4

import pytest

from accounts import services as accounts
from audit.models import Entry
from common import live
from common.errors import Conflict, Denied, Refused
from datasets import services as datasets
from requests_app import queries, rules, services
from requests_app.execution import sweep
from requests_app.models import CodeRequest, Release, Run
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


@pytest.fixture
def item():
    """A request whose author has tried its version, and which waits for a review."""
    draft = make.code_request(parameters={"least": 10})
    made.trial(draft)
    made.submission(draft)
    return made.fresh(draft)


def test_it_runs_the_submitted_code_with_the_reviewers_parameters(item):
    services.save_draft(item, by=item.author, number=item.draft_number, code="raise SystemExit")
    version, run = made.version(item), made.tried(made.fresh(item), least=1)
    assert (run.kind, run.version, run.asked_by) == (Run.Kind.MOCK, version, item.dataset.owner)
    assert (run.code, run.parameters, version.parameters) == (version.code, {"least": 1}, {"least": 10})
    assert run.sha256 != version.sha256
    assert made.tried(item, by=make.reviewer(item.dataset).user, least=10).sha256 == version.sha256
    executor = made.WritesOutputs()
    ended = made.execute(run, executor)
    assert (ended.state, executor.specs[0].parameters) == (Run.State.SUCCEEDED, {"least": 1})
    assert ended.opened_at is None
    assert not Release.objects.exists()


def test_a_form_that_is_sent_again_with_other_parameters_says_so(item):
    version, by, key = made.version(item), item.dataset.owner, uuid4()
    run = services.try_on_mock(version, by=by, key=key, parameters={"least": 1})
    assert services.try_on_mock(version, by=by, key=key, parameters={"least": 1}) == run
    with pytest.raises(Conflict, match="with other parameters"):
        services.try_on_mock(version, by=by, key=key, parameters={"least": 2})


def test_it_is_recorded_and_is_not_the_authors_run(item):
    author_run = item.runs.on_mock_by_author().get()
    run = made.tried(item, least=10)
    entry = Entry.objects.filter(action="run.ask").latest("id")
    assert (entry.actor_id, entry.object_id) == (str(item.dataset.owner_id), str(run.pk))
    assert not Entry.objects.visible_to(item.author).filter(object_id=str(run.pk)).exists()
    assert item.runs.on_mock_by_author().get() == author_run
    assert list(item.runs.on_mock_by_reviewers()) == [run]


def test_it_does_not_count_against_an_approval(item):
    made.execute(made.tried(item))
    made.approve(made.version(item), runs=1)
    assert queries.runs_left(made.fresh(item).latest.approval) == 1
    assert made.start(made.fresh(item)).state == Run.State.QUEUED


def test_the_page_that_the_author_has_open_is_not_told(item, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(live, "changed", lambda kind, *keys: told.extend(f"{kind}:{key}" for key in keys))
    run = made.tried(item)
    services.cancel_run(run, by=item.dataset.owner)
    assert told == [f"run:{run.pk}"] * 2


@pytest.mark.parametrize("at", ["changes_requested", "rejected", "approved", "ran"])
def test_only_what_is_under_review_can_be_tried(at):
    item = make.code_request(at=at)
    with pytest.raises(Denied, match="not under review"):
        made.tried(item)


def test_only_the_newest_version_can_be_tried(item):
    older = made.version(item)
    services.save_draft(item, by=item.author, number=item.draft_number, purpose="To know more.")
    made.submission(made.fresh(item))
    with pytest.raises(Denied, match="A newer version has been submitted"):
        services.try_on_mock(older, by=item.dataset.owner, key=uuid4(), parameters={})


def test_parameters_that_are_no_arguments_are_refused(item):
    with pytest.raises(Refused, match="'a b' cannot name a parameter"):
        services.try_on_mock(made.version(item), by=item.dataset.owner, key=uuid4(), parameters={"a b": 1})
    assert not item.runs.on_mock_by_reviewers().exists()


def test_an_environment_that_has_changed_is_told_at_once(item, monkeypatch):
    monkeypatch.setattr(rules, "environment_has_changed", lambda name, sha256: f"{name} has changed.")
    with pytest.raises(Refused, match="default has changed"):
        made.tried(item)


def test_another_try_replaces_the_reviewers_own_and_nobody_elses(item):
    other = made.tried(item, by=make.reviewer(item.dataset).user)
    first = made.claimed(made.tried(item))
    second = made.tried(item, least=1)
    third = made.tried(item, least=2)
    states = dict(Run.objects.on_mock_by_reviewers().values_list("pk", "state"))
    assert states == {
        other.pk: "queued", first.pk: "cancelling", second.pk: "cancelled", third.pk: "queued",
    }  # fmt: skip


def test_runs_that_are_still_being_stopped_count_as_live(item):
    for _ in range(3):
        made.claimed(made.tried(item))
    with pytest.raises(Refused, match="3 live mock runs"):
        made.tried(item)


def test_the_same_key_tries_once_and_is_nobody_elses(item):
    key = uuid4()
    assert made.tried(item, key=key) == made.tried(item, key=key)
    for again in (
        lambda: made.tried(item, by=make.reviewer(item.dataset).user, key=key),
        lambda: services.run_on_mock(made.fresh(item), by=item.author, key=key),
    ):
        with pytest.raises(Conflict, match="belongs to somebody else"):
            again()


def withdrawn(item, reviewer):
    services.withdraw(item, by=item.author)


def decided(item, reviewer):
    made.approve(made.version(item))


def removed(item, reviewer):
    datasets.remove_reviewer(item.dataset.reviewers.get(user=reviewer), by=item.dataset.owner)


def suspended(item, reviewer):
    accounts.suspend(reviewer, by=make.admin(), reason="An incident.")


@pytest.mark.parametrize("end", [withdrawn, decided, removed, suspended])
def test_a_try_ends_with_the_review_and_with_the_reviewers_seat(item, end):
    reviewer = make.reviewer(item.dataset).user
    run = made.tried(item, by=reviewer)
    sweep.sweep_runs()
    assert made.fresh_run(run).state == Run.State.QUEUED
    end(CodeRequest.objects.get(pk=item.pk), reviewer)
    sweep.sweep_runs()
    assert made.fresh_run(run).state == Run.State.CANCELLED
    assert Run.objects.visible_to(reviewer).filter(pk=run.pk).exists() == (end is not removed)
