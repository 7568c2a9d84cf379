"""What the person at the console reads."""

import sys
import time


class Trouble(Exception):
    """Something the person at the console can mend. The text says what happened, and how to mend it."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Stopwatch:
    """Tells what was done and how long it took."""

    def __init__(self) -> None:
        self.began = self.lap = time.monotonic()

    def done(self, text: str) -> None:
        now = time.monotonic()
        say(f"  {now - self.lap:5.1f} s  {text}")
        self.lap = now

    def total(self) -> float:
        return time.monotonic() - self.began
