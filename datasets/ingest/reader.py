"""Reads an upload into a table file: the sandbox does the work, this side follows and validates all that it returns."""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets.ingest import sandboxed
from datasets.reading import found, outcome
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
TOO_LONG = "Looking at this file took too long, so no examples are shown. It can be read all the same."
LOOK_ROWS = 10
LOOK_NOTES = 3000
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a file would be read, and its beginning: raw lines, and rows as they would be stored."""

    found: dict[str, Any]
    rows: list[list[str]]
    lines: list[str]
    notes: list[str]


def look(source: Path, *, options: Mapping[str, Any]) -> Look:
    """Look at the beginning of a file with these options. Raises Unreadable with a reason."""
    room = source.with_name(f"{secrets.token_hex(16)}.room")
    room.mkdir(mode=0o700)
    most = COPIES * settings.UPLOAD_LIMIT
    try:
        answer = sandboxed.run(
            "preview",
            source,
            parameters={"reading": options, "unpacked_bytes": settings.UPLOAD_LIMIT},
            limits=sandboxed.LOOK,
            room=sandboxed.Room(room, most),
        )
        return _validated_look(answer)
    except sandboxed.Broken as broken:
        logger.warning("Looking at an upload ended as %s.", broken.code)
        raise Unreadable(TOO_LONG) from broken
    finally:
        parsing.empty(room)


def _validated_look(answer: dict[str, Any]) -> Look:
    try:
        if "preview" not in answer:
            raise outcome.reason_from_json(answer)
        seen = answer["preview"]
        held = found.from_json(seen["found"])
        rows, lines, notes = seen["rows"], seen["lines"], seen["notes"]
        width, texts = len(held["columns"]), [*lines, *notes, *(cell for row in rows for cell in row)]
        if (
            len(rows) > LOOK_ROWS
            or any(len(row) != width for row in rows)
            or len(lines) + len(notes) > LOOK_NOTES
        ):
            raise ValueError("an invalid look")  # noqa: TRY301 -- it is one answer
        if not all(isinstance(text, str) and len(text) <= outcome.NOTE_LENGTH for text in texts):
            raise ValueError("an invalid text")  # noqa: TRY301
        return Look(found=held, rows=rows, lines=lines, notes=notes)
    except (KeyError, TypeError, ValueError) as odd:
        raise sandboxed.Broken(CloseCode.OUTPUT_TYPE) from odd


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
