"""Quantiles: a noisy binary search over the possible values, with an interval from the same noisy counts.

The quantile at a share q is the smallest value v for which S(v) = (1 - q) rows at most v - q rows above v is not
negative. S never falls, so few steps are enough to find v: each step takes one stop, adds fresh noise to S there, and
continues on the side that the noisy count points to. All steps are paid for, and everything released is read off their
noisy counts.

The interval. Let z = Phi^-1(1 - 0.05 / steps). The quantile is reported to lie above the last stop whose noisy count is
below -z sigma, and at or below the last one whose noisy count is above +z sigma. That is wrong only if some stop at or
above the quantile (S >= 0) has a noisy count below -z sigma, or one below it (S < 0) a count above +z sigma. The steps
before decide which stop a step takes; given those, its noise is fresh, so either happens with a probability of at most
1 - Phi(z) = 0.05 / steps. By the union bound the interval contains the quantile in 95 % of the cases, whatever the
data. The same bound holds for the rank: to leave the quantile on the wrong side of a stop whose S is z sigma away from
0, the noise of that step must be larger than z sigma.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from common import decimal_grid
from privacy.engine.language.bounds import Interval, bounds
from privacy.engine.language.expressions import Column, Expression
from privacy.engine.language.schema import Kind, QueryRefused, TableSpec
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import Floats
from privacy.engine.measure.mechanisms import add_noise
from privacy.engine.measure.ranks import Ranks

MOST_STEPS = 12
MOST_CELLS = 2**MOST_STEPS
UNEVEN = 0.45
SPREAD_CELLS = 3600
"""Cells if values do not have a cell each: fewer than MOST_STEPS could separate, so that steps need not halve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where a search can end: in one of `cells` cells between `lower` and `upper`.

    With `decimals`, values are numbers with at most that many decimals, like both ends. If there are at most MOST_CELLS
    of them, each has its own cell. Such cells are computed in whole numbers over 10**decimals, so that every stop is
    exactly one of these numbers.
    """

    lower: float
    upper: float
    decimals: int | None

    @property
    def _first(self) -> int:
        """For a grid with decimals: the place of its first number."""
        return decimal_grid.place(self.lower, self.decimals or 0)

    @property
    def _values(self) -> int:
        return decimal_grid.place(self.upper, self.decimals or 0) - self._first + 1

    @property
    def _begins(self) -> Floats:
        """For a grid with decimals: the place of the first number of each cell but the first."""
        first, values, cells = self._first, self._values, self.cells
        return np.array([first + values * k // cells for k in range(1, cells)], dtype=np.float64)

    @property
    def cells(self) -> int:
        exact = self.decimals is not None and self._values <= MOST_CELLS
        return max(2, self._values) if exact else SPREAD_CELLS

    @property
    def steps(self) -> int:
        """How many steps separate one cell from all others."""
        return int(self.cells - 1).bit_length()

    @property
    def stops(self) -> Floats:
        """The largest value of each cell but the last. Shape (cells - 1,)."""
        if self.decimals is None:
            return np.linspace(self.lower, self.upper, self.cells + 1)[1:-1]
        return decimal_grid.at(self._begins - 1.0, self.decimals)

    @property
    def half_cell(self) -> float:
        """How far a value may lie from the one released for its cell; 0 if the cell has only one."""
        if self.decimals is None:
            return (self.upper - self.lower) / self.cells / 2
        return decimal_grid.at(float(-(-self._values // self.cells) // 2), self.decimals)

    @property
    def edges(self) -> tuple[Floats, Floats]:
        """The smallest and the largest value of each cell. Shapes (cells,)."""
        stops = self.stops
        begins = stops if self.decimals is None else decimal_grid.at(self._begins, self.decimals)
        ends = np.clip(np.concatenate([stops, [self.upper]]), self.lower, self.upper)
        return np.concatenate([[self.lower], begins]), ends

    def middle(self, begin: float, end: float) -> float:
        """Return the value released for the cell with these edges: the middle one, or the lower of two."""
        if self.decimals is None:
            return begin / 2 + end / 2
        first, last = (decimal_grid.place(each, self.decimals) for each in (begin, end))
        return decimal_grid.at(float((first + last) // 2), self.decimals)


def span(of: Expression, table: TableSpec) -> Interval:
    """Return the bounds of an expression's quantiles; for a date column, days since 1970. Raises QueryRefused."""
    if isinstance(of, Column) and (spec := table.column(of.name)).kind == Kind.DATE:
        if spec.lattice is None:
            raise QueryRefused(
                f"The declared bounds of “{spec.name}” are not calendar dates. Ask the owner to correct them."
            )
        return Interval(spec.lower, spec.upper)
    return bounds(of, table)


def grid_of(of: Expression, table: TableSpec) -> Grid:
    """Return the grid for an expression: the column's own values if its decimals are known. Raises QueryRefused.

    The decimals of whole numbers and of dates are always known.
    """
    found = span(of, table)
    decimals = table.column(of.name).lattice if isinstance(of, Column) else None
    return Grid(lower=found.lower, upper=found.upper, decimals=decimals)


def certain(steps: int) -> float:
    """Return z = Phi^-1(1 - 0.05 / steps): in 95 % of searches no step is more than z sigma off to the wrong side."""
    return -NormalDist().inv_cdf(0.05 / steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The value where a search ended, and the closed interval that contains the quantile in 95 % of the cases.

    `clear`: the largest of its noisy counts, in standard deviations of the noise.
    """

    value: float
    low: float
    high: float
    clear: float


def search(
    grid: Grid, signs: tuple[int, int], sigma: int, ranks: Ranks, unsure: float | None = None
) -> SearchResult:
    """Run one search. `signs`: what a row adds at or below a stop, and above it. `ranks`: made for the grid's stops.

    `unsure`: how far from 0 a noisy count must lie to tell the side; by default, z sigma.

    All steps are taken, wherever the noise leads: once one cell is left, the remaining steps narrow the interval.
    """
    certainly, clear = certain(grid.steps) * sigma if unsure is None else unsure, 0
    first, last = low, high = 0, grid.cells - 1
    for left in reversed(range(grid.steps)):
        stop = _stop((first, last), (low, high), 2**left)
        noisy = _noisy(ranks.signed_count(stop, *signs), sigma)
        clear = max(clear, abs(noisy))
        if first < last:
            first, last = (first, stop) if noisy >= 0 else (stop + 1, last)
        high = stop if noisy > certainly and stop >= first else high
        low = stop + 1 if noisy < -certainly and stop < first else low
    begins, ends = grid.edges
    return SearchResult(
        value=grid.middle(float(begins[first]), float(ends[first])),
        low=float(begins[low]),
        high=float(ends[high]),
        clear=clear / sigma,
    )


def _stop(left: tuple[int, int], interval: tuple[int, int], most: int) -> int:
    """Choose the stop of a step: among the cells that are left, with at most `most` on either side.

    Rather fewer than half of them lie before it: medians often lie in the middle of the bounds, and a count taken there
    stands out on neither side. Once one cell is left: the middle of the longer side of the interval, seen from it.
    """
    (first, last), (low, high) = left, interval
    cells = last - first + 1
    if cells > 1:
        return first + max(cells - most, min(most, round(UNEVEN * cells))) - 1
    if high - first > first - low:
        return (first + high) // 2
    return (low + first - 1) // 2 if first > low else max(0, first - 1)


def _noisy(count: int, sigma: int) -> int:
    total: Integers = np.array([count], dtype=np.int64)
    return int(add_noise(total, sigma)[0])
