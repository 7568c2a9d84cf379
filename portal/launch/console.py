"""Output for the person at the console."""

import sys
import time


class Trouble(Exception):
    """A problem that the person at the console can fix. The text says what happened and how to fix it."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Stopwatch:
    """Prints each finished step with the seconds since the start. `of`: whose step it is, if there are several."""

    def __init__(self, of: str = "", began: float | None = None) -> None:
        self.of, self.began = of, time.monotonic() if began is None else began

    def done(self, text: str) -> None:
        say(f"  {self.total():5.1f} s  {self.of}{text}")

    def total(self) -> float:
        return time.monotonic() - self.began
