"""The people of demo portals act at the launcher's word: each step runs in a process of their own portal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from portal.launch import options
from portal.launch.console import Trouble
from portal.launch.one_portal import Launch
from portal.launch.processes import die_with_parent


class Acting:
    """A process of a portal that takes the steps of portal.demo.introducing, one after the other."""

    def __init__(self, launch: Launch) -> None:
        self.log = launch.state.log("introducing")
        parent = os.getpid()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(options.ROOT / "manage.py"), "play_hospital", launch.chosen.demo],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=launch.environment(),
                text=True,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGKILL, parent),  # noqa: PLW1509 -- one thread
            )

    def take(self, step: str, **given: Any) -> dict[str, Any]:
        """Take a step and return what it says. Raises Trouble if it is refused or fails."""
        line = ""
        if self.process.stdin and self.process.stdout:
            with suppress(BrokenPipeError):
                self.process.stdin.write(json.dumps({"step": step, **given}) + "\n")
                self.process.stdin.flush()
                line = self.process.stdout.readline()
        if not line:
            raise Trouble(f"The portals could not be introduced: “{step}” failed. See {self.log}.")
        said: dict[str, Any] = json.loads(line)
        if "refused" in said:
            raise Trouble(f"The portals could not be introduced. {said['refused']}")
        return said


@contextmanager
def acting(launches: Sequence[Launch]) -> Iterator[list[Acting]]:
    """Yield a process for each portal. They start together, and end with the block."""
    people = [Acting(launch) for launch in launches]
    try:
        yield people
    finally:
        for each in people:
            each.process.kill()
        for each in people:
            each.process.communicate()
