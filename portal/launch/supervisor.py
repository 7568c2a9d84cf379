"""Keeps a set of processes alive until it is told to stop."""

import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from portal.launch.console import say
from portal.launch.processes import Child

POLL = 0.1
LONGEST_PAUSE = 30.0
HEALTHY_SECONDS = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(BaseException):
    """The person at the console, or the system, has asked to stop. Only the launcher's main catches it."""


@dataclass
class Watched:
    """A child, and how patiently it is started again."""

    child: Child
    started: float = field(default_factory=time.monotonic)
    pause: float = 0.5
    again_at: float = 0.0

    def look(self) -> None:
        now = time.monotonic()
        if self.child.is_alive():
            if now - self.started > HEALTHY_SECONDS:
                self.pause = 0.5
        elif not self.again_at:
            code = self.child.process.returncode if self.child.process else None
            say(
                f"{self.child.name} ended ({_ending(code)}); starting it again in {self.pause:.1f} s. {self._log()}"
            )
            self.again_at = now + self.pause
            self.pause = min(self.pause * 2, LONGEST_PAUSE)
        elif now >= self.again_at:
            self.child.start()
            self.started, self.again_at = now, 0.0

    def _log(self) -> str:
        return f"See {self.child.log}"


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}"
    return f"exit code {code}"


def on_signals() -> None:
    """From now on a request to stop raises Stop in the main thread."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # one request is enough: what follows is the orderly way
    raise Stop


def watch(children: Iterable[Child]) -> None:
    """Start again what ends, until Stop."""
    watched = [Watched(child) for child in children]
    while True:
        for item in watched:
            item.look()
        time.sleep(POLL)


def stop(order: Sequence[Sequence[Child]]) -> None:
    """Stop group after group; the members of one group together."""
    for group in order:
        for child in group:
            child.signal_stop()
        for child in group:
            child.finish()
