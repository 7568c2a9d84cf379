"""A broker that redelivers a task while its run still runs: Valkey by its timeout, RabbitMQ by a lost connection."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from portal.launch.processes import Child, wait_until
from requests_app.models import Worker
from tests import make
from tests.chaos.invariants import violations
from tests.chaos.runs import QUICK, end_of, run_in
from tests.chaos.site import Site, until
from tests.makers import requests as made
from tests.serving import free_port, listens

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
]

BELL = "execute_run"
RABBIT = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the one in PATH becomes another user first
IMPATIENT = {"visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}


def other_site(processes: Site, home: Path, broker: dict[str, str]) -> Site:
    site = Site(home, processes.services, processes.sandbox, broker=broker)
    site.prepare()
    return site


def rings(site: Site, name: str) -> int:
    log = site.children[name].log
    return log.read_text().count(f"{BELL}[") if log.exists() else 0


@pytest.fixture
def alone(processes: Site, transactional_db: None) -> Site:
    """Keep the workers of the shared site from listening."""
    processes.down()
    processes.let_go()
    return processes


def test_valkey_delivers_a_bell_again_while_its_run_runs(alone: Site, tmp_path: Path) -> None:
    site = other_site(alone, tmp_path, {"WEIR_CHAOS_BROKER": json.dumps(IMPATIENT)})
    try:
        site.up("worker", "late", "desk", "beat")
        until(lambda: Worker.objects.able().count() == 2, "both workers have signed on")
        run = run_in("starting", site, make.admin())
        before = rings(site, "worker") + rings(site, "late")
        until(lambda: rings(site, "worker") + rings(site, "late") > before, "the bell rings again")
        assert made.fresh_run(run).state == "starting"
        site.let_go()
        assert end_of(run) == ("succeeded", "")
        assert len(site.executions(run.pk)) == 1
        assert violations(site) == []
    finally:
        site.down()


@pytest.fixture(scope="module")
def rabbit() -> Iterator[str]:
    """RabbitMQ on loopback: a running one by WEIR_RABBITMQ_URL, or Debian's, started for this test alone."""
    if url := os.environ.get("WEIR_RABBITMQ_URL"):
        yield url
        return
    if not Path(RABBIT).exists():
        pytest.skip("RabbitMQ is not installed (Debian: rabbitmq-server), and WEIR_RABBITMQ_URL is not set.")
    home = Path(tempfile.mkdtemp(prefix="weir-rabbit-"))
    ports = [free_port() for _ in range(3)]
    child = Child("RabbitMQ", [RABBIT], home / "log", env=rabbit_env(home, *ports))
    child.stop_signal = signal.SIGTERM
    child.start()
    try:
        wait_until(lambda: listens(ports[0]), child, seconds=90)
        yield f"amqp://guest:guest@127.0.0.1:{ports[0]}//"
    finally:
        if child.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGTERM)
        child.finish()
        # The mapper of names that it has started stays by itself.
        mapper = ["epmd", "-port", str(ports[2]), "-kill"]
        subprocess.run(mapper, env=child.env, capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def rabbit_env(home: Path, port: int, distribution: int, mapper: int) -> dict[str, str]:
    settings = home / "rabbitmq.conf"
    settings.write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    return {
        **os.environ,
        "HOME": str(home),
        "RABBITMQ_NODENAME": "weir@localhost",
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(home / "flags"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


def test_rabbitmq_delivers_the_bell_of_a_killed_worker_again_at_once(
    alone: Site, rabbit: str, tmp_path: Path
) -> None:
    site = other_site(alone, tmp_path, {"CELERY_BROKER_URL": rabbit})
    try:
        site.up("worker", "desk", "beat")
        until(lambda: Worker.objects.able().filter(name="sandbox@chaos").exists(), "the worker has signed on")
        run = run_in("starting", site, make.admin())  # its bell is rung by the round: ours goes to Valkey
        site.kill("worker")
        site.up("late")
        until(lambda: rings(site, "late") > 0, "the late worker hears the bell")
        site.let_go()
        assert end_of(run) == ("failed", "WORKER_LOST")
        assert len(site.executions(run.pk)) == 1
        after = made.start(make.code_request(at="approved", code=QUICK))
        assert end_of(after) == ("succeeded", "")
        assert violations(site) == []
    finally:
        site.down()
