"""The heartbeat thread, with its own connection: it beats, and notices a cancel or a lost lease."""

import threading
from uuid import uuid4

import pytest
from django.db import OperationalError

from accounts import services as accounts
from datasets import services as datasets
from requests_app import services
from requests_app.execution import heartbeat, lifecycle
from requests_app.execution.heartbeat import Watch
from requests_app.models import Run
from runner.contract import JobResult, Status
from tests import make
from tests.makers import requests as made
from tests.makers.requests import WritesOutputs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def often(settings, monkeypatch):
    settings.HEARTBEAT_SECONDS = 0.05
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 0.02)


class RunsUntilCancelled(WritesOutputs):
    """Code that runs until it is killed; `meanwhile` is called once it has started."""

    def __init__(self, meanwhile):
        super().__init__()
        self.meanwhile = meanwhile

    def run(self, spec, *, started=lambda: None, cancelled=lambda: False):
        started()
        self.meanwhile()
        stopped = threading.Event()
        while not cancelled():
            assert not stopped.wait(0.01)
        return JobResult(status=Status.CANCELLED, signal=9)


def in_hand():
    return made.claimed(made.start(make.code_request(at="approved")))


def wait_for(condition):
    """Wait until the condition holds; the test's own time limit ends it otherwise."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("It never came about.")


def test_a_run_in_hand_has_a_fresh_heartbeat():
    run = in_hand()
    Run.objects.filter(pk=run.pk).update(missed_beats=2, heartbeat_at="2020-01-01T00:00Z")
    with Watch(run):
        wait_for(lambda: made.fresh_run(run).missed_beats == 0)
    assert made.fresh_run(run).heartbeat_at.year > 2020


def test_no_heart_beats_for_a_runner_that_hangs(monkeypatch):
    monkeypatch.setattr(heartbeat, "COLLECT_SECONDS", 0.0)
    run = made.fresh_run(in_hand(), wall_seconds=0, missed_beats=2)
    with Watch(run) as watch:
        wait_for(watch.cancelled)
    assert made.fresh_run(run).missed_beats == 2


def test_a_process_whose_runner_hangs_for_good_is_left_once(monkeypatch):
    monkeypatch.setattr(heartbeat, "COLLECT_SECONDS", -1_000_000.0)
    monkeypatch.setattr(heartbeat, "ABANDON_SECONDS", 0.0)
    left = []
    watch = Watch(in_hand(), abandon=lambda: left.append(1))
    with watch:
        wait_for(lambda: left)
        for _ in range(3):
            watch._look()
    assert left == [1]


def test_what_the_database_could_not_take_is_written_once_it_can():
    run = in_hand()
    tries = []

    def begun():
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("The database is starting up.")
        made.fresh_run(run, state="running")

    with Watch(run) as watch:
        watch.soon(begun)
        wait_for(lambda: made.fresh_run(run).state == "running")
        watch._look()
    assert len(tries) == 3


def test_no_heart_beats_for_a_kill_that_hangs(monkeypatch):
    monkeypatch.setattr(heartbeat, "KILL_SECONDS", -1.0)
    run = in_hand()
    services.cancel_run(run, by=run.request.author)
    with Watch(run) as watch:
        wait_for(watch.cancelled)
        Run.objects.filter(pk=run.pk).update(missed_beats=7)
        threading.Event().wait(0.2)
    assert made.fresh_run(run).missed_beats == 7


def test_a_cancel_kills_the_code_and_frees_the_worker():
    run = in_hand()
    ends = RunsUntilCancelled(lambda: services.cancel_run(run, by=run.request.author))
    assert made.announced(lifecycle.execute(run, ends)).state == Run.State.CANCELLED


def test_a_lost_lease_kills_the_code_and_writes_nothing():
    run = in_hand()
    other = uuid4()
    ends = RunsUntilCancelled(lambda: Run.objects.filter(pk=run.pk).update(lease=other))
    done = lifecycle.execute(run, ends)
    assert (done.state, done.lease) == (Run.State.RUNNING, other)


def test_a_run_that_was_declared_lost_kills_the_code():
    run = in_hand()
    ends = RunsUntilCancelled(
        lambda: Run.objects.filter(pk=run.pk).update(state="failed", close_code="WORKER_LOST")
    )
    assert lifecycle.execute(run, ends).close_code == "WORKER_LOST"


@pytest.mark.parametrize("act", ["freeze", "suspend", "revoke"])
def test_a_freeze_a_suspension_and_a_revocation_kill_the_code(act):
    run = in_hand()
    item, owner = run.request, run.request.dataset.owner
    acts = {
        "freeze": lambda: datasets.freeze(item.dataset, by=owner, reason="A leak."),
        "suspend": lambda: accounts.suspend(item.author, by=make.admin(), reason="An incident."),
        "revoke": lambda: services.revoke(item, by=owner, reason="A mistake."),
    }
    assert lifecycle.execute(run, RunsUntilCancelled(acts[act])).state == Run.State.CANCELLED
