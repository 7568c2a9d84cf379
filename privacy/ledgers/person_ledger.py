"""The per-person ledger: what each person in the data has been charged, per scientist. As private as the rows.

Each dataset has one LMDB environment in the store. LMDB commits atomically with an fsync and admits one writer at a
time across processes, so its transactions give a dataset's charges one order. A process that dies at any instruction
leaves either the state before or the state after. Noise is drawn only after `charge` has returned, so a crash costs
budget and never gives an answer away.

A subject (the person in the data) is identified by a keyed digest of its id, and keeps its place when a new revision
is published. Values are unsigned 32-bit units, with CAP as the whole budget, so `spent <= cap - charge` cannot
overflow.

The worth of each budget's units and the number of answers over undeclared values are stored here as well: they reveal
a database that was restored to an older state. Notes of rounds of joint questions keep such a database from answering a
round again, with other noise.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from uuid import UUID

import lmdb
import numba as nb
import numpy as np
import numpy.typing as npt

from common.errors import Conflict
from privacy.engine.measure.contributions import CAP, Integers, rescaled
from privacy.engine.measure.evaluate import Bools

CHUNK = 65_536
MAP_SIZE = 1 << 40
DIGEST_BYTES = 16
Units = npt.NDArray[np.uint32]
SHARE = struct.Struct("<dQ")
SHARES, THRESHOLDS, NOTES = b"share:", b"thresholds:", b"note:"
LONGEST_NOTE = 200

NOTED = "The people have been charged for this already. Nothing is released for it again."

_one_at_a_time = Lock()
"""One process must not open an LMDB environment twice at the same time."""


@dataclass(frozen=True, slots=True)
class Share:
    """The size of a budget: what its CAP units are worth (mu^2), and how often that has changed."""

    mu: float
    generation: int


@contextmanager
def open_ledger(folder: Path) -> Iterator["SubjectLedger"]:
    """Open the ledger in `folder`, one thread of the process at a time."""
    with _one_at_a_time, closing(SubjectLedger(folder)) as ledger:
        yield ledger


class SubjectLedger:
    """Every subject's spent units, in `folder`, which is created when missing (0700)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._env = lmdb.open(str(folder), map_size=MAP_SIZE, max_dbs=4, mode=0o600)
        self._units = self._env.open_db(b"units")
        self._places = self._env.open_db(b"places")
        self._listings = self._env.open_db(b"listings")
        self._facts = self._env.open_db(b"facts")

    def close(self) -> None:
        self._env.close()

    def places(
        self,
        digests: npt.NDArray[np.uint8],
        *,
        name: bytes = b"",
        owed: Mapping[UUID, int] = MappingProxyType({}),
    ) -> Units:
        """Return the place of each subject, shape (subjects,); new subjects get places at the end.

        `digests`: shape (subjects, DIGEST_BYTES), all different. A new list of digests is looked up one by one, then
        stored under its hash; `name` is that hash, when the caller knows it. `owed`: the units of each budget that new
        subjects begin with.
        """
        name = name or hashlib.sha256(np.ascontiguousarray(digests).data).digest()
        with self._env.begin(db=self._listings, buffers=True) as txn:
            listed = txn.get(name)
            if listed is not None:
                return np.frombuffer(listed, dtype=np.uint32).copy()
        with self._env.begin(write=True, buffers=True) as txn:
            before = int(txn.stat(self._places)["entries"])
            found = self._look_up(txn, digests)
            for budget, units in owed.items():
                self._charge_newcomers(txn, budget, found[found >= before], units)
            txn.put(name, found.tobytes(), db=self._listings)
        return found

    def _charge_newcomers(self, txn: "lmdb.Transaction", budget: UUID, places: Units, units: int) -> None:
        if len(places):
            spent = self._read(txn, budget, int(places.max()) + 1)
            spent[places] = np.minimum(units, CAP)
            self._write(txn, budget, spent)

    def count(self) -> int:
        """Return the number of subjects that have a place."""
        with self._env.begin() as txn:
            return int(txn.stat(self._places)["entries"])

    def count_known(self, digests: Iterable[bytes]) -> int:
        """Return the number of these subjects that have a place."""
        with self._env.begin(db=self._places) as txn:
            return sum(txn.get(digest) is not None for digest in digests)

    def _look_up(self, txn: "lmdb.Transaction", digests: npt.NDArray[np.uint8]) -> Units:
        found = np.empty(len(digests), dtype=np.uint32)
        count = txn.stat(self._places)["entries"]
        for k, digest in enumerate(np.asarray(digests)):  # rows of a memory map take five times as long
            key = digest.tobytes()
            place = txn.get(key, db=self._places)
            if place is None:
                place = int(count).to_bytes(8, "little")
                txn.put(key, place, db=self._places)
                count += 1
            found[k] = int.from_bytes(place, "little")
        return found

    def last_line(self) -> int:
        """Return the newest ledger line whose charges are written here, or 0."""
        with self._env.begin(db=self._facts) as txn:
            return int.from_bytes(txn.get(b"last_line") or b"", "little")

    def charge(
        self,
        budget: UUID,
        places: Units,
        charges: Integers,
        *,
        line: int,
        threshold: bool = False,
        note: bytes = b"",
    ) -> Bools:
        """Charge each subject at its place unless that would exceed its cap. Returns who was charged and takes part.

        The charges are on disk when it returns. Raises Conflict when `line` is not newer than all lines before: a line
        is charged once. `threshold`: count this as an answer over undeclared values. `note`: what the charge is for,
        if people may be charged for it only once, even by another line; a second time raises Conflict.
        """
        active = np.zeros(len(places), dtype=np.bool_)
        with self._in_order(line) as txn:
            if note and not txn.put(_key_of(note), b"", db=self._facts, overwrite=False):
                raise Conflict(NOTED)
            self._add(txn, budget, places, charges, active)
            if threshold:
                key = THRESHOLDS + budget.bytes
                used = int.from_bytes(txn.get(key, db=self._facts) or b"", "little")
                txn.put(key, (used + 1).to_bytes(8, "little"), db=self._facts)
        return active

    def has_noted(self, note: bytes) -> bool:
        """Return whether people have been charged with this note."""
        with self._env.begin(db=self._facts) as txn:
            return txn.get(_key_of(note)) is not None

    def keep(self, budget: UUID, share: Share) -> None:
        """Store a budget's size and rescale its spent units by old mu^2 / new mu^2, rounded up.

        Idempotent, because the old size is the one stored here. Raises Conflict when that is a later one, or when
        somebody has been charged more than the new size allows.
        """
        with self._env.begin(write=True, buffers=True) as txn:
            old = self._share(txn.get(SHARES + budget.bytes, db=self._facts))
            if old == share:
                return
            if old is not None:
                if old.generation >= share.generation:
                    raise Conflict(
                        "The per-person ledger holds a later change of this budget than the database."
                    )
                self._rescale(txn, budget, old.mu, share.mu)
            txn.put(SHARES + budget.bytes, SHARE.pack(share.mu, share.generation), db=self._facts)

    def _rescale(self, txn: "lmdb.Transaction", budget: UUID, old_mu: float, new_mu: float) -> None:
        values, where = np.unique(self._read(txn, budget, 0), return_inverse=True)
        scaled = rescaled(values, old_mu, new_mu)
        if max(scaled, default=0) > CAP:
            raise Conflict("Somebody has been charged more than the changed budget holds.")
        self._write(txn, budget, np.array(scaled, dtype=np.uint32)[where])

    def shares(self) -> dict[UUID, Share]:
        """Return every budget that people were ever charged for, with its size as last stored here."""
        return {
            budget: share
            for budget, content in self._noted(SHARES)
            if (share := self._share(content)) is not None
        }

    def thresholds(self) -> dict[UUID, int]:
        """Return the number of answers over undeclared values, per budget."""
        return {budget: int.from_bytes(content, "little") for budget, content in self._noted(THRESHOLDS)}

    def _noted(self, kind: bytes) -> list[tuple[UUID, bytes]]:
        with self._env.begin(db=self._facts) as txn:
            cursor = txn.cursor()
            cursor.set_range(kind)
            return [
                (UUID(bytes=key[len(kind) :]), value)
                for key, value in cursor.iternext()
                if key.startswith(kind)
            ]

    @staticmethod
    def _share(content: bytes | memoryview | None) -> Share | None:
        return None if content is None else Share(*SHARE.unpack(content))

    def spent(self, budget: UUID) -> Units:
        """Return the spent units of every subject, in order of places. For aggregates that only the owner sees."""
        with self._env.begin(db=self._units, buffers=True) as txn:
            return self._read(txn, budget, 0)

    @contextmanager
    def _in_order(self, line: int) -> Iterator["lmdb.Transaction"]:
        with self._env.begin(write=True, buffers=True) as txn:
            last = int.from_bytes(txn.get(b"last_line", db=self._facts) or b"", "little")
            if line <= last:
                raise Conflict("The people have been charged for this line of the ledger already.")
            yield txn
            txn.put(b"last_line", line.to_bytes(8, "little"), db=self._facts)

    def _add(
        self, txn: "lmdb.Transaction", budget: UUID, places: Units, charges: Integers, active: Bools
    ) -> None:
        if not _are_in_order(places):
            spent = self._read(txn, budget, int(places.max()) + 1)
            _charge(spent, places, charges, CAP, active)
            self._write(txn, budget, spent)
            return
        for number, start in enumerate(range(0, len(places), CHUNK)):  # each chunk fits a processor's cache
            key, part = budget.bytes + number.to_bytes(4, "big"), slice(start, start + CHUNK)
            old = np.frombuffer(txn.get(key, db=self._units) or b"", dtype=np.uint32)
            chunk = np.zeros(max(len(old), len(places[part])), dtype=np.uint32)
            chunk[: len(old)] = old
            _charge_in_order(chunk, charges[part], CAP, active[part])
            txn.put(key, chunk.data.cast("B"), db=self._units)

    def _read(self, txn: "lmdb.Transaction", budget: UUID, size: int) -> Units:
        """Return a copy of a budget's units, at least `size` of them. The transaction must hand out buffers."""
        parts = []
        cursor = txn.cursor(db=self._units)
        found = cursor.set_range(budget.bytes)
        while found and bytes(cursor.key()).startswith(budget.bytes):
            parts.append(np.frombuffer(cursor.value(), dtype=np.uint32))
            found = cursor.next()
        unknown = max(0, size - sum(map(len, parts)))
        return np.concatenate([*parts, np.zeros(unknown, dtype=np.uint32)])

    def _write(self, txn: "lmdb.Transaction", budget: UUID, spent: Units) -> None:
        content = spent.data.cast("B")
        for number, start in enumerate(range(0, len(content), 4 * CHUNK)):
            key = budget.bytes + number.to_bytes(4, "big")
            txn.put(key, content[start : start + 4 * CHUNK], db=self._units)


def _key_of(note: bytes) -> bytes:
    if len(note) > LONGEST_NOTE:
        raise ValueError(f"A note has at most {LONGEST_NOTE} bytes.")
    return NOTES + note


def rehearse() -> None:
    """Compile the passes below ahead of their first use."""
    one, yes = np.zeros(1, dtype=np.uint32), np.zeros(1, dtype=np.bool_)
    _charge(one, one, one, CAP, yes)
    _charge_in_order(one, one, CAP, yes)
    _are_in_order(one)


@nb.njit(cache=True, nogil=True)
def _charge(spent, places, charges, cap, active):  # type: ignore[no-untyped-def]
    for k in range(places.shape[0]):
        place = places[k]
        charge = charges[k]
        if charge <= cap and spent[place] <= cap - charge:
            spent[place] += np.uint32(charge)
            active[k] = True


@nb.njit(cache=True, nogil=True)
def _charge_in_order(spent, charges, cap, active):  # type: ignore[no-untyped-def]
    """Do what `_charge` does, in the case that subject k has place k."""
    for k in range(charges.shape[0]):
        charge, old = np.int64(charges[k]), np.int64(spent[k])
        fits = charge <= cap and old <= cap - charge
        spent[k] = np.uint32(old + charge if fits else old)
        active[k] = fits


@nb.njit(cache=True, nogil=True)
def _are_in_order(places):  # type: ignore[no-untyped-def]
    """Return whether every subject k has place k."""
    elsewhere = 0
    for k in range(len(places)):
        elsewhere += places[k] != np.uint32(k)
    return elsewhere == 0
