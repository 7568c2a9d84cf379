"""The mock data of a table as columns in subject order, in memory, as `subject_order` writes them for private tables.

The rows are public, so their order needs no key.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets import mock_files
from datasets.columns import ColumnPlan, ColumnStore, StoredColumn, numbers, stored

Offsets = npt.NDArray[np.int64]
Shared = Callable[[int], Offsets]
"""Maps the number of rows to the offsets at which each person's rows begin."""


def read(
    path: Path, subject: str, plans: list[ColumnPlan], *, most: int, shared: Shared | None = None
) -> ColumnStore:
    """Read the first `most` rows of mock data. Raises LookupError if a column is missing, OSError if the file is.

    `shared` assigns the rows to other people than the file does. Rows of mock data depend on each other only in columns
    that are constant, and of these a person has the value of their first row: so any row can be anybody's.
    """
    batch = mock_files.first_of(path, [subject, *(plan.name for plan in plans)], most)
    order, offsets = _by_subject(batch.column(subject))
    offsets = shared(len(order)) if shared else offsets
    leads = np.repeat(offsets[:-1], np.diff(offsets))
    columns = {plan.name: _column(batch.column(plan.name), plan, order, leads) for plan in plans}
    nobody = np.empty((0, 0), dtype=np.uint8)
    return ColumnStore(offsets=offsets, digests=nobody, listing=b"", columns=columns, texts={})


def _by_subject(ids: pa.Array) -> tuple[npt.NDArray[np.int64], Offsets]:
    """Return (row numbers in subject order, offset of each subject); rows without a subject are left out."""
    codes = np.asarray(ids.dictionary_encode().indices.fill_null(-1)).astype(np.int64)
    order = np.argsort(codes, kind="stable")[np.count_nonzero(codes < 0) :]
    sizes = np.bincount(codes[order])
    return order, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _column(
    values: pa.Array, plan: ColumnPlan, order: npt.NDArray[Any], leads: npt.NDArray[Any]
) -> StoredColumn:
    """Store a column in subject order. A constant one has its first value in every row; texts are only valid or not."""
    rows = order[leads] if plan.constant else order
    if plan.text:
        return StoredColumn(
            numbers=np.zeros(len(rows), stored(plan)), valid=np.asarray(values.is_valid())[rows]
        )
    found, valid = numbers(values, plan)
    return StoredColumn(numbers=found[rows], valid=valid[rows])
