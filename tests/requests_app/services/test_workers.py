"""Workers: what they say of themselves, what admins may do with them, and what happens when the sandbox fails."""

import socket
import threading

import pytest
from celery.signals import worker_ready, worker_shutting_down
from django.db import OperationalError

from audit.models import Entry
from common import retry
from common.errors import Conflict, Denied, Refused
from requests_app import services, tasks
from requests_app.execution import lifecycle, worker_presence
from requests_app.execution.worker_presence import Presence, prove
from requests_app.models import Pause, Worker
from runner.contract import Capabilities, SandboxUnavailable
from tests import make
from tests.makers import requests as made
from tests.makers.requests import WritesOutputs

pytestmark = pytest.mark.django_db


class Probed(WritesOutputs):
    """An executor whose self-test returns this result."""

    def __init__(self, refusal=""):
        super().__init__()
        self.refusal, self.swept = refusal, 0

    def probe(self):
        if self.refusal:
            raise SandboxUnavailable(self.refusal)
        return Capabilities(executor="probed", layers=("seccomp",), missing=("cgroups",))

    def sweep(self):
        self.swept += 1


def test_a_proven_sandbox_is_written_down():
    worker_presence.sign_on("sandbox@here", slots=3, proof=prove(Probed()))
    worker = Worker.objects.get()
    assert (worker.executor, worker.layers, worker.missing) == ("probed", ["seccomp"], ["cgroups"])
    assert (worker.slots, worker.refusal) == (3, "")


def test_a_sandbox_that_does_not_hold_is_a_worker_that_runs_nothing():
    worker_presence.sign_on("sandbox@here", slots=3, proof=prove(Probed("No user namespaces.")))
    assert Worker.objects.get().refusal == "No user namespaces."
    assert not Worker.objects.able().exists()


def test_a_new_start_renews_the_row_and_keeps_the_drain():
    make.worker("sandbox@here", refusal="Old.", draining=True)
    worker_presence.sign_on("sandbox@here", slots=1, proof=prove(Probed()))
    worker = Worker.objects.get()
    assert (worker.refusal, worker.draining) == ("", True)


def test_a_worker_signs_off():
    make.worker("sandbox@here")
    worker_presence.sign_off("sandbox@here")
    assert not Worker.objects.exists()


def test_presence_tries_the_sandbox_again_until_it_holds():
    executor = Probed("Not yet.")
    presence = Presence("sandbox@here", executor, slots=1)
    presence.beat()
    executor.refusal = ""
    for _ in range(worker_presence.PROBE_AGAIN_BEATS - 2):
        presence.beat()
    assert Worker.objects.get().refusal == "Not yet."
    presence.beat()
    assert Worker.objects.get().refusal == ""


def test_presence_writes_a_row_that_was_taken_away_anew():
    presence = Presence("sandbox@here", Probed(), slots=1)
    presence.beat()
    Worker.objects.all().delete()
    presence.beat()
    presence.beat()
    assert Worker.objects.count() == 1


def test_presence_sweeps_what_killed_runs_left_and_survives_when_it_cannot():
    class CannotSweep(Probed):
        def sweep(self):
            super().sweep()
            raise OSError("busy")

    for executor in (Probed(), CannotSweep()):
        presence = Presence("sandbox@here", executor, slots=1)
        for _ in range(2 * worker_presence.SWEEP_BEATS):
            presence.beat()
        assert executor.swept == 2


class Sender:
    """What Celery passes to its signals, as far as it is used."""

    def __init__(self, *queues):
        self.hostname = "sandbox@celery"
        self.pool = type("Pool", (), {"num_processes": 2})
        consumed = type("Queues", (), {"consume_from": dict.fromkeys(queues)})
        self.app = type("App", (), {"amqp": type("Amqp", (), {"queues": consumed})})


@pytest.mark.django_db(transaction=True)
def test_a_worker_of_the_sandbox_queue_signs_on_and_off_with_celery(settings):
    settings.EXECUTOR = "tests.makers.requests.WritesOutputs"
    worker_ready.send(Sender("sandbox"))
    for _ in range(500):
        if Worker.objects.exists():
            break
        threading.Event().wait(0.01)
    assert Worker.objects.get().name == "sandbox@celery"
    worker_shutting_down.send("sandbox@celery")
    assert not Worker.objects.exists()


def test_a_worker_of_other_queues_does_not(settings):
    settings.EXECUTOR = "tests.makers.requests.WritesOutputs"
    worker_ready.send(Sender("default"))
    assert not Worker.objects.exists()


# Tasks


def test_a_bell_executes_the_run_whose_turn_it_is(settings):
    settings.EXECUTOR = "tests.makers.requests.WritesOutputs"
    later = made.start(make.code_request(at="approved"))
    first = made.trial(make.code_request())
    make.worker(socket.gethostname())
    tasks.execute_run.apply(args=[str(later.pk)]).get()
    assert (made.fresh_run(first).state, made.fresh_run(later).state) == ("succeeded", "queued")


def test_a_bell_for_nothing_does_nothing():
    assert lifecycle.answer_doorbell(make.worker().name) is None


def test_rounds_are_one_call_each():
    run = made.claimed(made.start(make.code_request(at="approved")))
    made.fresh_run(run, heartbeat_at="2020-01-01T00:00Z", missed_beats=2)
    tasks.look_after_runs()
    tasks.let_things_expire()
    assert made.fresh_run(run).close_code == "WORKER_LOST"


# Admins


def test_a_drain_and_a_pause_are_on_record():
    admin, worker = make.admin(), make.worker()
    services.drain_worker(worker, by=admin)
    services.drain_worker(worker, by=admin)
    services.undrain_worker(worker, by=admin)
    services.pause_runs(by=admin, reason="Maintenance.")
    services.resume_runs(by=admin)
    actions = Entry.objects.filter(actor_id=str(admin.pk)).order_by("id").values_list("action", flat=True)
    assert list(actions) == ["worker.drain", "worker.undrain", "workers.pause", "workers.resume"]
    assert Pause.objects.get().ended_by == admin


@pytest.mark.parametrize("who", [make.scientist, make.owner, make.auditor])
def test_only_admins_manage_workers(who):
    person, worker = who(), make.worker()
    for act in (
        lambda: services.drain_worker(worker, by=person),
        lambda: services.undrain_worker(worker, by=person),
        lambda: services.pause_runs(by=person, reason="No."),
        lambda: services.resume_runs(by=person),
    ):
        with pytest.raises(Denied):
            act()


def test_one_pause_at_a_time_and_with_a_reason():
    admin = make.admin()
    with pytest.raises(Refused, match="Give a reason"):
        services.pause_runs(by=admin, reason=" ")
    with pytest.raises(Conflict, match="not paused"):
        services.resume_runs(by=admin)
    services.pause_runs(by=admin, reason="Maintenance.")
    with pytest.raises(Conflict, match="already paused"):
        services.pause_runs(by=admin, reason="Again.")


# Patience


class Away:
    """A database that is unreachable for the first calls."""

    def __init__(self, times):
        self.times = times

    def __call__(self):
        self.times -= 1
        if self.times >= 0:
            raise OperationalError("the database is not responding")
        return "written"


def test_what_must_be_written_is_tried_again_while_the_database_is_away():
    assert retry.wait(Away(2), pauses=(0.0, 0.0, 0.0)) == "written"


def test_patience_ends():
    with pytest.raises(OperationalError):
        retry.wait(Away(9), pauses=(0.0, 0.0))
