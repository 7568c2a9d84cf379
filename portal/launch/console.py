"""What the person at the console reads."""

import sys
import time


class Trouble(Exception):
    """Something the person at the console can mend. The text says what happened, and how to mend it."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Stopwatch:
    """Tells what was done, and how long after the start."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def done(self, text: str) -> None:
        say(f"  {self.total():5.1f} s  {text}")

    def total(self) -> float:
        return time.monotonic() - self.began
