"""Quantiles, distributions and histograms on mock rows: what the portal's searches find without noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weir import grammar as g
from weir.bounds import bounds
from weir.declarations import ColumnSpec, Kind, TableSpec
from weir.evaluation import Bools, Rows, Values, evaluate, holds
from weir.mock.caps import rows_that_count
from weir.mock.designs import scale_of
from weir.mock.rows import MockRows
from weir.mock.sums import ONE, REACH, counted_rows, people_of

Floats = npt.NDArray[np.float64]
EXACT_CELLS = 4096
SPREAD_CELLS = 3600
NUMBER = "number"
ROOTS_FROM = 18
"""The number of bins from which on the portal answers distributions by the square-root factor of prefix sums."""


@dataclass(frozen=True)
class Grid:
    """Where a search can end: in the values themselves if their decimals are declared and they are few."""

    lower: float
    upper: float
    decimals: int | None

    @property
    def cells(self) -> tuple[Floats, Floats]:
        """The smallest and the largest value of each cell."""
        if self.decimals is None:
            stops = np.linspace(self.lower, self.upper, SPREAD_CELLS + 1)[1:-1]
            begins = stops
        else:
            step = 10.0**self.decimals
            first, last = round(self.lower * step), round(self.upper * step)
            values = last - first + 1
            cells = max(2, values) if values <= EXACT_CELLS else SPREAD_CELLS
            places = np.array([first + values * k // cells for k in range(1, cells)], dtype=np.float64)
            stops, begins = (places - 1.0) / step, places / step
        ends = np.clip(np.concatenate([stops, [self.upper]]), self.lower, self.upper)
        return np.concatenate([[self.lower], begins]), ends

    def middle(self, begin: float, end: float) -> float:
        if self.decimals is None:
            return begin / 2 + end / 2
        step = 10.0**self.decimals
        return float((round(begin * step) + round(end * step)) // 2) / step


def quantiles(query: g.Query, data: MockRows) -> list[float | None]:
    """Return the quantiles that a search without noise finds."""
    measure, table = query.measure, data.rows.table
    if isinstance(measure, g.PersonQuantiles):
        values, grid = _by_person(measure, data, holds(query.where, data.rows))
        people, kept, rows = np.arange(data.people), np.ones(data.people, dtype=np.bool_), 1
        slack = 1 + 2.0**-29
    elif isinstance(measure, g.Quantiles):
        values, grid = _column(measure.of, data.rows), _grid(measure.of, table)
        people, rows = people_of(data), rows_that_count(query, table)
        kept, slack = counted_rows(data, holds(query.where, data.rows)), 1.0
    else:
        raise TypeError(type(measure).__name__)
    usable = kept & values.valid
    numbers = values.numbers[usable].astype(np.float64)
    clip = rows * max(max(share, 1 - share) for share in measure.at) * slack
    return [_quantile(share, grid, (numbers, people[usable]), clip) for share in measure.at]


def _quantile(
    share: float, grid: Grid, found: tuple[Floats, npt.NDArray[np.int64]], clip: float
) -> float | None:
    """Return the middle of the first cell at whose end enough rows are at or below: S >= 0, as the engine says."""
    numbers, people = found
    if not len(numbers):
        return None
    below, above = math.trunc((1 - share) * ONE / clip), math.trunc(-share * ONE / clip)
    begins, ends = grid.cells
    first, last = 0, len(ends) - 1
    while first < last:
        stop = (first + last) // 2
        each = np.bincount(people, weights=np.where(numbers <= ends[stop], below, above)).astype(np.int64)
        sizes = np.abs(each).astype(np.float64)
        scaled = np.trunc(each * np.divide(REACH, sizes, out=np.ones_like(sizes), where=sizes > REACH))
        first, last = (first, stop) if int(scaled.astype(np.int64).sum()) >= 0 else (stop + 1, last)
    return grid.middle(float(begins[first]), float(ends[first]))


def _column(of: g.Expression, rows: Rows) -> Values:
    return rows.columns[of.name] if isinstance(of, g.Column) else evaluate(of, rows)


def _grid(of: g.Expression, table: TableSpec) -> Grid:
    if not isinstance(of, g.Column):
        interval = bounds(of, table)
        return Grid(interval.lower, interval.upper, None)
    spec = table.columns[of.name]
    return Grid(float(spec.lower), float(spec.upper), spec.lattice)


def _by_person(measure: g.PersonQuantiles, data: MockRows, kept: Bools) -> tuple[Values, Grid]:
    """Return one number for each person: how many rows they have, or the sum of |x| over them."""
    table, most = data.rows.table, data.rows.table.max_rows
    whole = np.ones(data.rows.length, dtype=np.bool_)
    values = (
        Values(np.zeros(data.rows.length), whole) if measure.of is None else _column(measure.of, data.rows)
    )
    usable = counted_rows(data, kept & values.valid)
    people = people_of(data)[usable]
    counts = np.bincount(people, minlength=data.people)
    if measure.of is None:
        spec = ColumnSpec(name=NUMBER, kind=Kind.INTEGER, lower=1.0, upper=float(most))
        return Values(counts.astype(np.float64), counts > 0), Grid(spec.lower, spec.upper, spec.lattice)
    upper = bounds(measure.of, table).magnitude * most
    largest = upper / most or 1.0
    units = np.minimum(np.rint(np.abs(values.numbers[usable].astype(np.float64) * (ONE / largest))), ONE)
    sums = np.zeros(data.people, dtype=np.int64)
    np.add.at(sums, people, units.astype(np.int64))
    return Values(np.clip(sums * (largest / ONE), 0.0, upper), counts > 0), Grid(0.0, upper, None)


# Distributions and histograms


def distribution(query: g.Query, data: MockRows) -> tuple[Floats, Floats]:
    """Return (upper ends of the bins, share of the rows at or below each); shares are NaN without rows."""
    measure = query.measure
    if not isinstance(measure, g.Distribution):
        raise TypeError(type(measure).__name__)
    scale = scale_of(bounds(measure.of, data.rows.table), measure.of)
    values = evaluate(measure.of, data.rows)
    low, width = scale.middle - scale.half, 2 * scale.half
    place = np.clip(np.floor((values.numbers - low) * (measure.bins / width)), 0, measure.bins - 1)
    factor = _factor(measure.bins)
    counts = _counts(query, data, values, place, factor)
    prefixes = np.cumsum(counts)
    edges = low + width * np.arange(1, measure.bins + 1) / measure.bins
    shares = prefixes / prefixes[-1] if prefixes[-1] >= 0.5 else np.full(measure.bins, np.nan)
    return edges, shares


def histogram(query: g.Query, data: MockRows) -> Floats:
    """Return the number of rows between neighbouring edges; the last bin contains its upper edge."""
    measure = query.measure
    if not isinstance(measure, g.Histogram):
        raise TypeError(type(measure).__name__)
    values, edges = evaluate(measure.of, data.rows), np.asarray(measure.edges)
    inside = values.valid & (values.numbers >= edges[0]) & (values.numbers <= edges[-1])
    place = np.clip(np.searchsorted(edges, values.numbers, side="right") - 1.0, 0.0, len(edges) - 2.0)
    own = np.append(1.0, np.zeros(len(edges) - 2))
    return _counts(query, data, Values(values.numbers, inside), place, own)


def _factor(bins: int) -> Floats:
    """Return what a row in the first bin adds to it and to those after it."""
    if bins < ROOTS_FROM:
        return np.append(1.0, np.zeros(bins - 1))
    k = np.arange(1, bins)
    return np.append(1.0, np.cumprod((2 * k - 1) / (2 * k)))


def _counts(query: g.Query, data: MockRows, values: Values, place: Floats, factor: Floats) -> Floats:
    """Return the rows in each bin, people whose vector is longer than the clip scaled down."""
    usable = counted_rows(data, values.valid & holds(query.where, data.rows))
    people, bins = people_of(data)[usable], place[usable].astype(np.int64)
    clip = rows_that_count(query, data.rows.table) * float(np.linalg.norm(factor))
    width = len(factor)
    each = np.bincount(people * width + bins, minlength=data.people * width)
    each = each.reshape(data.people, width).astype(np.float64)
    long = np.flatnonzero(each.sum(axis=1) * np.linalg.norm(factor) > clip)
    for person in long:
        norm = float(np.linalg.norm(np.convolve(each[person], factor)[: len(factor)]))
        each[person] *= min(1.0, clip / norm)
    return np.asarray(each.sum(axis=0), dtype=np.float64)
