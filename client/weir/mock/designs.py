"""What each row adds to an answer, and how far one person can move it: as the portal plans it, to the last bit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

from weir import grammar as g
from weir.bounds import bounds
from weir.declarations import TableSpec
from weir.intervals import Interval
from weir.mock.caps import groups_of_a_person, rows_that_count

KAPPA = math.sqrt(0.5)
"""The weight of the number of rows beside a sum."""
SUM, ANY, MEAN = range(3)
"""How the rows of a person become that person's numbers in a group: their sum, the first row alone, or their mean."""


@dataclass(frozen=True)
class Scale:
    """An expression moved and scaled to [-1, 1]."""

    of: g.Expression
    middle: float
    half: float

    @property
    def unit(self) -> g.Expression:
        return g.Binary("/", g.Binary("-", self.of, g.Constant(self.middle)), g.Constant(self.half))


@dataclass(frozen=True)
class Design:
    """What a row adds (`coordinates`) and the longest vector of a person (`clip`)."""

    coordinates: tuple[g.Expression, ...]
    clip: float
    mode: int = SUM
    scales: tuple[Scale, ...] = ()


def sums(query: g.Query, table: TableSpec) -> Design:
    """Return the design of a question that is answered from sums over rows."""
    measure, rows = query.measure, rows_that_count(query, table)
    reach = math.sqrt(min(rows, groups_of_a_person(query.by, table)))
    if isinstance(measure, g.Count):
        return Design((g.Constant(1.0),), float(rows))
    if isinstance(measure, g.CountSubjects):
        return Design((g.Constant(1.0),), reach, ANY)
    if isinstance(measure, g.Sum):
        most = bounds(measure.of, table).magnitude * rows
        return Design((measure.of,), most if most > 0 else 1.0)
    if isinstance(measure, g.Mean):
        scale = scale_of(bounds(measure.of, table), measure.of)
        many = reach if measure.per_subject else float(rows)
        mode = MEAN if measure.per_subject else SUM
        return Design((scale.unit, g.Constant(KAPPA)), many * math.sqrt(1 + KAPPA**2), mode, (scale,))
    if isinstance(measure, (g.Variance, g.StandardDeviation)):
        scale = scale_of(bounds(measure.of, table), measure.of)
        coordinates = (scale.unit, g.Power(scale.unit, 2), g.Constant(KAPPA))
        return Design(coordinates, rows * math.sqrt(2 + KAPPA**2), SUM, (scale,))
    return _gram(measure, rows, table)


def _gram(measure: g.Measure, rows: int, table: TableSpec) -> Design:
    """The upper half of the matrix of products of (1, x, …, y), each scaled to [-1, 1]."""
    if isinstance(measure, g.Regression):
        parts: tuple[g.Expression, ...] = (*measure.features, measure.target)
    elif isinstance(measure, (g.Correlation, g.Covariance)):
        parts = (measure.x, measure.y)
    else:
        raise TypeError(type(measure).__name__)
    scales = tuple(scale_of(bounds(part, table), part) for part in parts)
    z: tuple[g.Expression, ...] = (g.Constant(1.0), *(scale.unit for scale in scales))
    root = g.Constant(math.sqrt(2))
    coordinates = tuple(
        g.Binary("*", a, b) if a is b else g.Binary("*", root, g.Binary("*", a, b))
        for a, b in combinations_with_replacement(z, 2)
    )
    return Design(coordinates, float(rows * len(z)), SUM, scales)


def scale_of(interval: Interval, of: g.Expression) -> Scale:
    """Return the scale of an expression with these bounds."""
    middle, half = interval.lower / 2 + interval.upper / 2, interval.upper / 2 - interval.lower / 2
    return Scale(of, middle, half if half > 0 else 1.0)
