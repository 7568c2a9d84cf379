"""The site that chaos tests share, and what must hold after each of them."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now

from datasets import storage
from requests_app.models import Pause, Run, Worker
from runner.host.state import SHARED
from tests.chaos.invariants import leftovers, violations
from tests.chaos.site import Site, durable_commits, until

PROCESSES = ("worker", "desk", "beat")


@pytest.fixture(scope="session")
def processes(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    durable_commits()
    reachable = Path(tempfile.mkdtemp(prefix="weir-chaos-", dir=SHARED))  # also for the users that runs get
    reachable.chmod(0o711)
    site = Site(
        tmp_path_factory.mktemp("chaos"), Path(os.environ["WEIR_TEST_SERVICES"]), reachable / "sandbox"
    )
    site.prepare()
    try:
        for name in PROCESSES:  # together: each takes seconds to import what it needs
            site.start(name)
        site.await_ready(*PROCESSES)
        yield site
        site.signal("beat", signal.SIGCONT)
        site.up(*PROCESSES)
        until(lambda: leftovers(site) == [], "what killed runs left is swept")
    finally:
        site.down()
        shutil.rmtree(reachable, ignore_errors=True)


@pytest.fixture
def site(processes: Site, transactional_db: None) -> Iterator[Site]:
    """All processes up, no door shut; afterwards every run has ended, once, and truly."""
    processes.let_go()
    processes.signal("beat", signal.SIGCONT)
    processes.up(*PROCESSES)
    until(lambda: Worker.objects.able().filter(name="sandbox@chaos").exists(), "the worker has signed on")
    yield processes
    processes.let_go()
    Pause.objects.filter(ended_at=None).update(ended_at=Now())  # of a test that failed
    processes.up(*PROCESSES)
    until(lambda: not Run.objects.live().exists(), "every run has ended")
    processes.kill("late")
    processes.signal("beat", signal.SIGSTOP)  # its rounds lock many tables, which the end of the test empties
    until(processes.is_quiet, "nothing writes")
    assert violations(processes) == []
    assert list(storage.folder("outputs").glob("*.part")) == []
    with connection.cursor() as cursor:  # whoever meets the emptying of all tables gives way, and tries again
        cursor.execute("SET deadlock_timeout = '1min'")
