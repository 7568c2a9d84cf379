"""Check the whole log: every entry is what was hashed, and every hash stands on the one before."""

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
    """How many entries hold, the head of the chain, and the first entry that does not hold, if any."""

    entries: int
    position: int
    head: str
    bad_entry: int | None = None
    fault: str = ""


def verify(*, position: int = 0, head: str = "") -> Result:
    """Walk the chain in order and stop at the first fault.

    With a `position` and `head` that were noted earlier, also notice when the log has lost its end since.
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
            count, last, previous, fault=f"the chain does not hold {head[:12]}… at position {position}"
        )
    return Result(count, last, previous)


def _rows() -> "Iterator[dict[str, Any]]":
    """One statement, hence one snapshot, read in batches. Entries outside the chain come last."""
    fields = ("id", "at", "payload", *COLUMNS, "link__position", "link__previous", "link__hash")
    ordered = Entry.objects.order_by(F("link__position").asc(nulls_last=True), "id")
    rows: Iterator[dict[str, Any]] = ordered.values(*fields).iterator(chunk_size=BATCH)
    return rows


def _fault(row: dict[str, object], previous: str) -> str:
    if row["link__position"] is None:
        return "it is not part of the chain"
    if row["link__previous"] != previous:
        return "the entry before it is missing, was moved or was changed"
    if chain.link(previous, str(row["payload"])) != row["link__hash"]:
        return "its text is not what was hashed"
    if not _matches(row):
        return "its columns are not what its text says"
    return ""


def _matches(row: dict[str, object]) -> bool:
    try:
        said = json.loads(str(row["payload"]))
    except ValueError:
        return False
    return bool(said == {"at": row["at"].isoformat(), **{name: row[name] for name in COLUMNS}})  # type: ignore[attr-defined]
