"""One portal of bin/launch: its servers, its tables, its processes."""

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path

from portal.launch import options, supervisor
from portal.launch.console import Stopwatch, Trouble, say
from portal.launch.postgres import Postgres
from portal.launch.processes import Child, wait_until
from portal.launch.state import State
from portal.launch.valkey import Valkey

READY = " ready."
USUAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")


@dataclass
class Launch:
    """One run of the portal, from the lock on its state folder until it has stopped."""

    chosen: argparse.Namespace
    state: State
    watch: Stopwatch = field(default_factory=Stopwatch)
    servers: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    begins: dict[str, int] = field(default_factory=dict)
    """Where in each worker's log this start begins."""
    sockets: Path | None = None
    shares: bool = False
    """It shares the machine with other portals: one process runs all submitted code, one run at a time."""

    def run(self) -> None:
        self.begin()
        self.wait_until_ready()
        self.announce()
        supervisor.watch(self.children)

    def begin(self) -> None:
        """Start everything. The web server and the workers may not be ready yet."""
        self.serve()
        self.prepare()
        self.start_portal()

    def serve(self) -> None:
        """Take the state folder, start the servers, and store the settings that all other processes read."""
        self.state.claim()
        self.state.load()
        self.start_servers()
        self.set_address()
        self.state.save()

    @property
    def children(self) -> list[Child]:
        return [*self.servers, *self.workers]

    def stop(self) -> None:
        stop([self])

    def clear(self) -> None:
        """Delete the folder for sockets, if it has a place of its own."""
        if self.sockets and self.sockets.parent != self.state.path:
            shutil.rmtree(self.sockets, ignore_errors=True)

    # Postgres and Valkey

    def start_servers(self) -> None:
        """Start Postgres and Valkey in parallel, unless the environment names existing servers."""
        self.sockets = self.state.sockets()
        settings, keeps = self.state.settings, (self.state.lock,)
        home, sockets = self.state.path, self.sockets
        password = settings["WEIR_VALKEY_PASSWORD"]
        valkey = Valkey(home=home / "valkey", sockets=sockets, password=password)
        password = settings["WEIR_POSTGRES_PASSWORD"]
        self.postgres = postgres = Postgres(home=home / "postgres", sockets=sockets, password=password)
        own_valkey, own_postgres = "REDIS_URL" not in os.environ, "DATABASE_URL" not in os.environ
        if own_postgres:
            is_new = postgres.initialise()
            if is_new:
                self.watch.done("New Postgres cluster created")
            self.servers.append(postgres.child(self.state.log("postgres"), keeps))
        if own_valkey:
            self.servers.append(valkey.child(self.state.log("valkey"), keeps))
        for child in self.servers:
            child.start()
        for server, child in zip(
            [postgres] * own_postgres + [valkey] * own_valkey, self.servers, strict=True
        ):
            server.wait(child)
        if own_postgres:
            postgres.create_database()
        settings["DATABASE_URL"] = postgres.url() if own_postgres else os.environ["DATABASE_URL"]
        settings["REDIS_URL"] = valkey.url() if own_valkey else os.environ["REDIS_URL"]
        names = " and ".join(child.name for child in self.servers)
        self.watch.done(f"{names} started" if names else "Using existing servers")

    def set_address(self) -> None:
        settings = self.state.settings
        shown = "127.0.0.1" if self.chosen.host in {"0.0.0.0", "::"} else self.chosen.host  # noqa: S104 -- compared
        name = f"[{shown}]" if ":" in shown else shown
        settings["WEIR_BASE_URL"] = f"http://{name}:{self.chosen.port}"
        if options.is_loopback(shown) and name not in USUAL_HOSTS:
            settings["WEIR_HOSTS"] = ",".join([*USUAL_HOSTS, name])

    # Tables, first contents

    def migrate(self) -> None:
        """Make the tables and nothing else. `prepare` does so, too."""
        command = [sys.executable, str(options.ROOT / "manage.py"), "migrate", "--verbosity", "0"]
        if subprocess.run(command, env=self.environment(), stdin=subprocess.DEVNULL, check=False).returncode:
            raise Trouble("The tables could not be made. The reason is shown above.")
        self.watch.done("Tables made")

    def prepare(self) -> None:
        with tempfile.TemporaryFile("w+") as answer:
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "portal.prepare",
                    "--demo",
                    self.chosen.demo,
                    "--host",
                    self.chosen.host,
                ],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=answer,
                check=False,
            )
            if done.returncode:
                raise Trouble("The database could not be prepared. The reason is shown above.")
            answer.seek(0)
            self.welcome = json.loads(answer.read().splitlines()[-1])
        self.state.settings["WEIR_DEMO"] = "1" if self.welcome["demo"] else "0"
        self.state.save()
        self.watch.done(self.welcome["did"])

    # The portal itself

    def environment(self) -> dict[str, str]:
        """Return the children's environment. They read the other settings and the secrets from the state folder."""
        return {**os.environ, "WEIR_STATE": str(self.state.path), "PYTHONUNBUFFERED": "1"}

    def start_portal(self) -> None:
        celery = [sys.executable, "-m", "celery", "-A", "portal.celery", "worker", "--loglevel", "INFO"]
        clock = ["--beat", "--schedule", str(self.state.path / "run" / "schedule")]
        web = [
            sys.executable,
            "-m",
            "portal.server",
            "--host",
            self.chosen.host,
            "--port",
            str(self.chosen.port),
        ]
        code = [*celery, "-n", "sandbox@%h", "-Q", "sandbox", "--concurrency", "3"]
        blocks = [*celery, "-n", "blocks@%h", "-Q", "blocks", "--concurrency", "1"]
        both = [*celery, "-n", "sandbox@%h", "-Q", "sandbox,blocks", "--concurrency", "1"]
        desk = [*celery, "-n", "desk@%h", "-Q", "default", "--pool", "threads", "--concurrency", "2", *clock]
        for_code = [("sandbox", "The worker for submitted code", both if self.shares else code)]
        if not self.shares:
            for_code.append(("blocks", "The worker for code that answers in blocks", blocks))
        commands = [
            ("web", "The web server", web),
            *for_code,
            ("desk", "The worker for e-mail and periodic tasks", desk),
        ]
        env = self.environment()
        self.workers = [Child(name, command, self.state.log(log), env) for log, name, command in commands]
        self.begins = {child.name: _size(child.log) for child in self.workers}
        for child in self.workers:
            child.start()

    def wait_until_ready(self) -> None:
        web, *celery = self.workers
        wait_until(self._is_ready, web, seconds=90)
        for child in celery:
            logged = partial(_is_logged, READY, child.log, self.begins[child.name])
            wait_until(logged, child, seconds=90)
        self.watch.done("Web server and workers started")

    def _is_ready(self) -> bool:
        host = "127.0.0.1" if self.chosen.host in {"0.0.0.0", "::"} else self.chosen.host  # noqa: S104 -- compared
        connection = http.client.HTTPConnection(host, self.chosen.port, timeout=5)
        try:
            connection.request("GET", "/readyz", headers={"Host": "127.0.0.1"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def announce(self) -> None:
        say(f"\nWeir is ready after {self.watch.total():.1f} s: {self.state.settings['WEIR_BASE_URL']}\n")
        for line in self.welcome["lines"]:
            say(line)
        if self.welcome["demo"]:
            say("Use it from Python as one of them, by the client:")
            say(f"  pip install {options.ROOT / 'client'}")
            say(f"  weir login {self.state.settings['WEIR_BASE_URL']}")
            say(f"{options.ROOT / 'docs' / 'notebooks' / 'README.md'} has notebooks to begin with.\n")
        say(f"All data is stored in {self.state.path}. Press Ctrl-C to stop the portal.")


def stop(launches: Sequence[Launch]) -> None:
    """Stop several portals at the same time: of each the workers, then Valkey, then Postgres."""
    orders = [[each.workers, *([child] for child in reversed(each.servers))] for each in launches]
    supervisor.stop([list(chain(*groups)) for groups in zip_longest(*orders, fillvalue=[])])
    for each in launches:
        each.clear()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_logged(text: str, path: Path, begin: int) -> bool:
    """Return whether the log contains `text` after the offset `begin`."""
    with path.open("rb") as stream:
        stream.seek(begin)
        return text in stream.read().decode(errors="replace")
