"""Witnesses of this log: their signatures under its checkpoints, and what they show of it that it does not have.

A witness is another portal. It signs a checkpoint only if the log up to there begins with all that it signed before,
so nobody who rewrites the log gets its signature again. How it is asked is not a matter of this app.
"""

from datetime import datetime

from django.db import transaction

from audit import log, signing
from audit.models import Checkpoint, Cosignature, LogKey, MissingCheckpoint
from audit.system import SYSTEM
from audit.tiles import Tiles
from crypto import notes, tree

MOST = 60
"""Signatures of witnesses in a note. Verifiers read 64 in all."""
RECENT = 200
"""Cosignatures among which a receipt looks for the checkpoint that most witnesses have signed."""


def note(checkpoint: Checkpoint) -> str:
    """Return the note of a checkpoint with the signatures of its witnesses."""
    return checkpoint.note + "".join(each.line for each in checkpoint.cosignatures.all()[:MOST])


def best_over(index: int) -> Checkpoint | None:
    """Return the checkpoint for a receipt of the leaf with this index: the newest of those with most witnesses.

    The newest of all if no witness has signed one over this leaf; None if none is over it.
    """
    over = Cosignature.objects.filter(checkpoint__size__gt=index).order_by("-checkpoint_id")
    counts: dict[int, int] = {}
    for size in over.values_list("checkpoint_id", flat=True)[:RECENT]:
        counts[size] = counts.get(size, 0) + 1
    if counts:
        return Checkpoint.objects.get(pk=max(counts, key=lambda size: (counts[size], size)))
    newest = Checkpoint.objects.newest()
    return newest if newest and newest.size > index else None


def grown_since(old: int, new: Checkpoint) -> list[bytes]:
    """Return the proof that a checkpoint follows a size that a witness has signed. `old`: 0 to the checkpoint's size.

    It is empty for 0 and for the same size. Raises ValueError for a size out of this range.
    """
    if not 0 <= old <= new.size:
        raise ValueError(f"The log has {new.size} leaves, not {old}.")
    if old in {0, new.size}:
        return []
    tiles = Tiles()
    tiles.fetch_around([old - 1, old], [new.size])
    return tree.consistency(tiles, old, new.size)


def add(checkpoint: Checkpoint, line: str, by: notes.Key, now: datetime) -> bool:
    """Store the signature of a witness. Returns whether it is new. Raises ValueError if it is not that witness's."""
    if by.kind != notes.COSIGNATURE or by not in notes.signed_by(f"{checkpoint.note}{line}", [by]):
        raise ValueError(f"{by.name} has not signed this checkpoint.")
    _, created = Cosignature.objects.get_or_create(
        checkpoint=checkpoint, witness=by.text, defaults={"line": line, "at": now}
    )
    return created


def shown(text: str, *, by: str, now: datetime) -> MissingCheckpoint | None:
    """Look at a checkpoint that a witness called `by` holds of this log. Returns it if the log does not have it.

    It is kept then, and nothing is answered automatically any more: see `missing`. Raises ValueError for a note that
    none of this portal's keys has signed.
    """
    keys = [each for each in LogKey.objects.all() if signing.is_own(each)]
    if not any(each.key in notes.signed_by(text, [each.key]) for each in keys):
        raise ValueError("This portal has not signed the checkpoint that is shown.")
    found = notes.checkpoint(notes.opened(text)[0])
    if _holds(found):
        return None
    with transaction.atomic():
        kept, created = MissingCheckpoint.objects.get_or_create(
            origin=found.origin, size=found.size, defaults={"note": text, "witness": by[:200], "at": now}
        )
        if created:
            log.record("checkpoint.missing", by=SYSTEM, on=kept, witness=by, size=found.size)
    return kept


def missing() -> MissingCheckpoint | None:
    """Return the largest checkpoint of the present log that witnesses have and it has not. None: nothing is amiss."""
    present = LogKey.objects.filter(retired_at=None).values("origin")
    return MissingCheckpoint.objects.filter(origin__in=present).first()


def _holds(found: notes.Checkpoint) -> bool:
    """Return whether this log has these leaves: its tree of that size has this root."""
    newest = Checkpoint.objects.newest()
    if newest is None or found.size > newest.size:
        return False
    tiles = Tiles()
    tiles.fetch_around([], [found.size])
    return tree.root(tiles, found.size) == found.root
