"""Verification of the signed log: every leaf is its entry, every checkpoint has the right root, and the portal
has signed it.

The tree is built anew from the entries, and compared with the tiles and with each checkpoint. That takes little memory:
of each level of the tree, only the last tile is kept.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import NamedTuple

from audit import signing
from audit.models import Checkpoint, Leaf, Link
from audit.tiles import Tiles
from crypto import notes, tree

BATCH = 4_096


@dataclass(frozen=True, slots=True)
class Result:
    """The valid checkpoints, the leaves and the root (hex) under the last of them, and the first fault, if any.

    `bad_checkpoint` is the size of the first checkpoint that fails; `unsigned` counts the entries after the last one.
    """

    checkpoints: int
    leaves: int
    root: str
    bad_checkpoint: int | None = None
    fault: str = ""
    unsigned: int = 0


class Row(NamedTuple):
    """A leaf, by its number, with its entry; without one, the last three are None."""

    number: int
    salt: bytes
    position: int | None
    entry: int | None
    payload: str | None


def verify(lost: Collection[str] = ()) -> Result:
    """Walk the leaves in order and stop at the first checkpoint that fails.

    Somebody with the database can add a key of their own, and sign everything with it. So the portal has to be able to
    open the key of each checkpoint; `lost` are the texts of the keys that it cannot.
    """
    walk, count, last = _Walk(), 0, tree.EMPTY
    is_own = cache(signing.is_own)  # models are equal if their primary keys are
    rows = _rows()
    for checkpoint in Checkpoint.objects.order_by("size").select_related("key").iterator(chunk_size=BATCH):
        fault = walk.to(checkpoint.size, rows) or _fault(checkpoint, walk)
        if not fault and checkpoint.key.key.text not in lost and not is_own(checkpoint.key):
            fault = f"the portal cannot open the key that signed it, {checkpoint.key}"
        if fault:
            return Result(count, walk.size, last.hex(), bad_checkpoint=checkpoint.size, fault=fault)
        count, last = count + 1, bytes(checkpoint.root)
    fault = "" if next(rows, None) is None or _is_growing(walk.size) else "leaves follow the last checkpoint"
    unsigned = Link.objects.filter(position__gt=walk.position).count()
    return Result(count, walk.size, last.hex(), fault=fault, unsigned=unsigned)


@dataclass(slots=True)
class _Walk:
    """The tree over the leaves so far, of which it keeps the last tile of each level."""

    size: int = 0
    position: int = 0
    """The last link among the leaves."""
    _last: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def to(self, size: int, rows: Iterator[Row]) -> str:
        """Add leaves up to a size, and return what is wrong with the first bad one, or ""."""
        before, links = self.position, 0
        while self.size < size:
            batch = list(islice(rows, min(BATCH, size - self.size)))
            positions = [row.position for row in batch if row.position is not None]
            if [row.number for row in batch] != list(range(self.size, self.size + len(batch))) or not batch:
                return f"leaves are missing after number {self.size}"
            if fault := self._add(batch):
                return fault
            self.position, links = max([self.position, *positions]), links + len(positions)
        # So every entry is in its turn too: one with a leaf further on is missing here.
        if links != Link.objects.filter(position__gt=before, position__lte=self.position).count():
            return "an entry before the last signed one has no leaf"
        return ""

    def root(self) -> bytes:
        return tree.root(self._read, self.size)

    def _add(self, batch: list[Row]) -> str:
        hashes = [tree.leaf_hash(bytes(row.salt), (row.payload or "").encode()) for row in batch]
        changed = tree.append(self._read, self.size, hashes)
        stored = Tiles()
        stored.fetch(changed)
        for (level, number), data in changed.items():
            if not stored(level, number).startswith(data):
                return self._names(batch, hashes, stored) or f"tile {level}/{number} is not what was signed"
        for level, number in sorted(changed):
            self._last[level] = number, changed[level, number]
        self.size += len(batch)
        return ""

    @staticmethod
    def _names(batch: list[Row], hashes: list[bytes], stored: Tiles) -> str:
        """Name the first entry whose hash is not the one in its tile."""
        for row, each in zip(batch, hashes, strict=True):
            number, place = divmod(row.number, tree.WIDTH)
            if stored(0, number)[place * tree.HASH : (place + 1) * tree.HASH] != each:
                what = f"entry {row.entry}" if row.entry else "an empty leaf"
                return f"{what} (leaf {row.number}) is not the text that was signed"
        return ""

    def _read(self, level: int, number: int) -> bytes:
        kept, data = self._last.get(level, (-1, b""))
        return data if kept == number else b""


def _rows() -> Iterator[Row]:
    fields = ("index", "salt", "link_id", "link__entry_id", "link__entry__payload")
    found = Leaf.objects.order_by("index").values_list(*fields)
    return (Row(*row) for row in found.iterator(chunk_size=BATCH))


def _fault(checkpoint: Checkpoint, walk: _Walk) -> str:
    """Return what is wrong with a checkpoint over the leaves so far, or ""."""
    root = walk.root()
    if root != bytes(checkpoint.root):
        return "its root is not that of the entries"
    key = checkpoint.key.key
    try:
        text, _ = notes.opened(checkpoint.note)
        is_signed = key in notes.signed_by(checkpoint.note, [key])
    except ValueError as bad:
        return f"its note does not hold. {bad}"
    if text != notes.Checkpoint(key.name, walk.size, root).text:
        return "its note is about something else"
    return "" if is_signed else "its note is not signed with its key"


def _is_growing(size: int) -> bool:
    """Whether the log was signed while it was verified."""
    return Checkpoint.objects.filter(size__gt=size).exists()
