"""Keep child processes running until asked to stop."""

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
    """Raised on a signal to stop. Only the launcher's main catches it."""


@dataclass
class Watched:
    """A child process and the backoff of its restarts."""

    child: Child
    started: float = field(default_factory=time.monotonic)
    pause: float = 0.5
    again_at: float = 0.0

    def check(self) -> None:
        """Restart the child if it has ended and its pause is over."""
        now = time.monotonic()
        if self.child.is_alive():
            if now - self.started > HEALTHY_SECONDS:
                self.pause = 0.5
        elif not self.again_at:
            code = self.child.process.returncode if self.child.process else None
            say(
                f"{self.child.name} ended ({_ending(code)}). Restarting it in {self.pause:.1f} s. {self._log()}"
            )
            self.again_at = now + self.pause
            self.pause = min(self.pause * 2, LONGEST_PAUSE)
        elif now >= self.again_at:
            self.child.start()
            self.started, self.again_at = now, 0.0

    def _log(self) -> str:
        return f"See {self.child.log}."


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}"
    return f"exit code {code}"


def on_signals() -> None:
    """Install handlers: a signal to stop raises Stop in the main thread."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the orderly stop
    raise Stop


def watch(children: Iterable[Child]) -> None:
    """Restart children that end, until Stop is raised."""
    watched = [Watched(child) for child in children]
    while True:
        for item in watched:
            item.check()
        time.sleep(POLL)


def stop(order: Sequence[Sequence[Child]]) -> None:
    """Stop one group after the other, the members of a group in parallel."""
    for group in order:
        for child in group:
            child.signal_stop()
        for child in group:
            child.finish()
