"""The only way from rows to released figures: measure, charge, add noise, post-process.

The order matters. `measure` computes each subject's contribution and its squared norm; the caller charges it durably;
only then does `Measured.release` draw noise. Everything after the noise is post-processing: it reads only noisy
integers and public numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from privacy.engine import figures, fit_release, table_release
from privacy.engine.figures import Figures
from privacy.engine.language.expressions import Binary, Column, Constant
from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import Distribution, KeyCounts, PersonQuantiles, Quantiles, Query
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure.bins import bins_of, codes_of, equal_parts
from privacy.engine.measure.contributions import (
    FREE,
    ONE,
    SUM,
    Codes,
    Integers,
    charge_all,
    contribute,
    price_of,
    to_units,
)
from privacy.engine.measure.evaluate import (
    EVERYWHERE,
    Bools,
    Rows,
    Values,
    evaluate,
    kept_rows,
    parts_of,
)
from privacy.engine.measure.kernels import (
    add_counts,
    add_grouped,
    add_keys,
    add_rows,
    add_sizes,
    is_ascending,
)
from privacy.engine.measure.mechanisms import add_noise, threshold
from privacy.engine.measure.prefixes import add_bins, add_steps, steps_of
from privacy.engine.measure.ranks import Ranks
from privacy.engine.plan.designs import Design, design
from privacy.engine.plan.persons import one_row_per_person
from privacy.engine.plan.searches import Grid, search

_NO_NUMBERS = np.empty(0, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedTable:
    """Rows sorted by subject. `offsets` (subjects + 1,): rows of subject i are offsets[i]:offsets[i+1].

    `digests` (subjects, 16): the subjects' keyed digests, which models need.
    """

    rows: Rows
    offsets: Integers
    digests: npt.NDArray[np.uint8] | None = None

    @property
    def subjects(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a query measures on a table, before it is charged. Private until `release` has added noise.

    `spent` (subjects,): each subject's charge for all releases together. If measured without a worst case: the squared
    norm of each subject's vector in units, at most ONE**2, the same for every release.
    """

    spent: npt.NDArray[Any]
    priced: bool
    release: Callable[[int, Bools | None], Figures]
    """(sigma in units, which subjects take part or None for all) -> the noisy figures."""
    totals: Callable[[Bools | None], Integers] | None = None
    """(which subjects take part or None for all) -> the exact sums, shape (cells, width), that `release` adds noise to
    all at once. None where noise is drawn in several steps."""

    @property
    def squares(self) -> Integers:
        """Squared norms. Raises ValueError if measured with a price."""
        if self.priced:
            raise ValueError("This was measured with a price: it holds charges.")
        return self.spent

    @property
    def charges(self) -> npt.NDArray[Any]:
        """Charges. Raises ValueError if measured without a price."""
        if not self.priced:
            raise ValueError("This was measured without a price: it holds squared norms.")
        return self.spent


@dataclass(frozen=True, slots=True, kw_only=True)
class _TableQuery:
    """One query on one table."""

    plan: Design
    table: SortedTable
    kept: Bools
    """Rows that the filter keeps, or EVERYWHERE."""
    price: tuple[int, int]

    def zeros(self, cells: int, width: int) -> tuple[Integers, npt.NDArray[Any]]:
        """Return arrays for the total, of zeros, and for the charges, which need half the memory as 32 bits."""
        kind = np.int64 if self.price == FREE else np.uint32
        return np.zeros((cells, width), dtype=np.int64), np.empty(self.table.subjects, dtype=kind)

    def kept_codes(self, codes: Codes, first: int, last: int) -> Codes:
        """Return the cells of the rows of these subjects, -1 where the filter leaves a row out."""
        if not len(self.kept):
            return codes
        begin, end = self.table.offsets[first], self.table.offsets[last]
        return np.where(self.kept[begin:end], codes, np.int32(-1))


def measure(
    query: Query, table: SortedTable, *, worst_case: int | None = None, threshold_delta: float = 0.0
) -> Measured:
    """Measure a query on a table. Raises QueryRefused, before reading any row, if the declarations forbid it.
    `worst_case`: the charge of a contribution as long as the clip, for each release. `threshold_delta`: the part of the
    promise's delta that a query on undeclared values may use.
    """
    plan = design(query, table.rows.table)
    price = FREE if worst_case is None else price_of(worst_case, plan.releases)
    asked = _TableQuery(plan=plan, table=table, kept=kept_rows(query.where, table.rows), price=price)
    match query.measure:
        case Quantiles(_, at) if plan.grid is not None:
            return _search(at, plan.grid, asked)
        case PersonQuantiles(_, at) if plan.grid is not None:
            return _search(at, plan.grid, _by_person(query.measure, asked))
        case KeyCounts(column, most):
            return _by_unknown_keys(column, most, asked, threshold_delta)
        case Distribution(_, bins):
            return _sums(query, asked, _distribution(bins, asked))
        case SyntheticTable() if plan.tables is not None:
            people = (table.rows, table.offsets, asked.kept)
            spent, draw = table_release.of_people(plan.tables, *people, price)
            return Measured(spent=spent, priced=price != FREE, release=draw)
        case Fit() if plan.model is not None:
            if table.digests is None:
                raise ValueError("A model needs the digests of the people.")
            known = (table.rows, table.offsets, asked.kept, table.digests)
            fit = fit_release.on_rows(query.measure, plan.model, *known)
            return Measured(spent=fit.charges(price), priced=price != FREE, release=fit.release)
        case _:
            return _sums(query, asked, _vector(asked))


def exact_sums(query: Query, table: SortedTable) -> Integers:
    """Return the clipped sums over all people without noise, for mock tables only (engine.trials).

    Shape (cells, width). Raises QueryRefused if the declarations forbid the query.
    """
    plan = design(query, table.rows.table)
    asked = _TableQuery(plan=plan, table=table, kept=kept_rows(query.where, table.rows), price=FREE)
    total, _ = _general(asked, plan.cells, len(plan.coordinates), partial(_placed, plan))(None)
    return total


Collect: TypeAlias = Callable[[Bools | None], tuple[Integers, npt.NDArray[Any]]]
"""(which subjects take part, None for all) -> (sum of their clipped vectors, charge of each subject)."""


def _measured(
    asked: _TableQuery, collect: Collect, to_figures: Callable[[Integers, int], Figures]
) -> Measured:
    """Collect once over all subjects. `to_figures`: (exact total, sigma) -> the noisy figures."""
    everybody, spent = collect(None)

    def totals(active: Bools | None) -> Integers:
        return everybody if active is None else collect(active)[0]

    def release(sigma: int, active: Bools | None) -> Figures:
        return to_figures(totals(active), sigma)

    return Measured(spent=spent, priced=asked.price != FREE, release=release, totals=totals)


def _sums(query: Query, asked: _TableQuery, collect: Collect) -> Measured:
    plan = asked.plan
    return _measured(
        asked, collect, lambda total, sigma: figures.of_sums(query, plan, add_noise(total, sigma), sigma)
    )


def _vector(asked: _TableQuery) -> Collect:
    plan = asked.plan
    return _fused(asked) or _general(asked, plan.cells, len(plan.coordinates), partial(_placed, plan))


def _general(
    asked: _TableQuery, cells: int, width: int, place: Callable[[Rows], tuple[Codes, Integers]]
) -> Collect:
    """Sum any coordinates, part by part: first a cell and a vector for each row (`place`), then the sums."""
    offsets, mode = asked.table.offsets, asked.plan.mode

    def collect(active: Bools | None) -> tuple[Integers, npt.NDArray[Any]]:
        total, spent = asked.zeros(cells, width)
        for first, last in parts_of(offsets):
            rows = asked.table.rows.part(int(offsets[first]), int(offsets[last]))
            codes, units = place(rows)
            found = contribute(
                offsets[first : last + 1] - offsets[first],
                asked.kept_codes(codes, first, last),
                units,
                size=cells,
                mode=mode,
                active=None if active is None else active[first:last],
            )
            total += found.total
            charge_all(found.squares, asked.price, spent[first:last])
        return total, spent

    return collect


def _placed(plan: Design, rows: Rows) -> tuple[Codes, Integers]:
    """Return the cell of each row, -1 if a value is missing, and what the row adds there."""
    values = [evaluate(coordinate, rows) for coordinate in plan.coordinates]
    usable = np.logical_and.reduce([value.valid for value in values])
    units = np.column_stack([to_units(value.numbers, plan.clip) for value in values])
    return _cells(plan, usable, rows), units


def _fused(asked: _TableQuery) -> Collect | None:
    """Sum counts, sums and means of a column by at most one key in one compiled pass. None for other shapes."""
    plan, table, keep, price = asked.plan, asked.table, asked.kept, asked.price
    shape = _affine(plan)
    keys = len(plan.groups) + (plan.bins is not None)
    if plan.mode != SUM or keys > 1 or shape is None:
        return None
    key = _only_key(plan, table.rows) if keys else None
    column, slope, shift, weight = shape
    x = table.rows.columns[column] if column else Values(_NO_NUMBERS, EVERYWHERE)
    numbers = (slope * ONE / plan.clip, shift * ONE / plan.clip, round(weight * ONE / plan.clip))

    def collect(active: Bools | None) -> tuple[Integers, npt.NDArray[Any]]:
        total, spent = asked.zeros(plan.cells, len(plan.coordinates))
        out = (price, EVERYWHERE if active is None else active, total, spent)
        if key is not None:
            codes = (key.numbers, key.valid)
            if not column:
                add_counts(table.offsets, keep, *codes, numbers[2], *out)
            else:
                add_grouped(table.offsets, keep, *codes, x.numbers, x.valid, *numbers, *out)
        elif not column and len(keep) == 0:
            add_sizes(table.offsets, numbers[2], *out)
        else:
            add_rows(table.offsets, keep, x.numbers, x.valid, *numbers, *out)
        return total, spent

    return collect


def _only_key(plan: Design, rows: Rows) -> Values:
    """Return the code of each row, for a query with one key."""
    if plan.bins:
        return bins_of(plan.bins.of, plan.bins.edges, rows)
    (group,) = plan.groups
    return codes_of(rows.columns[group.column], group.first, len(group.labels))


def _affine(plan: Design) -> tuple[str, float, float, float] | None:
    """Return (column, slope, shift, weight) of coordinates (slope x + shift[, weight]) or (weight); None for others."""
    match plan.coordinates:
        case (Constant(weight),):
            return "", 0.0, 0.0, weight
        case (Column(name),):
            return name, 1.0, 0.0, 0.0
        case (Binary("/", Binary("-", Column(name), Constant(middle)), Constant(half)), Constant(weight)):
            return name, 1 / half, -middle / half, weight
        case _:
            return None


def _cells(plan: Design, usable: Bools, rows: Rows) -> Codes:
    """Return the output cell of each row, -1 where the row is left out. Shape (rows,)."""
    cells = np.zeros(rows.length, dtype=np.int64)
    keys = [(rows.column(group.column), group.first, len(group.labels)) for group in plan.groups]
    if plan.bins:
        keys.append((bins_of(plan.bins.of, plan.bins.edges, rows), 0, plan.bins.many))
    for values, first, many in keys:
        found = codes_of(values, first, many)
        usable = usable & found.valid
        cells = cells * many + found.numbers.astype(np.int64)
    return np.where(usable, cells, -1).astype(np.int32)


def _by_unknown_keys(column: str, most: int, asked: _TableQuery, delta: float) -> Measured:
    if delta <= 0:
        raise QueryRefused("This dataset does not release undeclared values.")
    table = asked.table
    found = table.rows.columns[column]
    texts = table.rows.texts(column)

    def collect(active: Bools | None) -> tuple[Integers, npt.NDArray[Any]]:
        total, spent = asked.zeros(len(texts), 1)
        out = (asked.price, EVERYWHERE if active is None else active, total[:, 0], spent)
        add_keys(table.offsets, asked.kept, found.numbers, found.valid, most, *out)
        return total, spent

    def to_figures(total: Integers, sigma: int) -> Figures:
        counts, bar = total[:, 0], threshold(sigma, most, delta)
        # Only keys that somebody counts with are candidates: the threshold allows for the few that one person counts
        # with, not for the thousands that one person may have. Noise lifts a key by ten sigma once in 10^23, so keys
        # further below the threshold need no draw.
        near = np.flatnonzero((counts > 0) & (counts > bar - 10 * sigma))
        noisy = add_noise(counts[near], sigma) if len(near) else counts[near]
        told = [(texts[int(k)], int(n)) for k, n in zip(near, noisy, strict=True) if n >= bar]
        return figures.of_keys(told)

    return replace(_measured(asked, collect, to_figures), totals=None)  # how many keys there are is private


def _distribution(bins: int, asked: _TableQuery) -> Collect:
    plan, table, offsets = asked.plan, asked.table, asked.table.offsets
    scale, steps = plan.scales[0], steps_of(bins, plan.clip)

    def collect(active: Bools | None) -> tuple[Integers, npt.NDArray[Any]]:
        total, spent = asked.zeros(1, bins)
        seen = np.zeros(bins, dtype=np.int64)
        for first, last in parts_of(offsets):
            rows = table.rows.part(int(offsets[first]), int(offsets[last]))
            codes = asked.kept_codes(equal_parts(scale.of, scale.middle, scale.half, bins, rows), first, last)
            flags = EVERYWHERE if active is None else active[first:last]
            out = (asked.price, flags, total[0], seen, spent[first:last])
            add_steps(offsets[first : last + 1] - offsets[first], codes, steps.column, steps.products, *out)
        add_bins(total[0], seen, steps.column)
        return total, spent

    return collect


def _search(at: tuple[float, ...], grid: Grid, asked: _TableQuery) -> Measured:
    """Run noisy binary searches on signed counts (private by composition of their Gaussian steps).

    A step at threshold v adds to each row (1 - q) if its value is at most v, otherwise -q. A step's vector is never
    longer than that of the row weights max(q, 1 - q), which does not depend on v; that bound is what is charged for
    every step.
    """
    plan, table, keep = asked.plan, asked.table, asked.kept
    of = plan.scales[0].of
    values = table.rows.columns[of.name] if isinstance(of, Column) else evaluate(of, table.rows)
    weight = math.ceil(_weight(plan) * ONE / plan.clip)
    total, bound = asked.zeros(1, 1)
    out = (asked.price, EVERYWHERE, total, bound)
    if len(keep) == 0 and len(values.valid) == 0:
        add_sizes(table.offsets, weight, *out)
    else:
        add_rows(table.offsets, keep, _NO_NUMBERS, values.valid, 0.0, 0.0, weight, *out)

    def release(sigma: int, active: Bools | None) -> Figures:
        flags = EVERYWHERE if active is None else active
        ranks = Ranks(table.offsets, keep, values, grid.stops, weight, flags)
        signs = [
            (math.trunc((1 - share) * ONE / plan.clip), math.trunc(-share * ONE / plan.clip)) for share in at
        ]
        return figures.of_quantiles(at, [search(grid, pair, sigma, ranks) for pair in signs])

    return Measured(spent=bound, priced=asked.price != FREE, release=release)


def _by_person(measure_: PersonQuantiles, asked: _TableQuery) -> _TableQuery:
    """Turn a question about people into one about a table with one row per person."""
    table = asked.table
    rows = one_row_per_person(measure_, table.rows, table.offsets, asked.kept)
    offsets = np.arange(table.subjects + 1, dtype=np.int64)
    return replace(asked, table=SortedTable(rows=rows, offsets=offsets), kept=EVERYWHERE)


def _weight(plan: Design) -> float:
    """Return the most that a row can add in a step: max(q, 1 - q) over the requested shares."""
    coordinate = plan.coordinates[0]
    return coordinate.value if isinstance(coordinate, Constant) else 1.0


def table_from_columns(
    rows: Rows, offsets: Integers, digests: npt.NDArray[np.uint8] | None = None
) -> SortedTable:
    """Build a table from columns sorted by subject. Raises ValueError if the offsets do not cover the rows."""
    if offsets[0] != 0 or offsets[-1] != rows.length or not is_ascending(offsets):
        raise ValueError("The offsets do not cover the rows.")
    return SortedTable(rows=rows, offsets=offsets, digests=digests)
