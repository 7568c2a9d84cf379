"""Reading an upload into a table file: the sandbox does it, this side watches and believes nothing unseen."""

import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets.ingest import sandboxed
from datasets.reading import outcome
from datasets.reading.outcome import Reading, Unreadable
from runner import parsing
from runner.contract import CloseCode

logger = logging.getLogger(__name__)
BROKEN = (
    "Reading this file broke the limits on memory, time or size. It may be damaged or made to do harm. "
    "Nothing of it was kept."
)
OUR_FAULT = (
    "The portal failed to read this file, and it is the portal's fault. Nothing of the file was kept. "
    "Tell an admin, and say how the file was made and what its columns are called."
)
LIMITED = frozenset(
    {CloseCode.TIME_LIMIT, CloseCode.MEMORY_LIMIT, CloseCode.DISK_LIMIT, CloseCode.PROCESS_LIMIT,
     CloseCode.EXIT_NONZERO, CloseCode.OUTPUT_TYPE, CloseCode.OUTPUT_TOO_BIG, CloseCode.POLICY_BLOCKED}
)  # fmt: skip
"""Ends that a file has brought about: by its size, or by what it made of the parser."""


class GivenUp(Exception):
    """The upload was cancelled while its file was being read."""


def read(
    source: Path,
    target: Path,
    *,
    options: dict[str, Any],
    progress: Callable[[float], bool] = lambda share: True,
) -> Reading:
    """Read `source` into `target`. Unreadable with a reason, GivenUp when `progress` says to stop.

    Whatever happens in there, nothing is left at `target` unless a Reading is returned.
    """
    room = target.with_name(f"{secrets.token_hex(16)}.room")
    room.mkdir(mode=0o700)
    most = table_bytes()
    try:
        answer = sandboxed.run(
            "read",
            source,
            parameters={**options, "target_bytes": most, "rows": settings.ROWS_PER_TABLE},
            room=sandboxed.Room(room, most),
            heard=progress,
        )
        reading = _believed(answer)
        parsing.take(room, "table", most=most).rename(target)
    except sandboxed.Stopped as stop:
        raise GivenUp from stop
    except sandboxed.Broken as broken:
        logger.warning("Reading an upload ended as %s.", broken.code)
        raise Unreadable(BROKEN if broken.code in LIMITED else OUR_FAULT) from broken
    finally:
        parsing.empty(room)
    return reading


def table_bytes() -> int:
    """A sealed table may not be much larger than the largest upload."""
    return int(2 * settings.UPLOAD_LIMIT + 64 * 1024 * 1024)


def _believed(answer: dict[str, Any]) -> Reading:
    """What was said, if it is what our parser could have said. Raises Unreadable, also with the parser's own reason."""
    try:
        if "read" in answer:
            return outcome.from_json(answer["read"], most_rows=settings.ROWS_PER_TABLE)
        raise outcome.reason_from_json(answer)
    except (KeyError, TypeError, ValueError) as odd:
        raise sandboxed.Broken(CloseCode.OUTPUT_TYPE) from odd
