"""Workers: what they record about themselves, and what happens when the sandbox fails."""

import socket
import threading

import pytest
from celery.signals import worker_ready, worker_shutting_down

from requests_app import tasks
from requests_app.execution import lifecycle, worker_presence
from requests_app.execution.worker_presence import Presence, prove
from requests_app.models import Worker
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
