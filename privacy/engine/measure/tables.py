"""Count people in the cells of tables over parts of columns. Each person counts with one row: their first kept one.

Everything here is comparisons and integers: which cell a person is in depends on that person's rows alone, to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numba as nb
import numpy as np
import numpy.typing as npt

from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import PART, Bools, Rows

Parts: TypeAlias = npt.NDArray[np.int16]
Pair: TypeAlias = tuple[int, int | None]
"""The columns of a table: two, or one and None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How a column's values fall into parts: at the inner edges of a number, or by their stored code, below `values`.

    `missing`: whether a part after these stands for a missing value. Without it, such rows are in no cell.
    """

    name: str
    values: int
    inner: npt.NDArray[np.float64] | None
    missing: bool

    @property
    def many(self) -> int:
        return self.values + self.missing


def first_rows(offsets: Integers, kept: Bools) -> Integers:
    """Return each person's first kept row, -1 for none. Shape (people,). `kept` (rows,), or empty for all."""
    first = np.empty(len(offsets) - 1, dtype=np.int64)
    _first_rows(offsets, kept, first)
    return first


def count(rows: Rows, people: Integers, columns: Sequence[Column], tables: Sequence[Pair]) -> list[Integers]:
    """Return how many people are in each cell of each table. Shapes (parts,) or (parts, parts).

    `people`: the row with which each of them counts.
    """
    shapes = [
        (columns[one].many,) if other is None else (columns[one].many, columns[other].many)
        for one, other in tables
    ]
    starts = np.concatenate([[0], np.cumsum([np.prod(shape) for shape in shapes])]).astype(np.int64)
    layout = np.array(
        [
            (one, -1 if other is None else other, 0 if other is None else columns[other].many)
            for one, other in tables
        ],
        dtype=np.int64,
    )
    counts = np.zeros(starts[-1], dtype=np.int64)
    for begin in range(0, len(people), PART):
        chosen = people[begin : begin + PART]
        parts = np.empty((len(columns), len(chosen)), dtype=np.int16)
        for place, column in enumerate(columns):
            parts[place] = part_of(rows, chosen, column)
        _count(parts, layout, starts, counts)
    return [
        counts[start:end].reshape(shape)
        for start, end, shape in zip(starts[:-1], starts[1:], shapes, strict=True)
    ]


def part_of(rows: Rows, chosen: Integers, column: Column) -> Parts:
    """Return the part of each chosen row, -1 for none. Shape as `chosen`."""
    stored = rows.columns[column.name]
    numbers: npt.NDArray[Any] = stored.numbers[chosen]
    if column.inner is None:
        parts = np.clip(numbers.astype(np.int64), 0, column.values - 1).astype(np.int16)
    else:
        parts = np.searchsorted(column.inner, numbers, side="right").astype(np.int16)
    if not len(stored.valid):
        return parts
    return np.where(stored.valid[chosen], parts, np.int16(column.values if column.missing else -1))


@nb.njit(cache=True, nogil=True)
def _first_rows(offsets, kept, first):  # type: ignore[no-untyped-def]
    for person in range(len(first)):
        begin = offsets[person]
        end = min(offsets[person + 1], begin + MAX_ROWS_PER_SUBJECT)
        first[person] = -1
        for row in range(end - 1, begin - 1, -1):
            if len(kept) == 0 or kept[row]:
                first[person] = row


@nb.njit(cache=True, nogil=True)
def _count(parts, layout, starts, counts):  # type: ignore[no-untyped-def]
    """Add 1 to the cell that each person is in, table by table: a table's counts stay in the processor's cache."""
    for table in range(len(layout)):
        one, other, width = layout[table]
        for person in range(parts.shape[1]):
            cell = np.int64(parts[one, person])
            if cell < 0:
                continue
            if other >= 0:
                beside = np.int64(parts[other, person])
                if beside < 0:
                    continue
                cell = cell * width + beside
            counts[starts[table] + cell] += 1
