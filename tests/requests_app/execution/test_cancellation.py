"""What may not go on ends within a heartbeat, whoever or whatever ended the right to it."""

import threading

import pytest
from django.utils import timezone

from accounts import hooks
from accounts import services as accounts
from datasets import hooks as dataset_hooks
from datasets import services as datasets
from requests_app.execution import heartbeat, lifecycle, sweep
from requests_app.models import Run
from runner.contract import JobResult, Status
from tests import make
from tests.makers import requests as made
from tests.makers.requests import WritesOutputs

pytestmark = pytest.mark.django_db(transaction=True)


def role_taken(item):
    accounts.take_role(item.author, by=make.admin(), role="scientist", reason="They have left.")


ENDED = {
    "the role is taken": role_taken,
    "the account is suspended": lambda item: accounts.suspend(item.author, by=make.admin(), reason="A test."),
    "access is revoked": lambda item: datasets.revoke_access(
        item.dataset.grants.get(), by=item.dataset.owner, reason="A test."
    ),
    "the dataset is frozen": lambda item: datasets.freeze(
        item.dataset, by=item.dataset.owner, reason="A test."
    ),
}
BY_THE_CLOCK = {
    "access runs out": lambda item: item.dataset.grants.update(expires_at=timezone.now()),
    "a role goes without its hook": lambda item: item.author.role_grants.all().delete(),
    "an approval goes without its hook": lambda item: item.latest.approval.__class__.objects.update(
        ended_at=timezone.now()
    ),
}


def states(*runs):
    return [made.fresh_run(run).state for run in runs]


def three(item):
    """A private run and a mock run in progress, and a queued mock run, all of one author."""
    run, trial = made.claimed(made.start(item)), made.claimed(made.trial(item))
    return run, trial, made.trial(item)


@pytest.mark.parametrize("how", [*ENDED])
def test_who_takes_the_right_away_ends_the_private_run_at_once(how):
    item = make.code_request(at="approved")
    run = made.claimed(made.start(item))
    ENDED[how](made.fresh(item))
    assert states(run) == ["cancelling"]


@pytest.mark.parametrize("how", ["the role is taken", "the account is suspended", "access is revoked"])
def test_nothing_of_the_person_goes_on_on_mock_data_either(how):
    item = make.code_request(at="approved")
    runs = three(item)
    ENDED[how](made.fresh(item))
    assert states(*runs) == ["cancelling", "cancelling", "cancelled"]


@pytest.mark.parametrize("how", [*ENDED, *BY_THE_CLOCK])
def test_the_round_ends_what_was_overlooked(how, monkeypatch):
    for module, name in (
        (hooks, "on_suspended"),
        (hooks, "on_role_taken"),
        (dataset_hooks, "on_frozen"),
        (dataset_hooks, "on_access_ended"),
    ):
        monkeypatch.setattr(module, name, [])
    item = make.code_request(at="approved")
    run = made.claimed(made.start(item))
    sweep.sweep_runs()
    assert states(run) == ["starting"]
    {**ENDED, **BY_THE_CLOCK}[how](made.fresh(item))
    assert states(run) == ["starting"]
    sweep.sweep_runs()
    assert states(run) == ["cancelling"]


def test_another_role_taken_or_another_persons_ends_nothing():
    item = make.code_request(at="approved")
    run = made.claimed(made.start(item))
    other = make.scientist()
    accounts.take_role(other, by=make.admin(), role="scientist", reason="They have left.")
    item.author.role_grants.create(role="owner", granted_by=other, reason="A test.")
    accounts.take_role(item.author, by=make.admin(), role="owner", reason="A mistake.")
    sweep.sweep_runs()
    assert states(run) == ["starting"]


def test_a_run_that_began_in_time_outlives_its_approvals_last_day():
    item = make.code_request(at="approved")
    run = made.claimed(made.start(item))
    item.latest.approval.__class__.objects.update(expires_at=timezone.now())
    sweep.sweep_runs()
    assert states(run) == ["starting"]


@pytest.mark.parametrize("how", ["the role is taken", "access runs out", "a role goes without its hook"])
def test_the_code_is_killed_by_its_own_heartbeat_without_any_round(how, settings, monkeypatch):
    settings.HEARTBEAT_SECONDS = 0.05
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 0.02)
    item = make.code_request(at="approved")
    run = made.claimed(made.start(item))

    class UntilKilled(WritesOutputs):
        def run(self, spec, *, started=lambda: None, cancelled=lambda: False):
            started()
            {**ENDED, **BY_THE_CLOCK}[how](made.fresh(item))
            pause = threading.Event()
            while not cancelled():
                assert not pause.wait(0.01)
            return JobResult(status=Status.CANCELLED, signal=9)

    ended = lifecycle.execute(run, UntilKilled())
    assert (ended.signal, ended.ended_at is not None) == (9, True)
    assert made.announced(ended).state == Run.State.CANCELLED
