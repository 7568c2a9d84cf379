"""A temporary portal to measure: its own Postgres, Valkey and processes, all removed at the end."""

import atexit
import contextlib
import http.client
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from portal.launch.postgres import Postgres
from portal.launch.processes import Child, wait_until
from portal.launch.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "client"
"""The Python client is a package of its own, which the portal's environment does not have."""


def start_servers() -> None:
    """Start both as in production, with durable commits. Their URLs are set in this process's environment."""
    folder = Path(tempfile.mkdtemp(prefix="weir-benchmark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "state" / "static").mkdir(mode=0o700, parents=True)
    password = secrets.token_hex(32)
    valkey = Valkey(home=folder / "valkey", sockets=folder, password=password)
    broker = valkey.child(folder / "valkey.log")
    broker.start()
    atexit.register(broker.stop)
    postgres = Postgres(home=folder / "postgres", sockets=folder, password=password)
    postgres.initialise()
    database = postgres.child(folder / "postgres.log")
    database.start()
    atexit.register(database.stop)
    valkey.wait(broker)
    postgres.wait(database)
    postgres.create_database()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "WEIR_STATE": str(folder / "state"),
        "WEIR_SECRET_KEY": secrets.token_hex(32),
        "WEIR_ENVIRONMENTS": os.environ.get("WEIR_ENVIRONMENTS", str(ROOT / ".environments")),
        "DATABASE_URL": postgres.url(),
        "REDIS_URL": valkey.url(),
    }


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def web_server() -> Iterator[tuple[int, Child]]:
    """Start Daphne as bin/launch does; yield (port, process)."""
    port = free_port()
    child = Child(
        "The web server",
        [sys.executable, "-m", "portal.server", "--port", str(port)],
        Path(os.environ["WEIR_STATE"]) / "web.log",
        env={**os.environ, "WEIR_BASE_URL": f"http://127.0.0.1:{port}"},
    )
    with _running(child):
        wait_until(partial(_answers, port), child, seconds=90)
        yield port, child


@contextlib.contextmanager
def worker(queues: str = "default,sandbox", *, hands: int = 2) -> Iterator[Child]:
    """Start a Celery worker with this number of processes."""
    command = ["-A", "portal.celery", "worker", "-Q", queues, "-c", str(hands), "-l", "info"]
    log = Path(os.environ["WEIR_STATE"]) / "worker.log"
    child = Child("The worker", [sys.executable, "-m", "celery", *command], log, env=dict(os.environ))
    with _running(child):
        wait_until(lambda: " ready." in log.read_text(), child, seconds=90)
        yield child


@contextlib.contextmanager
def _running(child: Child) -> Iterator[None]:
    child.start()
    try:
        yield
    finally:
        child.stop()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
