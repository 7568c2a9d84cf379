"""Verification of the whole log: every entry is what was hashed, and every hash follows from the one before."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from audit import chain
from audit.models import Entry

BATCH = 5000
COLUMNS = (
    "action",
    "actor_id",
    "actor",
    "object_type",
    "object_id",
    "object_label",
    "dataset_id",
    "person_id",
    "changes",
    "detail",
)


@dataclass(frozen=True, slots=True)
class Result:
    """The number of valid entries, the position and hash of the chain's head, and the first fault, if any."""

    entries: int
    position: int
    head: str
    bad_entry: int | None = None
    fault: str = ""


def verify(*, position: int = 0, head: str = "") -> Result:
    """Walk the chain in order and stop at the first fault.

    With the `position` and `head` of an earlier verification, also detect that the log has lost entries at its end.
    """
    count, last, previous, seen = 0, 0, chain.GENESIS, not head
    for row in _rows():
        fault = _fault(row, previous)
        if fault:
            return Result(count, last, previous, bad_entry=row["id"], fault=fault)
        count, last, previous = count + 1, row["link__position"], row["link__hash"]
        seen = seen or (last == position and previous == head)
    if not seen:
        return Result(
            count, last, previous, fault=f"the chain does not contain {head[:12]}… at position {position}"
        )
    return Result(count, last, previous)


def _rows() -> "Iterator[dict[str, Any]]":
    """Read all entries in batches by one statement, so from one snapshot. Entries outside the chain come last."""
    fields = ("id", "at", "payload", *COLUMNS, "link__position", "link__previous", "link__hash")
    ordered = Entry.objects.order_by(F("link__position").asc(nulls_last=True), "id")
    rows: Iterator[dict[str, Any]] = ordered.values(*fields).iterator(chunk_size=BATCH)
    return rows


def _fault(row: dict[str, object], previous: str) -> str:
    if row["link__position"] is None:
        return "it is not part of the chain"
    if row["link__previous"] != previous:
        return "the entry before it was removed, moved or changed"
    if chain.link(previous, str(row["payload"])) != row["link__hash"]:
        return "its text is not the text that was hashed"
    if not _matches(row):
        return "its columns differ from its text"
    return ""


def _matches(row: dict[str, object]) -> bool:
    try:
        hashed = json.loads(str(row["payload"]))
    except ValueError:
        return False
    return bool(hashed == {"at": row["at"].isoformat(), **{name: row[name] for name in COLUMNS}})  # type: ignore[attr-defined]
