"""A site of real processes that can be killed and started again: Postgres, Valkey, a worker, the desk, the clock."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import redis
from django.db import DatabaseError, InterfaceError, connection

from portal.launch.console import Trouble
from portal.launch.postgres import Postgres
from portal.launch.processes import Child
from portal.launch.valkey import Valkey
from runner.host import spawner_process
from tests.chaos import executor
from tests.serving import database_url

SPAWNER = Path(spawner_process.__file__).name.encode()
PATIENCE = 120.0
"""Only a bound for what hangs: nothing is measured by it."""
CELERY = (sys.executable, "-m", "celery", "-A", "portal.celery")
QUIET = ("--without-gossip", "--without-mingle", "-l", "info")


def until(condition: Callable[[], bool], what: object = "") -> None:
    """Wait for it, also while the database is away; the test fails when it does not come about."""
    end = time.monotonic() + PATIENCE
    while not _holds(condition):
        assert time.monotonic() < end, f"It never came about: {what}"
        time.sleep(0.02)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (DatabaseError, InterfaceError):
        connection.close()
        return False


@dataclass
class Site:
    """The processes of one site. All notes, logs and doors lie under `home`."""

    home: Path
    services: Path
    sandbox: Path
    """Where its sandboxes keep what they stage."""
    slots: int = 2
    broker: dict[str, str] = field(default_factory=dict)
    """Variables that name another broker, or set it up otherwise."""
    children: dict[str, Child] = field(default_factory=dict)

    # The processes

    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            executor.HOME: str(self.home),
            "WEIR_SANDBOX_STATE": str(self.sandbox),
            **self.broker,
        }

    def prepare(self) -> None:
        worker = (*CELERY, "worker", *QUIET)
        commands = {
            "worker": (*worker, "-n", "sandbox@chaos", "-Q", "sandbox", "-c", str(self.slots)),
            "late": (*worker, "-n", "late@chaos", "-Q", "sandbox", "-c", str(self.slots)),
            "desk": (*worker, "-n", "desk@chaos", "-Q", "default", "-P", "threads", "-c", "2"),
            "beat": (*CELERY, "beat", "-l", "info", "--schedule", str(self.home / "schedule"), "--pidfile="),
        }
        for name, command in commands.items():
            self.children[name] = Child(name, command, self.home / f"{name}.log", env=self.env())

    def start(self, name: str) -> None:
        """Start a process without waiting until it serves."""
        log = self.children[name].log
        if log.exists():
            log.rename(log.with_suffix(f".{time.monotonic():.0f}.log"))
        self.children[name].start()

    def await_ready(self, *names: str) -> None:
        for name in names:
            log = self.children[name].log
            word = "beat: Starting" if name == "beat" else " ready."
            until(lambda log=log, word=word: word in log.read_text(), f"{name}: {log}")

    def up(self, *names: str) -> None:
        """Have these running and serving."""
        for name in names:
            if not self.children[name].is_alive():
                self.start(name)
        self.await_ready(*names)

    def kill(self, name: str) -> None:
        child = self.children[name]
        if child.process is not None:
            child.process.kill()
            child.process.wait()

    def signal(self, name: str, number: int) -> None:
        """Let a process stand still, or go on."""
        child = self.children[name]
        if child.process is not None and child.is_alive():
            child.process.send_signal(number)

    def down(self) -> None:
        for name in ("worker", "late", "desk", "beat"):
            self.kill(name)

    # The servers, which belong to the whole test run: found by their files, started again as they were

    def kill_valkey(self) -> None:
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            pid = int(client.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_there(pid), "Valkey is gone")

    def start_valkey(self) -> None:
        url = urlsplit(os.environ["REDIS_URL"])
        valkey = Valkey(
            home=self.services / "valkey", sockets=self.services, password=url.password or "", durable=False
        )
        self.children["valkey"] = child = valkey.child(self.services / "valkey.log")
        child.start()
        valkey.wait(child)

    def kill_postgres(self) -> None:
        pid = self._pid_of("postgres", self.services / "postgres" / "data")
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_there(pid), "Postgres is gone")
        connection.close()

    def start_postgres(self) -> None:
        """Its old children take a moment to notice that they are alone; until then it does not start."""
        password = urlsplit(os.environ["DATABASE_URL"]).password or ""
        postgres = Postgres(
            home=self.services / "postgres", sockets=self.services, password=password, durable=False
        )
        end = time.monotonic() + PATIENCE
        while True:
            self.children["postgres"] = child = postgres.child(self.services / "postgres.log")
            child.start()
            try:
                postgres.wait(child)
            except Trouble:
                assert time.monotonic() < end
                child.stop()
            else:
                return

    @staticmethod
    def _pid_of(program: str, argument: Path) -> int:
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (path / "cmdline").read_bytes().split(b"\0")
                if words[0].endswith(program.encode()) and str(argument).encode() in words:
                    return int(path.name)
        raise AssertionError(f"{program} does not run.")

    @staticmethod
    def is_quiet() -> bool:
        """Whether no transaction but our own is open."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
            )
            found = cursor.fetchone()
        return found is not None and found[0] == 0

    # Doors

    def hold(self, door: str) -> None:
        (self.home / door).touch()

    def let_go(self, *doors: str) -> None:
        for door in doors or ("starting", "cancelling", "hung"):
            (self.home / door).unlink(missing_ok=True)

    # What can be seen from outside

    def executions(self, run_pk: object) -> list[tuple[str, int]]:
        """Each execution of this run: under which lease, in which process."""
        path = self.home / "executions"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(lease, int(pid)) for pk, lease, pid in lines if pk == str(run_pk)]

    def executed_by(self, run_pk: object) -> int:
        """The pool process that has this run in hand."""
        until(lambda: self.executions(run_pk) != [], "an execution")
        return self.executions(run_pk)[-1][1]

    def worker_processes(self) -> set[int]:
        path = self.home / "executions"
        return {int(line.split()[2]) for line in path.read_text().splitlines()} if path.exists() else set()


def durable_commits() -> None:
    """A commit counts once it is said: as in production, unlike for other tests."""
    with psycopg2.connect(database_url("postgres")) as other, other.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" SET synchronous_commit = on')
    connection.close()


def is_there(pid: int) -> bool:
    """Whether this process goes on; one that is dead and not waited for does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """The processes that this one has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.name))
    return found


def descendants_of(pid: int) -> list[int]:
    direct = children_of(pid)
    return direct + [other for child in direct for other in descendants_of(child)]


def box_of(worker: int) -> int:
    """The bubblewrap process that this pool process has started."""
    until(lambda: boxes_of(worker) != [], "a sandbox")
    return boxes_of(worker)[0]


def boxes_of(worker: int) -> list[int]:
    """Its children without the slim process from which they were forked."""
    commands = {pid: Path(f"/proc/{pid}/cmdline") for pid in children_of(worker)}
    return [pid for pid, path in commands.items() if SPAWNER not in path.read_bytes()]


def harness_of(worker: int) -> int:
    """The innermost process: Python inside the sandbox, with the submitted code."""
    box = box_of(worker)
    until(lambda: descendants_of(box) != [], "a harness")
    return descendants_of(box)[-1]
