"""Sums of what people add, in whole units, each person's vector scaled down to the clip where it is longer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from weir import grammar as g
from weir.declarations import MOST_ROWS
from weir.evaluation import Bools, Rows, evaluate, holds
from weir.mock.designs import ANY, MEAN, Design
from weir.mock.rows import Integers, MockRows

ONE = 2**30
"""Units of a vector as long as the clip."""
REACH = ONE * (1 - 2.0**-40)


def counted_rows(data: MockRows, kept: Bools) -> Bools:
    """Return which rows can count: those that pass the condition among the first 4096 of a person."""
    place = np.arange(data.rows.length) - np.repeat(data.offsets[:-1], np.diff(data.offsets))
    return kept & (place < MOST_ROWS)


def people_of(data: MockRows) -> Integers:
    """Return the number of the person that each row is about."""
    return np.repeat(np.arange(data.people), np.diff(data.offsets))


def cells_of(by: tuple[str, ...], rows: Rows) -> tuple[Integers, Bools, int]:
    """Return the group of each row, whether it is in one, and how many groups there are."""
    cells, known, size = np.zeros(rows.length, dtype=np.int64), np.ones(rows.length, dtype=np.bool_), 1
    for name in by:
        found, spec = rows.columns[name], rows.table.columns[name]
        first, many = 0 if spec.is_key else int(spec.lower), len(spec.groups)
        cells, size = cells * many + found.numbers.astype(np.int64) - first, size * many
        known = known & found.valid
    return cells, known, size


def total(query: g.Query, design: Design, data: MockRows) -> tuple[Integers, int]:
    """Return the sums of each group, shape (groups, coordinates), and how many people were scaled down."""
    values = [evaluate(coordinate, data.rows) for coordinate in design.coordinates]
    cells, usable, size = cells_of(query.by, data.rows)
    for value in values:
        usable = usable & value.valid
    usable = counted_rows(data, usable & holds(query.where, data.rows))
    scaled = [
        np.nan_to_num(value.numbers[usable], posinf=0.0, neginf=0.0) * (ONE / design.clip) for value in values
    ]
    units = np.column_stack(
        [np.rint(np.clip(each, -float(ONE), float(ONE))).astype(np.int64) for each in scaled]
    )
    return _added(people_of(data)[usable], cells[usable], units, (size, design.mode))


def _added(
    people: Integers, cells: Integers, units: Integers, shape: tuple[int, int]
) -> tuple[Integers, int]:
    size, mode = shape
    pairs, first, place = np.unique(people * size + cells, return_index=True, return_inverse=True)
    # A person's groups in the order in which their rows first meet them: sums of floats depend on it.
    rank = np.argsort(np.argsort(first, kind="stable"), kind="stable")
    pairs, place = pairs[np.argsort(first, kind="stable")], rank[place.reshape(-1)]
    vectors = units[np.sort(first)] if mode == ANY else _sums(units, place, len(pairs))
    if mode == MEAN:
        many = np.bincount(place, minlength=len(pairs))[:, None]
        vectors = np.sign(vectors) * (np.abs(vectors) // np.maximum(many, 1))
    vectors, clipped = _clipped(vectors, pairs // size)
    return _sums(vectors, pairs % size, size), clipped


def _sums(rows: Integers, place: Integers, places: int) -> Integers:
    """Add up the rows of each place. Column by column, which NumPy does eight times as fast."""
    found = np.zeros((places, rows.shape[1]), dtype=np.int64)
    for column, values in zip(found.T, rows.T, strict=True):
        np.add.at(column, place, values)
    return found


def _clipped(vectors: Integers, people: Integers) -> tuple[Integers, int]:
    """Scale each person's vector down to the clip, toward zero, where it is longer. Returns how many were longer."""
    width = vectors.shape[1]
    squares = vectors.astype(np.float64).reshape(-1)
    norms = (
        np.sqrt(np.bincount(np.repeat(people, width), weights=squares * squares))
        if len(people)
        else np.zeros(0)
    )
    long = norms > REACH
    factors = np.divide(REACH, norms, out=np.ones_like(norms), where=long)
    shortened = np.trunc(vectors * factors[people][:, None]).astype(np.int64)
    return np.where(long[people][:, None], shortened, vectors), int(
        np.count_nonzero(norms > ONE * (1 + 1e-9))
    )


def in_units_of_the_answer(found: Integers, clip: float) -> npt.NDArray[np.float64]:
    """Return sums in units as sums in the answer's own units."""
    return found.astype(np.float64) * (clip / ONE)
