"""One portal of bin/launch: its servers, its tables, its processes."""

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from portal.launch import options, supervisor
from portal.launch.console import Stopwatch, Trouble, say
from portal.launch.postgres import Postgres
from portal.launch.processes import Child, wait_until
from portal.launch.state import State
from portal.launch.valkey import Valkey

READY = " ready."


@dataclass
class Launch:
    """One run of the portal, from the lock on its state folder until it has stopped."""

    chosen: argparse.Namespace
    state: State
    watch: Stopwatch = field(default_factory=Stopwatch)
    servers: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    sockets: Path | None = None

    def run(self) -> None:
        self.state.claim()
        self.state.load()
        self.start_servers()
        self.prepare()
        self.start_portal()
        self.announce()
        supervisor.watch([*self.servers, *self.workers])

    def stop(self) -> None:
        valkey_first = [[child] for child in reversed(self.servers)]
        supervisor.stop([self.workers, *valkey_first])
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
        postgres = Postgres(home=home / "postgres", sockets=sockets, password=password)
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

    # Tables, first contents

    def prepare(self) -> None:
        settings = self.state.settings
        shown = "127.0.0.1" if self.chosen.host in {"0.0.0.0", "::"} else self.chosen.host  # noqa: S104 -- compared
        settings["WEIR_BASE_URL"] = f"http://{f'[{shown}]' if ':' in shown else shown}:{self.chosen.port}"
        self.state.save()
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
        settings["WEIR_DEMO"] = "1" if self.welcome["demo"] else "0"
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
        commands = {
            "web": ("The web server", web),
            "sandbox": (
                "The worker for submitted code",
                [*celery, "-n", "sandbox@%h", "-Q", "sandbox", "--concurrency", "3"],
            ),
            "blocks": (
                "The worker for code that answers in blocks",
                [*celery, "-n", "blocks@%h", "-Q", "blocks", "--concurrency", "1"],
            ),
            "desk": (
                "The worker for e-mail and periodic tasks",
                [
                    *celery,
                    "-n",
                    "desk@%h",
                    "-Q",
                    "default",
                    "--pool",
                    "threads",
                    "--concurrency",
                    "2",
                    *clock,
                ],
            ),
        }
        env = self.environment()
        self.workers = [
            Child(name, command, self.state.log(log), env) for log, (name, command) in commands.items()
        ]
        begins = {child.name: _size(child.log) for child in self.workers}
        for child in self.workers:
            child.start()
        web_child, *celery_children = self.workers
        wait_until(self._is_ready, web_child, seconds=90)
        for child in celery_children:
            begin = begins[child.name]
            wait_until(partial(_is_logged, READY, child.log, begin), child, seconds=90)
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


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_logged(text: str, path: Path, begin: int) -> bool:
    """Return whether the log contains `text` after the offset `begin`."""
    with path.open("rb") as stream:
        stream.seek(begin)
        return text in stream.read().decode(errors="replace")
