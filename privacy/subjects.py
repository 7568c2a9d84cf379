"""The ledger per data subject: what each one has been charged, per scientist. As private as the rows themselves.

One LMDB environment a dataset, under the store. LMDB commits atomically with an fsync and admits one writer at a time
across processes: a transaction here is the dataset's linearised order. A process that dies at any instruction leaves
either the state before or the state after; since noise is drawn after `charge` has returned, a death costs budget
and never gives an answer away.

A subject is known by a keyed digest of its id, and keeps its place when a new revision is published. Values are
unsigned 32-bit units, CAP being the whole budget, so `spent <= cap - charge` cannot overflow.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import lmdb
import numba as nb
import numpy as np
import numpy.typing as npt

from common.errors import Conflict
from privacy.engine.contributions import CAP, Integers
from privacy.engine.evaluate import Bools

CHUNK = 65_536
MAP_SIZE = 1 << 40
DIGEST_BYTES = 16
Units = npt.NDArray[np.uint32]


class SubjectLedger:
    """Every subject's spent units. `folder` is created when missing (0700)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._env = lmdb.open(str(folder), map_size=MAP_SIZE, max_dbs=4, mode=0o600)
        self._units = self._env.open_db(b"units")
        self._places = self._env.open_db(b"places")
        self._listings = self._env.open_db(b"listings")
        self._facts = self._env.open_db(b"facts")

    def close(self) -> None:
        self._env.close()

    def places(self, digests: npt.NDArray[np.uint8]) -> Units:
        """Where each subject stands, new ones at the end. `digests`: shape (subjects, DIGEST_BYTES), all different.

        A listing is looked up one by one when it is new, and is known as a whole, by its hash, ever after.
        """
        name = hashlib.sha256(np.ascontiguousarray(digests).data).digest()
        with self._env.begin(db=self._listings, buffers=True) as txn:
            listed = txn.get(name)
            if listed is not None:
                return np.frombuffer(listed, dtype=np.uint32).copy()
        with self._env.begin(write=True) as txn:
            found = self._look_up(txn, digests)
            txn.put(name, found.tobytes(), db=self._listings)
        return found

    def _look_up(self, txn: "lmdb.Transaction", digests: npt.NDArray[np.uint8]) -> Units:
        found = np.empty(len(digests), dtype=np.uint32)
        count = txn.stat(self._places)["entries"]
        for k, digest in enumerate(digests):
            key = digest.tobytes()
            known = txn.get(key, db=self._places)
            if known is None:
                known = int(count).to_bytes(8, "little")
                txn.put(key, known, db=self._places)
                count += 1
            found[k] = int.from_bytes(known, "little")
        return found

    def last_line(self) -> int:
        """The newest ledger line whose charges are written here; 0 when there is none."""
        with self._env.begin(db=self._facts) as txn:
            return int.from_bytes(txn.get(b"last_line") or b"", "little")

    def charge(self, budget: UUID, places: Units, charges: Integers, *, line: int) -> Bools:
        """Charge subjects, each at its place, unless that passes its cap; who is charged takes part in the answer.

        Checks before it adds, and is on disk when it returns. Conflict when `line` is not newer than all before: a
        line is charged once.
        """
        active = np.zeros(len(places), dtype=np.bool_)
        with self._in_order(line) as txn:
            size = int(places.max()) + 1 if len(places) else 0
            spent = self._read(txn, budget, size)
            _charge(spent, places, charges, CAP, active)
            self._write(txn, budget, spent)
        return active

    def rescale(self, budget: UUID, numerator: int, denominator: int) -> None:
        """Change what a unit is worth: spent units times numerator / denominator, rounded up, at most CAP."""
        with self._env.begin(write=True, buffers=True) as txn:
            values, where = np.unique(self._read(txn, budget, 0), return_inverse=True)
            scaled = [min(CAP, -(-int(n) * numerator // denominator)) for n in values]
            self._write(txn, budget, np.array(scaled, dtype=np.uint32)[where])

    def spent(self, budget: UUID) -> Units:
        """Spent units of every subject that has a place, in order of places. For aggregates shown to the owner."""
        with self._env.begin(db=self._units, buffers=True) as txn:
            return self._read(txn, budget, 0)

    @contextmanager
    def _in_order(self, line: int) -> Iterator["lmdb.Transaction"]:
        with self._env.begin(write=True, buffers=True) as txn:
            last = int.from_bytes(txn.get(b"last_line", db=self._facts) or b"", "little")
            if line <= last:
                raise Conflict("This line of the ledger has been charged to the subjects already.")
            yield txn
            txn.put(b"last_line", line.to_bytes(8, "little"), db=self._facts)

    def _read(self, txn: "lmdb.Transaction", budget: UUID, size: int) -> Units:
        """A copy of a budget's units, at least `size` of them. The transaction must hand out buffers."""
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


@nb.njit(cache=True, nogil=True)
def _charge(spent, places, charges, cap, active):  # type: ignore[no-untyped-def]
    for k in range(places.shape[0]):
        place = places[k]
        charge = charges[k]
        if charge <= cap and spent[place] <= cap - charge:
            spent[place] += np.uint32(charge)
            active[k] = True
