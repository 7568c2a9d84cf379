"""Log formatting and filtering: strangers can neither flood the log, nor forge lines, nor read secrets in it.

A refused request is one short line, and only so many are written each minute. Secrets in the addresses of pages are
masked.
"""

import logging
import re
import time
from collections.abc import Callable
from threading import Lock

A_MINUTE = 120
LONGEST_LINE = 1000
UNTRUSTED_LOGGERS = ("django.request", "django.security", "django_structlog", "daphne", "channels")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SLASH = "(?:/|%2F)"
SECRETS = re.compile(
    rf"({_SLASH}people{_SLASH}(?:welcome|register{_SLASH}confirm){_SLASH}"
    rf"|{_SLASH}account{_SLASH}password{_SLASH}reset{_SLASH}key{_SLASH}[0-9a-z]+-)[^/\s\"'?&%<>]+",
    re.IGNORECASE,
)
"""Paths with which whoever reads them can act: invitations, confirmations, password resets."""


def masked(text: str) -> str:
    return SECRETS.sub(r"\1[secret]", text)


def is_refusal(record: logging.LogRecord) -> bool:
    """Whether this line only reports that a request was refused, so that nobody has to look into it."""
    if not record.name.startswith(UNTRUSTED_LOGGERS):
        return False
    return getattr(record, "status_code", 0) // 100 == 4 or record.levelno < logging.ERROR


class OneLine(logging.Formatter):
    """Formats every line, whoever wrote it: the web server, Django, a library or a traceback.

    Control characters are escaped and secrets in addresses are masked; tracebacks of failures stay as they are.
    """

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- logging's name
        text = CONTROL.sub(lambda found: ascii(found[0])[1:-1], super().formatMessage(record))
        return text[:LONGEST_LINE] + "…" if is_refusal(record) and len(text) > LONGEST_LINE else text


class Refusals(logging.Filter):
    """Lets `a_minute` refused requests a minute through, without tracebacks, and counts the others."""

    def __init__(self, *, a_minute: int = A_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._a_minute, self._clock = a_minute, clock
        self._lock = Lock()
        self._minute, self._written = 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if not is_refusal(record):
            return True
        record.exc_info = record.exc_text = record.stack_info = None
        record.levelno = min(record.levelno, logging.WARNING)
        record.levelname = logging.getLevelName(record.levelno)
        with self._lock:
            left_out = self._begin_minute()
            self._written += 1
            is_let_through = self._written <= self._a_minute
        if left_out and is_let_through:
            record.msg = f"{record.getMessage()} ({left_out} earlier refused requests are not shown)"
            record.args = None
        return is_let_through

    def _begin_minute(self) -> int:
        """Return how many lines of the previous minute were left out, once each minute; otherwise 0."""
        minute = int(self._clock() // 60)
        if minute == self._minute:
            return 0
        left_out = max(0, self._written - self._a_minute)
        self._minute, self._written = minute, 0
        return left_out
