"""The one way from rows to an answer: measure, charge, add noise, post-process.

The order matters. `measure` computes each subject's contribution and its squared norm; the caller charges it, durably;
only then `Measured.release` draws noise. What follows the noise is post-processing: it reads noisy integers and public
numbers alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from privacy.engine import figures
from privacy.engine.contributions import Codes, Contributions, Integers, contribute, to_units
from privacy.engine.designs import SEARCH_STEPS, Design, Scale, design
from privacy.engine.evaluate import Bools, Rows, evaluate, holds
from privacy.engine.figures import Answer
from privacy.engine.mechanisms import add_noise
from privacy.engine.queries import Distribution, Quantiles, Query


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


def measure(query: Query, table: Table) -> Measured:
    """Read a checked query off a table. QueryRefused, before any row is read, when the declarations forbid it."""
    plan = design(query, table.rows.table)
    kept = holds(query.where, table.rows)
    match query.measure:
        case Quantiles(_, at):
            return _search(plan, at, kept, table)
        case Distribution(_, bins):
            return _histogram(plan, bins, kept, table)
        case _:
            return _vector(query, plan, kept, table)


def _vector(query: Query, plan: Design, kept: Bools, table: Table) -> Measured:
    values = [evaluate(coordinate, table.rows) for coordinate in plan.coordinates]
    usable = np.logical_and.reduce([kept, *(value.valid for value in values)])
    cells = _cells(plan, usable, table.rows)
    units = np.column_stack([to_units(value.numbers, plan.clip) for value in values])

    def collect(active: Bools | None) -> Contributions:
        return contribute(table.offsets, cells, units, size=plan.cells, mode=plan.mode, active=active)

    everybody = collect(None)

    def release(sigma: int, active: Bools | None) -> Answer:
        total = everybody.total if active is None else collect(active).total
        return figures.of_vector(query, plan, add_noise(total, sigma), sigma)

    return Measured(squares=everybody.squares, release=release)


def _cells(plan: Design, usable: Bools, rows: Rows) -> Codes:
    """The output cell of each row, -1 where the row is left out. Shape (rows,)."""
    cells = np.zeros(rows.length, dtype=np.int64)
    for group in plan.groups:
        found = rows.columns[group.column]
        usable = usable & found.valid
        cells = cells * len(group.labels) + found.numbers.astype(np.int64)
    return np.where(usable, cells, -1).astype(np.int32)


def _histogram(plan: Design, bins: int, kept: Bools, table: Table) -> Measured:
    scale = plan.scales[0]
    values = evaluate(scale.of, table.rows)
    position = np.floor((values.numbers - (scale.middle - scale.half)) * (bins / (2 * scale.half)))
    cells = np.where(kept & values.valid, np.clip(position, 0, bins - 1), -1).astype(np.int32)
    units = to_units(np.ones((len(cells), 1)), plan.clip)

    def collect(active: Bools | None) -> Contributions:
        return contribute(table.offsets, cells, units, size=bins, mode=plan.mode, active=active)

    everybody = collect(None)

    def release(sigma: int, active: Bools | None) -> Answer:
        total = everybody.total if active is None else collect(active).total
        return figures.of_distribution(scale, plan, add_noise(total, sigma), sigma)

    return Measured(squares=everybody.squares, release=release)


def _search(plan: Design, at: tuple[float, ...], kept: Bools, table: Table) -> Measured:
    """Noisy binary search by signed counts (privacy by composition of its Gaussian steps).

    A step at threshold v adds to each row (1 - q) if its value is at most v, otherwise -q, and halves towards the
    side that the noisy total points to. A step's vector is never longer than that of the row weights max(q, 1 - q),
    which does not depend on v; that bound is what is charged for every step.
    """
    values = evaluate(plan.scales[0].of, table.rows)
    cells = np.where(kept & values.valid, 0, -1).astype(np.int32)
    weights = to_units(evaluate(plan.coordinates[0], table.rows).numbers, plan.clip)[:, None]
    bound = contribute(table.offsets, cells, weights, size=1, mode=plan.mode)

    def search(share: float, sigma: int, active: Bools | None) -> float:
        def signed_count(threshold: float) -> int:
            signed = to_units(np.where(values.numbers <= threshold, 1 - share, -share), plan.clip)[:, None]
            found = contribute(table.offsets, cells, signed, size=1, mode=plan.mode, active=active)
            return int(add_noise(found.total, sigma)[0, 0])

        return _halve(plan.scales[0], signed_count)

    def release(sigma: int, active: Bools | None) -> Answer:
        return figures.of_quantiles(at, [search(share, sigma, active) for share in at])

    return Measured(squares=bound.squares, release=release)


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
