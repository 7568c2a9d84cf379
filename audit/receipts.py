"""Receipts: an entry of the log with the proof that it is under a signed checkpoint. Format: docs/receipts.md."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from audit import signing, witnesses
from audit.models import Entry, Leaf, Link
from audit.tiles import Tiles
from crypto import tree

FORMAT = "weir-receipt/1"
KINDS = frozenset({"answer", "joint_answer", "charge", "release", "entry"})


def for_entries(
    entries: Sequence[Entry], *, kind: str, document: str = "", salt: str = ""
) -> dict[str, Any] | None:
    """Return the receipt of these entries, all under one checkpoint, as what JSON writes.

    `document` is the text whose SHA-256 after the salt (64 hex digits) one of the entries records. None if an entry is
    not under a checkpoint yet: then the next tick makes one, see `due`. Raises ValueError for an unknown kind, for no
    entries, and for a document without a salt.
    """
    if kind not in KINDS or not entries or bool(document) != bool(salt):
        raise ValueError(f"This is no receipt: {kind!r} of {len(entries)} entries.")
    leaves = {leaf.link.entry_id: leaf for leaf in _leaves(entries) if leaf.link}
    found = [leaves[entry.pk] for entry in entries if entry.pk in leaves]
    checkpoint = witnesses.best_over(max((leaf.index for leaf in found), default=0))
    if checkpoint is None or len(found) < len(entries):
        _wish(entries)
        return None
    tiles = Tiles()
    tiles.fetch_around([leaf.index for leaf in found], [checkpoint.size])
    return {
        "format": FORMAT,
        "kind": kind,
        "entries": [
            _proven(entry, leaf, tiles, checkpoint.size) for entry, leaf in zip(entries, found, strict=True)
        ],
        "checkpoint": witnesses.note(checkpoint),
        "document": document,
        "document_salt": salt,
    }


def due() -> datetime:
    """Return when a receipt that is not there yet should be."""
    return signing.due(timezone.now())


def _leaves(entries: Sequence[Entry]) -> Sequence[Leaf]:
    return list(Leaf.objects.filter(link__entry__in=[entry.pk for entry in entries]).select_related("link"))


def _wish(entries: Sequence[Entry]) -> None:
    """Ask for a checkpoint over these entries. They are committed, or will be with this transaction."""
    positions = Link.objects.filter(entry__in=[entry.pk for entry in entries]).values_list(
        "position", flat=True
    )
    if positions:
        signing.want(max(positions))


def _proven(entry: Entry, leaf: Leaf, tiles: Tiles, size: int) -> dict[str, Any]:
    proof = tree.inclusion(tiles, leaf.index, size)
    return {
        "payload": entry.payload,
        "salt": bytes(leaf.salt).hex(),
        "index": leaf.index,
        "proof": [base64.b64encode(each).decode("ascii") for each in proof],
    }
