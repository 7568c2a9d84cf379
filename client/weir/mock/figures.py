"""From sums to figures, in the form in which the portal stores an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import numpy.typing as npt

from weir import grammar as g
from weir.declarations import TableSpec
from weir.mock.designs import KAPPA, Design, Scale

Floats = npt.NDArray[np.float64]
Pairs = list[tuple[str, Any]]
COUNTS = {"count", "n"}
FEWEST = 1.0 - 1e-6
"""A ratio needs at least this many rows."""
CLEAR = 1e-8
"""How far the least eigenvalue of a matrix of mean products must be from 0."""


def result(by: Sequence[str], keys: Sequence[Sequence[str]], lines: Sequence[Pairs]) -> dict[str, Any]:
    """Return figures as the portal's JSON has them, without intervals."""
    return {
        "by": list(by),
        "lines": [
            {
                "key": list(key),
                "figures": [{"name": name, "value": value, "half_width": None} for name, value in line],
            }
            for key, line in zip(keys, lines, strict=True)
        ],
    }


def number(value: float) -> str:
    """Write a number without decimals where it has none."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def of_sums(
    query: g.Query, design: Design, sums: Floats, table: TableSpec, *, whole: bool = False
) -> dict[str, Any]:
    """Return the figures of each group. `sums`: shape (groups, coordinates).

    `whole`: numbers of rows are whole, because nobody was scaled down. Sums are in units so small that rounding
    restores them.
    """
    keys = list(product(*(table.columns[name].groups for name in query.by)))
    lines = [_line(query.measure, design, row) for row in sums]
    if whole:
        lines = [
            [(name, float(np.rint(value)) if name in COUNTS else value) for name, value in line]
            for line in lines
        ]
    return result(query.by, keys, lines)


def _line(measure: g.Measure, design: Design, row: Floats) -> Pairs:
    if isinstance(measure, (g.Count, g.CountSubjects)):
        return [("count", float(row[0]))]
    if isinstance(measure, g.Sum):
        return [("sum", float(row[0]))]
    if isinstance(measure, g.Mean):
        return [("mean", _mean(design.scales[0], row)), ("n", float(row[-1]) / KAPPA)]
    if isinstance(measure, g.Variance):
        return [("variance", _variance(design.scales[0], row)), ("n", float(row[-1]) / KAPPA)]
    if isinstance(measure, g.StandardDeviation):
        variance = _variance(design.scales[0], row)
        root = None if variance is None else math.sqrt(variance)
        return [("standard_deviation", root), ("n", float(row[-1]) / KAPPA)]
    return _fit(measure, design, row)


def _mean(scale: Scale, row: Floats) -> float | None:
    n = float(row[1]) / KAPPA
    if n < FEWEST:
        return None
    return scale.middle + scale.half * min(1.0, max(-1.0, float(row[0]) / n))


def _variance(scale: Scale, row: Floats) -> float | None:
    n = float(row[2]) / KAPPA
    if n < FEWEST:
        return None
    a, b = float(row[0]) / n, float(row[1]) / n
    return scale.half**2 * max(0.0, b - a * a)


def _fit(measure: g.Measure, design: Design, row: Floats) -> Pairs:
    size = len(design.scales) + 1
    gram = np.zeros((size, size))
    for value, (i, j) in zip(row, combinations_with_replacement(range(size), 2), strict=True):
        gram[i, j] = gram[j, i] = value / (1.0 if i == j else math.sqrt(2))
    if isinstance(measure, g.Regression):
        return _coefficients(measure, design, gram)
    name = "correlation" if isinstance(measure, g.Correlation) else "covariance"
    if gram[0, 0] < FEWEST:
        return [(name, None)]
    mean = gram[0, 1:] / gram[0, 0]
    (xx, xy), (_, yy) = gram[1:, 1:] / gram[0, 0] - np.outer(mean, mean)
    if isinstance(measure, g.Covariance):
        return [(name, float(xy) * design.scales[0].half * design.scales[1].half)]
    if min(xx, yy) < CLEAR:
        return [(name, None)]
    return [(name, float(np.clip(xy / math.sqrt(xx * yy), -1, 1)))]


def _coefficients(measure: g.Regression, design: Design, gram: Floats) -> Pairs:
    names = ("intercept", *measure.names)
    a, b = gram[:-1, :-1], gram[:-1, -1]
    if gram[0, 0] < FEWEST or np.linalg.eigvalsh(a)[0] < CLEAR * gram[0, 0]:
        return [(name, None) for name in names]
    beta = np.linalg.inv(a) @ b
    *xs, y = design.scales
    units = np.diag([y.half, *(y.half / x.half for x in xs)])
    units[0, 1:] = [-y.half / x.half * x.middle for x in xs]
    real = units @ beta
    real[0] += y.middle
    return [(name, float(value)) for name, value in zip(names, real, strict=True)]
