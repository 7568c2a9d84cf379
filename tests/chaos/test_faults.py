"""What is worse than a kill: a disk that is full, a runner that hangs, a clock that jumps, a worker that comes back."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from datasets import storage
from requests_app import services
from requests_app.models import Run, Worker
from tests import make
from tests.chaos.disks import small_disk
from tests.chaos.runs import ENDLESS, QUICK, SLOW, end_of, is_in, run_in
from tests.chaos.site import Site, descendants_of, until
from tests.makers import requests as made

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
]

LOST = ("failed", "WORKER_LOST")
DONE = ("succeeded", "")


def started(code: str = QUICK) -> Run:
    item = make.code_request(at="approved", code=code)
    return made.start(item)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[None]:
    """The folder of outputs on a disk with room for folders, not for files."""
    folder = storage.folder("outputs")
    with small_disk(folder, "size=4k", "nr_inodes=64"):
        (folder / "ballast").write_bytes(bytes(4096))
        yield


def test_a_full_disk_is_a_definite_end(site: Site, full_disk: None) -> None:
    state, code = end_of(started())
    assert (state, code) in [("failed", "INTERNAL"), ("failed", "DISK_LIMIT")]
    (storage.folder("outputs") / "ballast").unlink()
    again = started()
    state, _code = end_of(again)
    assert state in ("succeeded", "failed")  # a result may be larger than what the ballast has left
    Run.objects.get(pk=again.pk).outputs.all().delete()
    Run.objects.filter(pk=again.pk).update(state="failed")


@pytest.mark.parametrize("jump", [timedelta(hours=2), -timedelta(hours=2)], ids=["forward", "back"])
def test_a_clock_that_jumps_ends_no_run_whose_heart_beats(jump: timedelta, site: Site) -> None:
    run = started(SLOW)
    until(is_in(run, "running"), "running")
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() + jump, started_at=timezone.now() + jump)
    assert end_of(run) == DONE


def test_a_hung_runner_is_declared_lost_and_cannot_write_afterwards(site: Site) -> None:
    """The whole worker stands still, and goes on when nobody waits for it any more."""
    run = run_in("running", site, make.admin(), doomed=True)
    worker = site.children["worker"].process
    assert worker is not None
    family = [worker.pid, *descendants_of(worker.pid)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    assert end_of(run) == LOST
    for pid in family:
        os.kill(pid, signal.SIGCONT)
    after = started()
    assert end_of(after) == DONE
    assert end_of(run) == LOST
    assert made.fresh_run(run).outputs.count() == 0


def test_a_worker_that_comes_late_to_a_run_does_not_execute_it(site: Site) -> None:
    run = run_in("starting", site, make.admin())
    site.up("late")
    until(lambda: Worker.objects.able().filter(name="late@chaos").exists(), "the late worker has signed on")
    other = started()
    until(lambda: len(site.executions(other.pk)) == 1, "another run goes to whoever is free")
    site.let_go()
    assert (end_of(run), end_of(other)) == (DONE, DONE)
    assert len(site.executions(run.pk)) == 1


def test_a_cancel_frees_the_place(site: Site) -> None:
    runs = [started(ENDLESS) for _ in range(site.slots - 1)]
    waiting = started()
    for run in runs:
        until(is_in(run, "running"), "running")
        services.cancel_run(run, by=run.request.author)
    assert [end_of(run) for run in runs] == [("cancelled", "")] * len(runs)
    assert end_of(waiting) == DONE


def test_open_pages_are_told_of_every_step(site: Site) -> None:
    item = make.code_request(at="approved", code=QUICK)
    with listening(f"request.{item.pk}") as heard:
        run = made.start(item)
        assert end_of(run) == DONE
        # queued, started, running, succeeded; not collecting, which would tell of outputs
        until(lambda: len(heard) >= 4, "a message for each step")


@contextmanager
def listening(group: str) -> Iterator[list[bytes]]:
    """What is sent to a group of the channel layer."""
    heard: list[bytes] = []
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    messages = client.pubsub(ignore_subscribe_messages=True)
    messages.psubscribe(f"*{group}*")
    over = threading.Event()

    def listen() -> None:
        while not over.is_set():
            if found := messages.get_message(timeout=0.1):
                heard.append(found["data"])

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()
        messages.close()
        client.close()
