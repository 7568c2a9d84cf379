"""Output for the person at the console."""

import sys
import time


class Trouble(Exception):
    """A problem that the person at the console can fix. The text says what happened and how to fix it."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Stopwatch:
    """Prints each finished step with the seconds since the start."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def done(self, text: str) -> None:
        say(f"  {self.total():5.1f} s  {text}")

    def total(self) -> float:
        return time.monotonic() - self.began
