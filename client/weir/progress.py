"""How a wait is shown: a line that changes in a terminal or notebook, otherwise a line every half a minute."""

from __future__ import annotations

import sys
import time
from typing import TextIO

EACH_SECONDS = 30.0
WIDTH = 78


class Progress:
    """A wait for something. Use it as a context: the line is removed, or ended, when the wait is over."""

    def __init__(self, what: str, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.what, self.quiet, self.stream = what, quiet, stream or _stream()
        self._begun = self._written = time.monotonic()
        self._is_shown = False

    @property
    def changes(self) -> bool:
        """Whether a line can be written over."""
        return _in_notebook() or self.stream.isatty()

    def show(self, state: str, part: float | None = None) -> None:
        """Show the state, and which part is done if that is known."""
        now = time.monotonic()
        if self.quiet or (not self.changes and self._is_shown and now - self._written < EACH_SECONDS):
            return
        done = "" if part is None else f" {'█' * round(part * 20):░<20} {part:.0%}"
        line = f"{self.what}: {state}{done}, {now - self._begun:.0f} s"
        self.stream.write(f"\r{line[:WIDTH]:<{WIDTH}}" if self.changes else f"{line}\n")
        self.stream.flush()
        self._written, self._is_shown = now, True

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown and self.changes and not self.quiet:
            self.stream.write("\r" + " " * WIDTH + "\r")
            self.stream.flush()


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def _stream() -> TextIO:
    """Notebooks show what is written to stderr like an error; elsewhere, stdout is for results."""
    return sys.stdout if _in_notebook() else sys.stderr
