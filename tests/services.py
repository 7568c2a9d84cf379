"""A pytest plugin (`-p tests.services`): a real Postgres and a real Valkey for this test run alone.

Where several processes share the tests (`pytest -n`), each has its own: workers of one would take the runs of another.
It runs before pytest-django reads the settings. Nothing needs to be installed or running; both servers live in a
temporary folder and end with the test run, however that ends.
"""

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

from portal.launch.postgres import Postgres
from portal.launch.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    process = os.environ.get("PYTEST_XDIST_WORKER", "")
    if os.environ.get("WEIR_TEST_PROCESS") != process:
        start()
        os.environ["WEIR_TEST_PROCESS"] = process


def start() -> None:
    """Start both servers and say where they are, in the environment of this process and its children."""
    folder = Path(tempfile.mkdtemp(prefix="weir-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "state" / "static").mkdir(mode=0o700, parents=True)
    password = secrets.token_hex(32)
    postgres = Postgres(home=folder / "postgres", sockets=folder, password=password, durable=False)
    valkey = Valkey(home=folder / "valkey", sockets=folder, password=password, durable=False)
    server = valkey.child(folder / "valkey.log")
    server.start()
    atexit.register(server.stop)
    postgres.initialise()
    database = postgres.child(folder / "postgres.log")
    database.start()
    atexit.register(database.stop)
    valkey.wait(server)
    postgres.wait(database)
    os.environ |= {
        "WEIR_TEST_SERVICES": str(folder),
        "WEIR_STATE": str(folder / "state"),
        "WEIR_SECRET_KEY": secrets.token_hex(32),
        "WEIR_ENVIRONMENTS": os.environ.get("WEIR_ENVIRONMENTS", str(ROOT / ".environments")),
        "DATABASE_URL": postgres.url(),
        "REDIS_URL": valkey.url(),
    }
