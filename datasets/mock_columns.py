"""The mock of a table as columns in subject order, in memory: made as `ordering` makes those of the private table, out
of public rows. No key is needed: nobody's order is to be kept from anybody."""

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
"""How many rows there are -> where each person begins."""


def read(
    path: Path, subject: str, plans: list[ColumnPlan], *, most: int, shared: Shared | None = None
) -> ColumnStore:
    """The first `most` rows of a mock. LookupError when a column is not there, OSError when the file is not.

    `shared`: how the rows are given to other people than those in the file. Rows of a mock do not depend on each other,
    so that any of them may be anybody's.
    """
    batch = mock_files.first_of(path, [subject, *(plan.name for plan in plans)], most)
    order, offsets = _by_subject(batch.column(subject))
    offsets = shared(len(order)) if shared else offsets
    leads = np.repeat(offsets[:-1], np.diff(offsets))
    columns = {plan.name: _column(batch.column(plan.name), plan, order, leads) for plan in plans}
    nobody = np.empty((0, 0), dtype=np.uint8)
    return ColumnStore(offsets=offsets, digests=nobody, listing=b"", columns=columns, texts={})


def _by_subject(ids: pa.Array) -> tuple[npt.NDArray[np.int64], Offsets]:
    """(rows in the order of their subjects, where each subject begins); rows without a subject are left out."""
    codes = np.asarray(ids.dictionary_encode().indices.fill_null(-1)).astype(np.int64)
    order = np.argsort(codes, kind="stable")[np.count_nonzero(codes < 0) :]
    sizes = np.bincount(codes[order])
    return order, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _column(
    values: pa.Array, plan: ColumnPlan, order: npt.NDArray[Any], leads: npt.NDArray[Any]
) -> StoredColumn:
    """A constant column has its first value in every row. Texts are there or missing: no number is made of them."""
    rows = order[leads] if plan.constant else order
    if plan.text:
        return StoredColumn(
            numbers=np.zeros(len(rows), stored(plan)), valid=np.asarray(values.is_valid())[rows]
        )
    found, valid = numbers(values, plan)
    return StoredColumn(numbers=found[rows], valid=valid[rows])
