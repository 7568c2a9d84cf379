"""The one way from rows to an answer: measure, charge, add noise, post-process.

The order matters. `measure` computes each subject's contribution and its squared norm; the caller charges it, durably;
only then `Measured.release` draws noise. What follows the noise is post-processing: it reads noisy integers and public
numbers alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from privacy.engine import figures
from privacy.engine.contributions import ONE, SUM, Codes, Contributions, Integers, contribute, to_units
from privacy.engine.designs import SEARCH_STEPS, Design, Scale, design
from privacy.engine.evaluate import EVERYWHERE, Bools, Rows, Values, evaluate, holds
from privacy.engine.expressions import Binary, Column, Constant
from privacy.engine.figures import Answer
from privacy.engine.kernels import add_counts, add_grouped, add_keys, add_rows, add_signs
from privacy.engine.mechanisms import add_noise, threshold
from privacy.engine.queries import Distribution, KeyCounts, Quantiles, Query
from privacy.engine.schema import QueryRefused

_NO_NUMBERS = np.empty(0, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows sorted by subject. `offsets` (subjects + 1,): rows of subject i are offsets[i]:offsets[i+1]."""

    rows: Rows
    offsets: Integers

    @property
    def subjects(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a query reads off a table, before it is charged. Private until `release` has added noise.

    `squares` (subjects,): the squared norm in units of each subject's vector, at most ONE**2, for every release.
    """

    squares: Integers
    release: Callable[[int, Bools | None], Answer]
    """(sigma in units, which subjects take part or None for all) -> the noisy answer."""


def measure(query: Query, table: Table, *, threshold_delta: float = 0.0) -> Measured:
    """Read a checked query off a table. QueryRefused, before any row is read, when the declarations forbid it.

    `threshold_delta`: the part of the promise's delta that a query over unknown keys may use.
    """
    plan = design(query, table.rows.table)
    kept = None if query.where is None else holds(query.where, table.rows)
    match query.measure:
        case Quantiles(_, at):
            return _search(plan, at, kept, table)
        case KeyCounts(column, most):
            return _by_unknown_keys(column, most, kept, table, threshold_delta)
        case Distribution(_, bins):
            return _histogram(plan, bins, kept, table)
        case _:
            return _vector(query, plan, kept, table)


def _vector(query: Query, plan: Design, kept: Bools | None, table: Table) -> Measured:
    collect = _fused(plan, kept, table) or _general(plan, kept, table)
    everybody = collect(None)

    def release(sigma: int, active: Bools | None) -> Answer:
        total = everybody.total if active is None else collect(active).total
        return figures.of_vector(query, plan, add_noise(total, sigma), sigma)

    return Measured(squares=everybody.squares, release=release)


Collect: TypeAlias = Callable[[Bools | None], Contributions]
"""Which subjects take part (None: all) -> their contributions."""


def _general(plan: Design, kept: Bools | None, table: Table) -> Collect:
    """Any coordinates: a number a row first, then the sums."""
    values = [evaluate(coordinate, table.rows) for coordinate in plan.coordinates]
    usable = np.logical_and.reduce([_all_rows(kept, table), *(value.valid for value in values)])
    cells = _cells(plan, usable, table.rows)
    units = np.column_stack([to_units(value.numbers, plan.clip) for value in values])

    def collect(active: Bools | None) -> Contributions:
        return contribute(table.offsets, cells, units, size=plan.cells, mode=plan.mode, active=active)

    return collect


def _fused(plan: Design, kept: Bools | None, table: Table) -> Collect | None:
    """Counts, sums and means of a column in at most one group: one compiled pass. None for other shapes."""
    shape = _affine(plan)
    if plan.mode != SUM or len(plan.groups) > 1 or shape is None:
        return None
    column, slope, shift, weight = shape
    x = table.rows.columns[column] if column else Values(_NO_NUMBERS, EVERYWHERE)
    numbers = (slope * ONE / plan.clip, shift * ONE / plan.clip, round(weight * ONE / plan.clip))
    keep = EVERYWHERE if kept is None else kept
    width = len(plan.coordinates)

    def collect(active: Bools | None) -> Contributions:
        total = np.zeros((plan.cells, width), dtype=np.int64)
        squares = np.empty(table.subjects, dtype=np.int64)
        flags = EVERYWHERE if active is None else active
        if plan.groups:
            key = table.rows.columns[plan.groups[0].column]
            codes = (key.numbers, key.valid)
            if not column:
                add_counts(table.offsets, keep, *codes, numbers[2], flags, total, squares)
            else:
                add_grouped(table.offsets, keep, *codes, x.numbers, x.valid, *numbers, flags, total, squares)
        else:
            add_rows(table.offsets, keep, x.numbers, x.valid, *numbers, flags, total, squares)
        return Contributions(total, squares)

    return collect


def _affine(plan: Design) -> tuple[str, float, float, float] | None:
    """(column, slope, shift, weight) of coordinates (slope x + shift[, weight]) or (weight); None for others."""
    match plan.coordinates:
        case (Constant(weight),):
            return "", 0.0, 0.0, weight
        case (Column(name),):
            return name, 1.0, 0.0, 0.0
        case (Binary("/", Binary("-", Column(name), Constant(middle)), Constant(half)), Constant(weight)):
            return name, 1 / half, -middle / half, weight
        case _:
            return None


def _all_rows(kept: Bools | None, table: Table) -> Bools:
    return np.broadcast_to(np.True_, table.rows.length) if kept is None else kept


def _cells(plan: Design, usable: Bools, rows: Rows) -> Codes:
    """The output cell of each row, -1 where the row is left out. Shape (rows,)."""
    cells = np.zeros(rows.length, dtype=np.int64)
    for group in plan.groups:
        found = rows.column(group.column)
        usable = usable & found.valid
        cells = cells * len(group.labels) + found.numbers.astype(np.int64)
    return np.where(usable, cells, -1).astype(np.int32)


def _by_unknown_keys(column: str, most: int, kept: Bools | None, table: Table, delta: float) -> Measured:
    if delta <= 0:
        raise QueryRefused("This dataset does not tell values that are not declared.")
    found = table.rows.columns[column]
    texts = table.rows.texts(column)
    keep = EVERYWHERE if kept is None else kept

    def collect(active: Bools | None) -> Contributions:
        total, squares = np.zeros(len(texts), dtype=np.int64), np.empty(table.subjects, dtype=np.int64)
        flags = EVERYWHERE if active is None else active
        add_keys(table.offsets, keep, found.numbers, found.valid, most, flags, total, squares)
        return Contributions(total, squares)

    everybody = collect(None)

    def release(sigma: int, active: Bools | None) -> Answer:
        total = everybody.total if active is None else collect(active).total
        bar = threshold(sigma, most, delta)
        # Noise lifts a key by ten sigma once in 10^23: those further below the bar need no draw.
        near = np.flatnonzero(total > bar - 10 * sigma)
        noisy = add_noise(total[near], sigma) if len(near) else total[near]
        told = [(texts[int(k)], int(n)) for k, n in zip(near, noisy, strict=True) if n >= bar]
        return figures.of_keys(told, sigma)

    return Measured(squares=everybody.squares, release=release)


def _histogram(plan: Design, bins: int, kept: Bools | None, table: Table) -> Measured:
    scale = plan.scales[0]
    values = evaluate(scale.of, table.rows)
    position = np.floor((values.numbers - (scale.middle - scale.half)) * (bins / (2 * scale.half)))
    cells = np.where(_all_rows(kept, table) & values.valid, np.clip(position, 0, bins - 1), -1).astype(
        np.int32
    )
    units = to_units(np.ones((len(cells), 1)), plan.clip)

    def collect(active: Bools | None) -> Contributions:
        return contribute(table.offsets, cells, units, size=bins, mode=plan.mode, active=active)

    everybody = collect(None)

    def release(sigma: int, active: Bools | None) -> Answer:
        total = everybody.total if active is None else collect(active).total
        return figures.of_distribution(scale, plan, add_noise(total, sigma), sigma)

    return Measured(squares=everybody.squares, release=release)


def _search(plan: Design, at: tuple[float, ...], kept: Bools | None, table: Table) -> Measured:
    """Noisy binary search by signed counts (privacy by composition of its Gaussian steps).

    A step at threshold v adds to each row (1 - q) if its value is at most v, otherwise -q, and halves towards the
    side that the noisy total points to. A step's vector is never longer than that of the row weights max(q, 1 - q),
    which does not depend on v; that bound is what is charged for every step.
    """
    match plan.scales[0].of:
        case Column(name):
            values = table.rows.columns[name]
        case expression:
            values = evaluate(expression, table.rows)
    keep = EVERYWHERE if kept is None else kept
    usable = values.valid if kept is None else kept & _valid(values, table)
    bound = np.empty(table.subjects, dtype=np.int64)
    weight = math.ceil(_weight(plan) * ONE / plan.clip)
    none = np.zeros((1, 1), dtype=np.int64)
    add_rows(table.offsets, usable, _NO_NUMBERS, EVERYWHERE, 0.0, 0.0, weight, EVERYWHERE, none, bound)

    def search(share: float, sigma: int, active: Bools | None) -> float:
        below, above = (math.trunc(v * ONE / plan.clip) for v in (1 - share, -share))
        flags = EVERYWHERE if active is None else active

        def signed_count(threshold: float) -> int:
            found = add_signs(
                table.offsets, keep, values.numbers, values.valid, threshold, below, above, flags
            )
            return int(add_noise(np.array([found]), sigma)[0])

        return _halve(plan.scales[0], signed_count)

    def release(sigma: int, active: Bools | None) -> Answer:
        return figures.of_quantiles(at, [search(share, sigma, active) for share in at])

    return Measured(squares=bound, release=release)


def _weight(plan: Design) -> float:
    """The largest step a row can make: max(q, 1 - q) over the shares that are asked for."""
    coordinate = plan.coordinates[0]
    return coordinate.value if isinstance(coordinate, Constant) else 1.0


def _valid(values: Values, table: Table) -> Bools:
    return values.valid if len(values.valid) else np.broadcast_to(np.True_, table.rows.length)


def _halve(scale: Scale, signed_count: Callable[[float], int]) -> float:
    lower, upper = scale.middle - scale.half, scale.middle + scale.half
    for _ in range(SEARCH_STEPS):
        middle = lower / 2 + upper / 2
        lower, upper = (lower, middle) if signed_count(middle) >= 0 else (middle, upper)
    return lower / 2 + upper / 2


def table_from_columns(rows: Rows, offsets: Integers) -> Table:
    """A table as the engine reads it; ValueError when the offsets do not cover the rows."""
    if offsets[0] != 0 or offsets[-1] != rows.length or np.any(np.diff(offsets) < 0):
        raise ValueError("The offsets do not cover the rows.")
    return Table(rows=rows, offsets=offsets)
