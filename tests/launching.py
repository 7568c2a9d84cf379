"""bin/launch in a test, as a person at the console meets it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


class Console:
    """One launcher, and what it has said so far."""

    def __init__(self, state: Path, port: int, *arguments: str, **variables: str) -> None:
        self.state, self.port = state, port
        self.said_file = state.parent / f"said-{time.monotonic_ns()}"
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("WEIR_") and name not in OURS
        }
        command = [
            sys.executable,
            "-m",
            "portal.launch",
            "--state",
            str(state),
            "--port",
            str(port),
            *arguments,
        ]
        with self.said_file.open("wb") as said:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**env, **variables},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    @property
    def said(self) -> str:
        return self.said_file.read_text()

    def wait_for(self, condition: Callable[[], bool], what: str, *, seconds: int = 120) -> None:
        for _ in range(10 * seconds):
            if condition():
                return
            time.sleep(0.1)
        pytest.fail(f"Never happened: {what}. It said:\n{self.said}")

    def ready(self, *, says: str = "Weir is ready", seconds: int = 120) -> "Console":
        self.wait_for(lambda: says in self.said or self.process.poll() is not None, "ready", seconds=seconds)
        assert self.process.poll() is None, self.said
        return self

    def ended(self) -> int:
        self.wait_for(lambda: self.process.poll() is not None, "the end")
        return self.process.returncode

    def tree(self) -> dict[int, str]:
        """Every process that knows this state folder, by what it was started as."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                env = (folder / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue  # it has ended, or is another's
            mine = (
                re.search(rf"WEIR_STATE={re.escape(str(self.state))}[/\0]", env)
                or f"{self.state}/" in command
            )
            if mine and int(folder.name) != os.getpid():
                found[int(folder.name)] = command
        return found

    def answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
