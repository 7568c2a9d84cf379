"""Reads an upload into a table file: the sandbox does the work, this side follows and validates all that it returns."""

import logging
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets.ingest import sandboxed
from datasets.reading import outcome
from datasets.reading.outcome import TableRead, Unreadable
from runner import parsing
from runner.contract import CloseCode

logger = logging.getLogger(__name__)
BROKEN = (
    "Reading this file exceeded the limits on memory, time or size. The file may be damaged or malicious. "
    "Nothing of it was kept. Check it, and upload it again."
)
OUR_FAULT = (
    "The portal failed to read this file, and it is the portal's fault. Nothing of the file was kept. "
    "Tell an admin how the file was made and what the names of its columns are."
)
COPIES = 3
"""How often a file may be in the room besides its table: unpacked, in UTF-8, and rewritten."""
LIMITED = frozenset(
    {CloseCode.TIME_LIMIT, CloseCode.MEMORY_LIMIT, CloseCode.DISK_LIMIT, CloseCode.PROCESS_LIMIT,
     CloseCode.EXIT_NONZERO, CloseCode.OUTPUT_TYPE, CloseCode.OUTPUT_TOO_BIG, CloseCode.POLICY_BLOCKED}
)  # fmt: skip
"""Failures that the file causes: by its size, or by what it does to the parser."""


class Cancelled(Exception):
    """The upload was cancelled while its file was being read."""


def read(
    source: Path,
    target: Path,
    *,
    options: Mapping[str, Any],
    expected: Mapping[str, str] | None = None,
    progress: Callable[[float], bool] = lambda share: True,
) -> TableRead:
    """Read `source` into `target`. Raises Unreadable with a reason, Cancelled if `progress` returns False.

    `expected`: the types of columns in the last revision. Nothing is left at `target` unless a TableRead is returned.
    """
    room = target.with_name(f"{secrets.token_hex(16)}.room")
    room.mkdir(mode=0o700)
    most = table_bytes()
    try:
        answer = sandboxed.run(
            "read",
            source,
            parameters={
                "reading": options,
                "expected": expected or {},
                "rows": settings.ROWS_PER_TABLE,
                "unpacked_bytes": settings.UPLOAD_LIMIT,
            },
            room=sandboxed.Room(room, most + COPIES * settings.UPLOAD_LIMIT),
            progress=progress,
        )
        reading = _validated(answer)
        parsing.take(room, "table", most=most).rename(target)
    except sandboxed.Stopped as stop:
        raise Cancelled from stop
    except sandboxed.Broken as broken:
        logger.warning("Reading an upload ended as %s.", broken.code)
        raise Unreadable(BROKEN if broken.code in LIMITED else OUR_FAULT, final=True) from broken
    finally:
        parsing.empty(room)
    return reading


def table_bytes() -> int:
    """Return the most bytes of a table file: not much more than the largest upload has."""
    return int(2 * settings.UPLOAD_LIMIT + 64 * 1024 * 1024)


def _validated(answer: dict[str, Any]) -> TableRead:
    """Validate the parser's answer. Raises Unreadable with the parser's reason, Broken if the answer is malformed."""
    try:
        if "read" in answer:
            return outcome.from_json(answer["read"], most_rows=settings.ROWS_PER_TABLE)
        raise outcome.reason_from_json(answer)
    except (KeyError, TypeError, ValueError) as odd:
        raise sandboxed.Broken(CloseCode.OUTPUT_TYPE) from odd
