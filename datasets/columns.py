"""A private table as columns sorted by subject: what automatic answers are computed from. Pure: paths in, arrays out.

The cost of protecting people is the GROUP BY person; sorting once, when a revision is published, removes it.
A folder holds `offsets.npy` (rows of subject i are offsets[i]:offsets[i+1]), `digests.npy` (one keyed digest of the
id a subject), and two files a column: its numbers (categories as codes into the declared list) and where they are
there. Subjects are in the order of their digests, and a subject's rows in that of a keyed hash of what they hold: their
order depends on these rows alone, not on anybody else's or on where they stood, for it decides which rows count where
not all do. Rows without a subject are left out. A column declared constant has its first value in every row.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FORMAT = 3
"""Changes with what `write` makes of the same table, so that what was written before is not read."""
DIGEST_BYTES = 16
MAX_TEXT = 200
MAPPED = 32
"""So many files' mappings a process keeps."""
Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """How a column is stored: as codes into `labels`, the declared categories; otherwise clamped to its bounds."""

    name: str
    labels: tuple[str, ...] = ()
    lower: float = -np.inf
    upper: float = np.inf
    whole: bool = False
    """Holds whole numbers only, as the bounds do."""
    constant: bool = False
    text: bool = False
    """Stored as codes into the column's own values, which are as private as the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredColumn:
    """One column in subject order. `numbers`: shape (rows,); `valid`: shape (rows,), also if nothing is missing:
    whether anything is would show in the time of an answer."""

    numbers: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStore:
    """A table in subject order, memory-mapped."""

    offsets: Integers
    digests: npt.NDArray[np.uint8]
    listing: bytes
    """What this list of digests is known by: its SHA-256."""
    columns: dict[str, StoredColumn]
    texts: dict[str, list[str]]
    """What the codes of text columns stand for."""

    @property
    def rows(self) -> int:
        return int(self.offsets[-1])


def write(source: Path, subject: str, plans: Sequence[ColumnPlan], key: bytes, folder: Path) -> None:
    """Write a sealed Parquet table as columns into an existing empty folder. Holds two columns in memory at a time."""
    ids = _column(source, subject)
    kept = np.asarray(ids.is_valid())
    order, offsets, digests = _by_subject(ids, kept, _hashes(source, plans, key, len(ids)), key)
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "digests.npy", digests)
    first = np.repeat(offsets[:-1], np.diff(offsets))
    for number, plan in enumerate(plans):
        content = _column(source, plan.name)
        if plan.text:
            content = pc.dictionary_encode(content)
            texts = [str(text)[:MAX_TEXT] for text in content.dictionary.to_pylist()]
            (folder / f"{number}.texts.json").write_text(json.dumps(texts))
            content = content.indices
        values, valid = _numbers(content, plan)
        place = order[first] if plan.constant else order
        np.save(folder / f"{number}.numbers.npy", values[place])
        np.save(folder / f"{number}.valid.npy", valid[place])


def _column(source: Path, name: str) -> pa.Array:
    return pq.read_table(source, columns=[name]).column(0).combine_chunks()


def some_ids(source: Path, subject: str, *, most: int) -> list[object]:
    """The different ids of a Parquet table's subject column, at most so many, spread over all of them."""
    ids = pc.unique(pq.read_table(source, columns=[subject]).column(0)).drop_null()
    chosen = np.linspace(0, len(ids) - 1, min(most, len(ids))).astype(np.int64)
    return list(ids.take(pa.array(chosen)).to_pylist())


def read(folder: Path, plans: Sequence[ColumnPlan], *, wanted: frozenset[str] | None = None) -> ColumnStore:
    """The table of a folder, memory-mapped: only the wanted columns, or all."""
    columns = {
        plan.name: StoredColumn(
            numbers=_mapped(folder / f"{number}.numbers.npy"),
            valid=_mapped(folder / f"{number}.valid.npy"),
        )
        for number, plan in enumerate(plans)
        if wanted is None or plan.name in wanted
    }
    return ColumnStore(
        offsets=_mapped(folder / "offsets.npy"),
        digests=_mapped(folder / "digests.npy"),
        listing=_listing(folder / "digests.npy"),
        columns=columns,
        texts={
            plan.name: json.loads((folder / f"{number}.texts.json").read_text())
            for number, plan in enumerate(plans)
            if plan.text and plan.name in columns
        },
    )


def _mapped(path: Path) -> npt.NDArray[Any]:
    """A file's array, memory-mapped. The mapping is kept: to set its pages up again costs as much as to read them."""
    return _map(*_identity(path))


def _listing(path: Path) -> bytes:
    return _hash(*_identity(path))


def _identity(path: Path) -> tuple[Path, int, int]:
    """A new file in the same place has another inode or time."""
    found = path.stat()
    return path, found.st_ino, found.st_mtime_ns


@lru_cache(maxsize=MAPPED)
def _map(path: Path, inode: int, changed: int) -> npt.NDArray[Any]:
    content: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    return content


@lru_cache(maxsize=MAPPED)
def _hash(path: Path, inode: int, changed: int) -> bytes:
    return hashlib.sha256(_map(path, inode, changed).data).digest()


def digest(value: object, key: bytes) -> bytes:
    """What stands for a subject's id: the same for the same id in every revision, nothing without the key."""
    return hashlib.blake2b(str(value).encode(), digest_size=DIGEST_BYTES, key=key).digest()


def _by_subject(
    ids: pa.Array, kept: npt.NDArray[np.bool_], hashes: Hashes, key: bytes
) -> tuple[Integers, Integers, npt.NDArray[np.uint8]]:
    """(rows in subject order, offsets, digests)."""
    coded = pc.dictionary_encode(ids)
    known = [digest(value, key) for value in coded.dictionary.to_pylist()]
    digests = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(-1, DIGEST_BYTES)
    ranking = sorted(range(len(known)), key=known.__getitem__)
    rank = np.empty(len(known), dtype=np.int64)
    rank[ranking] = np.arange(len(known))
    rows = np.flatnonzero(kept)
    codes = rank[np.asarray(coded.indices.fill_null(0))[rows]]
    order = np.lexsort((hashes[rows], codes))
    counts = np.bincount(codes, minlength=len(known))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return rows[order], offsets, digests[ranking]


def _hashes(source: Path, plans: Sequence[ColumnPlan], key: bytes, rows: int) -> Hashes:
    """A keyed hash of what each row holds in all planned columns: equal rows, and as good as no others, share one."""
    secret = int.from_bytes(hashlib.blake2b(key, digest_size=8, person=b"row order").digest(), "little")
    found = np.full(rows, secret, dtype=np.uint64)
    for plan in plans:
        content = _column(source, plan.name)
        if plan.text:
            coded = pc.dictionary_encode(content)
            known = b"".join(digest(text, key)[:8] for text in coded.dictionary.to_pylist())
            valid = np.asarray(coded.is_valid())
            bits = np.append(np.frombuffer(known, dtype=np.uint64), np.uint64(0))[
                np.asarray(coded.indices.fill_null(-1))
            ]
        else:
            values, valid = _numbers(content, plan)
            bits = values.astype(np.float64).view(np.uint64)
        found = _mixed(_mixed(found ^ bits) + valid)
    return found


def _mixed(x: Hashes) -> Hashes:
    """The finaliser of splitmix64: a permutation in which each bit depends on all."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _numbers(values: pa.Array, plan: ColumnPlan) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """A column as numbers, and where they are: what is null, not finite or not declared is not there."""
    if plan.text:
        return np.asarray(values.fill_null(0)).astype(np.int32), np.asarray(values.is_valid())
    if plan.labels:
        found = pc.index_in(values.cast(pa.string()), value_set=pa.array(plan.labels, pa.string()))
        codes = np.asarray(found.fill_null(0))
        return codes.astype(_smallest(0, len(plan.labels) - 1)), np.asarray(found.is_valid())
    numbers = np.asarray(values.cast(pa.float64(), safe=False).fill_null(0.0))
    valid = np.asarray(values.is_valid()) & np.isfinite(numbers)
    clamped = np.clip(np.where(valid, numbers, 0.0), plan.lower, plan.upper)
    return (np.rint(clamped) if _stored(plan) is not np.float64 else clamped).astype(_stored(plan)), valid


def _stored(plan: ColumnPlan) -> type[np.number[Any]]:
    """The type of a column's numbers: by the declarations alone, for the time of an answer depends on it."""
    if not plan.whole or plan.lower != np.rint(plan.lower) or plan.upper != np.rint(plan.upper):
        return np.float64
    return _smallest(plan.lower, plan.upper)


def _smallest(lower: float, upper: float) -> type[np.number[Any]]:
    """The smallest type that holds all whole numbers between them."""
    for kind in (np.int8, np.int16, np.int32):
        if lower >= np.iinfo(kind).min and upper <= np.iinfo(kind).max:
            return kind
    return np.float64
