"""One Chromium for all tests of pages, and a fresh one after it has stopped answering."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext

PATIENCE = 30


@dataclass
class Browsers:
    """Chromium has been seen never to end the closing of a context, and Playwright sets no limit."""

    launch: Callable[[], Browser]
    browser: Browser | None = field(default=None, init=False)

    def open_context(self, **options: Any) -> BrowserContext:
        if self.browser is None:
            self.browser = self.launch()
        return self.browser.new_context(**options)

    def close_context(self, context: BrowserContext) -> None:
        if context.browser is self.browser:
            self._within_patience(context.close)

    def close(self) -> None:
        if self.browser is not None:
            self._within_patience(self.browser.close)

    def _within_patience(self, close: Callable[[], None]) -> None:
        """A browser that does not come to an end is left behind: it ends with Playwright's driver."""
        try:
            with at_most(PATIENCE):
                close()
        except TimeoutError:
            self.browser = None
            sys.stderr.write(f"\nChromium did not close within {PATIENCE} s: the next test starts another.\n")


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """TimeoutError in the main thread when the block takes longer."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
