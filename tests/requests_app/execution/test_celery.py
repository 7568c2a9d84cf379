"""The whole path through the broker: a bell, a real worker process, the real sandbox."""

import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection, transaction
from redis import Redis

from requests_app import services
from requests_app.models import Run, Worker
from tests import make
from tests.makers import requests as made

pytestmark = [pytest.mark.sandbox, pytest.mark.django_db(transaction=True)]

PATIENCE = 60


@pytest.fixture(autouse=True)
def worker(live):
    """The live worker, once it is registered in this test's database."""
    until(lambda: Worker.objects.able().exists())
    return live.worker


def until(condition):
    """Wait for a condition; the test fails if it does not become true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_in(run, *states):
    return lambda: made.fresh_run(run).state in states


def test_a_worker_signs_on_with_what_its_sandbox_offers():
    worker = Worker.objects.get()
    assert worker.executor != ""
    assert worker.layers != []
    assert (worker.refusal, worker.slots) == ("", 2)


def test_an_approved_run_goes_through_the_broker_to_held_outputs():
    run = made.start(make.code_request(at="approved"))
    until(is_in(run, *set(Run.State) - set(Run.LIVE)))
    run = made.fresh_run(run)
    assert (run.state, run.close_code, run.worker) == ("succeeded", "", Worker.objects.get().name)
    assert run.release.state == "held"


def test_a_running_run_is_cancelled_and_its_worker_goes_on():
    item = make.code_request(at="approved", code="while True:\n    pass\n")
    run = made.start(item)
    until(is_in(run, "running"))
    services.cancel_run(run, by=item.author)
    until(is_in(run, "cancelled"))
    after = made.trial(make.code_request())
    until(is_in(after, "succeeded"))


def test_a_run_whose_bell_was_lost_runs_all_the_same():
    item = make.code_request(at="approved")
    with transaction.atomic():
        run = made.start(item)
        # As if the process had died between its commit and the bell.
        connection.run_on_commit.clear()
    until(is_in(run, "succeeded"))


def test_a_server_of_messages_that_hangs_keeps_no_run_from_its_end(settings):
    item = make.code_request(at="approved", code=f"import time\ntime.sleep(3)\n{made.CODE}")
    run = made.start(item)
    until(is_in(run, "running"))
    with closing(Redis.from_url(settings.REDIS_URL)) as client:
        valkey = client.info("server")["process_id"]
    os.kill(valkey, signal.SIGSTOP)
    try:
        until(is_in(run, "succeeded"))
    finally:
        os.kill(valkey, signal.SIGCONT)
    after = made.trial(make.code_request())
    until(is_in(after, "succeeded"))


@pytest.mark.slow
def test_a_killed_worker_leaves_a_definite_end_and_no_code_running(worker):
    run = made.start(make.code_request(at="approved", code="while True:\n    pass\n"))
    until(is_in(run, "running"))
    session = worker.process.pid
    until(lambda: boxes_of(session) != [])
    worker.process.kill()
    worker.process.wait()
    until(lambda: boxes_of(session) == [])
    worker.start()
    until(is_in(run, "failed"))
    assert made.fresh_run(run).close_code == "WORKER_LOST"
    after = made.trial(make.code_request())
    until(is_in(after, "succeeded"))


def boxes_of(session):
    """The sandboxes of this session on this machine."""
    return [path.name for path in Path("/proc").glob("[0-9]*") if is_box(path, session)]


def is_box(process, session):
    try:
        named = b"bwrap" in (process / "cmdline").read_bytes()
        stat = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return False
    return named and int(stat[3]) == session
