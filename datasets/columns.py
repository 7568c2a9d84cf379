"""A private table as columns sorted by subject, from which automatic answers are computed. Pure: paths in, arrays out.

Protecting people costs a GROUP BY person; sorting once, when a revision is published, avoids it in each answer.
A folder contains `offsets.npy` (the rows of subject i are offsets[i]:offsets[i+1]), `digests.npy` (one keyed digest of
the id per subject), and two files per column: its numbers (categories as codes into the declared list), and whether
each is valid. Subjects are sorted by digest, and a subject's rows by a keyed hash of their content: that order depends
on these rows alone, neither on other people's rows nor on positions in the file, because it decides which rows count
if not all of them do. Rows without a subject, and those beyond a subject's first 4096, are left out. A column that is
declared constant has its first value in every row.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from common.decimal_grid import nearest

FORMAT = 5
"""Increase this whenever the same table is written differently, so that older files are not read."""
DIGEST_BYTES = 16
MOST_ROWS = 4096
"""The most rows of a subject that are stored, the first in the order above: no more ever count (engine.schema)."""
MAX_TEXT = 200
SORTING_BYTES = 160
CHECKED_AT_ONCE = 2**20
INFINITE_DAYS = 2**31 - 1
"""DuckDB stores the dates `infinity` and `-infinity` as this many days before or after 1970."""
MAPPED = 32
"""The number of memory-mapped files that a process keeps."""
Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """How a column is stored: as codes into `labels`, the declared categories; otherwise clamped to the bounds."""

    name: str
    labels: tuple[str, ...] = ()
    lower: float = -np.inf
    upper: float = np.inf
    decimals: int | None = None
    """The most decimals of its numbers and its bounds: 0 for whole numbers, None for any."""
    constant: bool = False
    text: bool = False
    """Stored as codes into the column's own values, which are as private as the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredColumn:
    """One column in subject order: `numbers` and `valid`, each of shape (rows,).

    `valid` exists also if nothing is missing: otherwise the time of an answer would reveal whether anything is.
    """

    numbers: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStore:
    """A memory-mapped table in subject order."""

    offsets: Integers
    digests: npt.NDArray[np.uint8]
    listing: bytes
    """The SHA-256 of the digests, which identifies this list of people."""
    columns: dict[str, StoredColumn]
    texts: dict[str, list[str]]
    """The texts that the codes of text columns stand for, by column."""

    @property
    def rows(self) -> int:
        return int(self.offsets[-1])


def header(kind: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of the .npy file of such an array; the raw values follow it."""
    stream = BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


def plan_from(value: dict[str, Any]) -> ColumnPlan:
    """Parse a plan from the JSON that plan_as_json() makes."""
    bounds = {name: float(value[name]) for name in ("lower", "upper")}
    return ColumnPlan(**{**value, **bounds, "labels": tuple(value["labels"])})


def plan_as_json(plan: ColumnPlan) -> dict[str, Any]:
    """Convert a plan to JSON. Bounds become text, which keeps every digit and infinity."""
    return {**asdict(plan), "lower": repr(float(plan.lower)), "upper": repr(float(plan.upper))}


def digests_from(found: object, *, most: int) -> set[bytes]:
    """Validate digests that came out of a sandbox. Raises ValueError if they are malformed or more than `most`."""
    if not isinstance(found, list) or len(found) > most:
        raise ValueError("malformed digests")
    digests = {bytes.fromhex(str(each)) for each in found}
    if any(len(each) != DIGEST_BYTES for each in digests):
        raise ValueError("malformed digests")
    return digests


def read(folder: Path, plans: Sequence[ColumnPlan], *, wanted: frozenset[str] | None = None) -> ColumnStore:
    """Memory-map the table in a folder, with all columns or only the wanted ones."""
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


def names_of(plans: Sequence[ColumnPlan]) -> list[str]:
    """Return the names of the files in the folder of a table with these plans."""
    parts = [
        f"{number}.{part}"
        for number, plan in enumerate(plans)
        for part in ("numbers.npy", "valid.npy", *(["texts.json"] if plan.text else []))
    ]
    return ["offsets.npy", "digests.npy", *parts]


def most_bytes(rows: int, plans: Sequence[ColumnPlan]) -> int:
    """Return the most bytes that the files of so many rows may take, including the space for sorting."""
    return rows * (SORTING_BYTES + sum(stored(plan).itemsize + 1 for plan in plans)) + 2**28


def check(folder: Path, plans: Sequence[ColumnPlan], *, most_rows: int) -> None:
    """Raise ValueError unless every file contains what its reader relies on.

    The files were written in a sandbox that has opened an owner's file, and compiled code uses offsets and codes as
    indices without checking them.
    """
    subjects = _count(folder / "digests.npy", np.dtype(np.uint8), (DIGEST_BYTES,))
    if _count(folder / "offsets.npy", np.dtype(np.int64)) != subjects + 1:
        raise ValueError("offsets and digests do not belong together")
    rows = _check_offsets(folder / "offsets.npy", most_rows)
    for number, plan in enumerate(plans):
        texts = _check_texts(folder / f"{number}.texts.json") if plan.text else 0
        allowed = _range(plan, texts)
        _check_column(folder / f"{number}.numbers.npy", stored(plan), rows, allowed, plan.decimals)
        _check_column(folder / f"{number}.valid.npy", np.dtype(bool), rows, (0, 1))


def _count(path: Path, kind: np.dtype[Any], inner: tuple[int, ...] = ()) -> int:
    """Return how many entries a .npy file has. Raises ValueError unless it has exactly the header and length of these.

    Nothing in the file is interpreted.
    """
    size, width = path.stat().st_size, kind.itemsize * math.prod(inner)
    count = (size - len(header(kind, (0, *inner)))) // width
    head = header(kind, (max(count, 0), *inner))
    with path.open("rb") as file:
        same = file.read(len(head)) == head
    if not same or size != len(head) + count * width:
        raise ValueError("shape, type or length differ from the declaration")
    return count


def _chunks(path: Path, kind: np.dtype[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield the values of a file in chunks; booleans as bytes."""
    with path.open("rb") as file:
        file.seek(len(header(kind, (0,))))
        bare = np.dtype(np.uint8) if kind.kind == "b" else kind
        while len(part := np.fromfile(file, dtype=bare, count=CHECKED_AT_ONCE)):
            yield part


def _check_offsets(path: Path, most_rows: int) -> int:
    last = -1
    for part in _chunks(path, np.dtype(np.int64)):
        if (last < 0 and part[0] != 0) or (last >= 0 and part[0] <= last) or (np.diff(part) < 1).any():
            raise ValueError("offsets do not increase")
        last = int(part[-1])
    if not 0 <= last <= most_rows:
        raise ValueError("more rows than the table has")
    return last


def _check_column(
    path: Path, kind: np.dtype[Any], rows: int, allowed: tuple[float, float], decimals: int | None = None
) -> None:
    if _count(path, kind) != rows:
        raise ValueError("the number of rows differs from the offsets")
    for part in _chunks(path, kind):
        if not ((part >= allowed[0]) & (part <= allowed[1])).all():
            raise ValueError("a value outside its declaration")
        if decimals is not None and kind.kind == "f" and (nearest(part, decimals) != part).any():
            raise ValueError("a value with more decimals than declared")


def _check_texts(path: Path) -> int:
    texts = json.loads(path.read_text())
    if not isinstance(texts, list) or not all(
        isinstance(each, str) and len(each) <= MAX_TEXT for each in texts
    ):
        raise ValueError("not a list of texts")
    return len(texts)


def _range(plan: ColumnPlan, texts: int) -> tuple[float, float]:
    """Return the least and the greatest number in a column; a missing value is stored as the nearest to 0."""
    if plan.text or plan.labels:
        return 0, max((texts if plan.text else len(plan.labels)) - 1, 0)
    return plan.lower, plan.upper


def _mapped(path: Path) -> npt.NDArray[Any]:
    """Memory-map a file's array. The mapping is cached: setting up its pages again costs as much as reading them."""
    return _map(*_identity(path))


def _listing(path: Path) -> bytes:
    return _hash(*_identity(path))


def _identity(path: Path) -> tuple[Path, int, int]:
    """Return the key of a file in the caches: a new file at the same path has another inode or time."""
    found = path.stat()
    return path, found.st_ino, found.st_mtime_ns


@lru_cache(maxsize=MAPPED)
def _map(path: Path, inode: int, changed: int) -> npt.NDArray[Any]:
    content: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return content


@lru_cache(maxsize=MAPPED)
def _hash(path: Path, inode: int, changed: int) -> bytes:
    return hashlib.sha256(_map(path, inode, changed).data).digest()


def digest(value: object, key: bytes) -> bytes:
    """Return the keyed digest (16 bytes) of a subject's id: the same in every revision, useless without the key."""
    return hashlib.blake2b(str(value).encode(), digest_size=DIGEST_BYTES, key=key).digest()


def seed_of(key: bytes) -> np.uint64:
    """Return the start value for the hash of a row's content."""
    return np.uint64(
        int.from_bytes(hashlib.blake2b(key, digest_size=8, person=b"row order").digest(), "little")
    )


def mixed(x: Hashes) -> Hashes:
    """Apply the finaliser of splitmix64: a permutation in which each bit depends on all bits of the input."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def numbers(values: pa.Array, plan: ColumnPlan) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return a column's numbers and whether each is valid: neither null, nor infinite, nor an undeclared category."""
    if plan.labels:
        places = pc.index_in(values.cast(pa.string()), value_set=pa.array(plan.labels, pa.string()))
        return np.asarray(places.fill_null(0)).astype(stored(plan)), np.asarray(places.is_valid())
    days = pa.types.is_date32(values.type)
    if days:
        values = values.cast(pa.int32())  # since 1970
    found = np.asarray(values.cast(pa.float64(), safe=False).fill_null(0.0))
    finite = np.abs(found) < INFINITE_DAYS if days else np.isfinite(found)
    valid = np.asarray(values.is_valid()) & finite
    clamped = np.clip(np.where(valid, found, 0.0), plan.lower, plan.upper)
    placed = clamped if plan.decimals is None else nearest(clamped, plan.decimals)
    return placed.astype(stored(plan)), valid


def stored(plan: ColumnPlan) -> np.dtype[Any]:
    """Return the type of a column's numbers. It follows from declarations alone, because answer times depend on it."""
    if plan.text:
        return np.dtype(np.int32)
    if plan.labels:
        return np.dtype(_smallest(0, len(plan.labels) - 1))
    return np.dtype(_smallest(plan.lower, plan.upper) if plan.decimals == 0 else np.float64)


def _smallest(lower: float, upper: float) -> type[np.number[Any]]:
    """Return the smallest type that can store all whole numbers between the bounds."""
    for kind in (np.int8, np.int16, np.int32):
        if lower >= np.iinfo(kind).min and upper <= np.iinfo(kind).max:
            return kind
    return np.float64
