"""From noisy integers to figures with intervals. All of this is post-processing: no row can be reached from here."""

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise, product
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Distribution,
    Histogram,
    Mean,
    Query,
    Regression,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.sql_text import number
from privacy.engine.measure.contributions import ONE, Integers
from privacy.engine.measure.evaluate import Floats
from privacy.engine.measure.prefixes import steps_of
from privacy.engine.plan.designs import KAPPA, Design, Scale
from privacy.engine.plan.pricing import Z95
from privacy.engine.plan.searches import SearchResult

# A ratio is released only if its noisy denominator is at least this many standard deviations of its noise.
CLEAR = 5.0
UP_TO = "at most"
"""Name of the key of a distribution's lines."""
BIN = ("at least", "below")
"""Names of the keys of a histogram's lines. The last bin includes its upper end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with half the width of its 95 % interval; None if it is lost in the noise.

    An interval that is not symmetric around the number is given by its ends instead.
    """

    name: str
    value: float | None
    half_width: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureLine:
    """The figures of one group. `key`: the group's labels."""

    key: tuple[str, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures that are released, a line per group. `by`: the names of the keys."""

    by: tuple[str, ...]
    lines: tuple[FigureLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFigures(Figures):
    """A synthetic table: the shares of each column's parts as lines, and the model that rows are drawn from.

    `table`, ready for JSON: `people` and half the width of its interval (`people_error`), `focus`, `columns`
    (plan.tables.ColumnParts), `root` with the `shares` of its parts, `tree` in drawing order (parent, the column beside
    it or None, child, and the shares of the child's parts given theirs, of shape (parent's parts, child's) or
    (parent's, beside's, child's)), and for all `pairs` of columns their association, measured and kept.
    """

    table: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures(Figures):
    """A model: its weights as lines, and in `model`, as JSON values, all that predicts and how good it is."""

    model: dict[str, Any]


def shape_of(query: Query, plan: Design) -> tuple[int, int]:
    """Return (cells, width) of the sums that such a query is answered from."""
    if isinstance(query.measure, Distribution):
        return 1, query.measure.bins
    return plan.cells, len(plan.coordinates)


def of_sums(query: Query, plan: Design, noisy: Integers, sigma: float) -> Figures:
    """Return the figures of a query that is answered from noisy sums. `noisy`: shape (cells, width).

    `sigma`: the standard deviation of the noise on each of them, in units.
    """
    if isinstance(query.measure, Distribution):
        steps = steps_of(query.measure.bins, plan.clip)
        return of_distribution(plan.scales[0], steps.back, noisy, sigma)
    return of_vector(query, plan, noisy, sigma)


def of_vector(query: Query, plan: Design, noisy: Integers, sigma: float) -> Figures:
    """Return the figures of a query whose cells hold noisy sums. `noisy`: shape (cells, width)."""
    sums: Floats = noisy.astype(np.float64) * (plan.clip / ONE)
    sd = sigma * (plan.clip / ONE)
    by, keys = _keys(plan)
    lines = [
        FigureLine(key=key, figures=_line(query, plan, row, sd)) for key, row in zip(keys, sums, strict=True)
    ]
    return Figures(by=by, lines=tuple(lines))


def _keys(plan: Design) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the names of the keys, and the keys of all lines in order."""
    by = tuple(group.column for group in plan.groups)
    groups = product(*(group.labels for group in plan.groups))
    if plan.bins is None:
        return by, list(groups)
    bins = list(pairwise(map(number, plan.bins.edges)))
    return (*by, *BIN), [(*group, *ends) for group in groups for ends in bins]


def _line(query: Query, plan: Design, row: Floats, sd: float) -> tuple[Figure, ...]:
    match query.measure:
        case Count() | CountSubjects() | Histogram():
            return (Figure(name="count", value=float(row[0]), half_width=Z95 * sd),)
        case Sum():
            return (Figure(name="sum", value=float(row[0]), half_width=Z95 * sd),)
        case Mean():
            return (_mean(plan.scales[0], row, sd), _count(row[-1], sd))
        case Variance():
            return (_variance(plan.scales[0], row, sd), _count(row[-1], sd))
        case StandardDeviation():
            return (_standard_deviation(plan.scales[0], row, sd), _count(row[-1], sd))
        case Covariance():
            return (_covariance(plan.scales, row, sd), _count(row[-1], sd))
        case Regression() | Correlation():
            return _fit(query.measure, plan, row, sd)
        case _:
            raise TypeError(f"{type(query.measure).__name__} is not answered from sums.")


def _count(weighted: float, sd: float) -> Figure:
    return Figure(name="n", value=float(weighted) / KAPPA, half_width=Z95 * sd / KAPPA)


def _mean(scale: Scale, row: Floats, sd: float) -> Figure:
    """m + h KAPPA S / N; the interval by the delta method on the noisy ratio."""
    s, n = float(row[0]), float(row[1]) / KAPPA
    if n < CLEAR * sd / KAPPA or n < 1:
        return Figure(name="mean", value=None, half_width=None)
    ratio = min(1.0, max(-1.0, s / n))
    half = Z95 * scale.half * sd / n * math.sqrt(1 + (ratio / KAPPA) ** 2)
    return Figure(name="mean", value=scale.middle + scale.half * ratio, half_width=half)


def _variance(scale: Scale, row: Floats, sd: float) -> Figure:
    """h^2 (S2/N - (S1/N)^2), by the delta method with gradient (-2 a/n, 1/n, (2 a^2 - b)/(KAPPA n))."""
    n = float(row[2]) / KAPPA
    if n < CLEAR * sd / KAPPA or n < 1:
        return Figure(name="variance", value=None, half_width=None)
    a, b = float(row[0]) / n, float(row[1]) / n
    gradient = math.sqrt(4 * a * a + 1 + ((2 * a * a - b) / KAPPA) ** 2) / n
    value = scale.half**2 * max(0.0, b - a * a)
    return Figure(name="variance", value=value, half_width=Z95 * scale.half**2 * sd * gradient)


def _standard_deviation(scale: Scale, row: Floats, sd: float) -> Figure:
    """sqrt(v), with half the interval from sqrt(v - w) to sqrt(v + w) where v +- w is the interval of the variance.

    The delta method alone, w / (2 sqrt(v)), is too narrow where the variance is near 0.
    """
    variance = _variance(scale, row, sd)
    if variance.value is None or variance.half_width is None:
        return Figure(name="standard_deviation", value=None, half_width=None)
    root = math.sqrt(variance.value)
    below = root - math.sqrt(max(0.0, variance.value - variance.half_width))
    above = math.sqrt(variance.value + variance.half_width) - root
    return Figure(name="standard_deviation", value=root, half_width=max(below, above))


def _covariance(scales: tuple[Scale, ...], row: Floats, sd: float) -> Figure:
    """h_x h_y (S_xy/N - S_x S_y/N^2), by the delta method with gradient (-b, -a, 1, (2 a b - c)/KAPPA)/n."""
    n = float(row[3]) / KAPPA
    if n < CLEAR * sd / KAPPA or n < 1:
        return Figure(name="covariance", value=None, half_width=None)
    a, b, c = (float(total) / n for total in row[:3])
    gradient = math.hypot(a, b, 1.0, (2 * a * b - c) / KAPPA) / n
    unit = scales[0].half * scales[1].half
    value = unit * min(1.0, max(-1.0, c - a * b))
    return Figure(name="covariance", value=value, half_width=Z95 * unit * sd * gradient)


def of_distribution(scale: Scale, back: Floats, noisy: Integers, sigma: float) -> Figures:
    """Return the shares at or below each bin's upper end, made to rise.

    `back` (bins, bins): from noisy units to prefix sums.

    The interval of a share s is that of the noise of `prefix - s x total`, by the delta method. Isotonic regression is
    the nearest rising sequence: no further from the exact shares than the noisy ones, neither in the sum of squares
    nor at the bin where it is furthest (Yang and Barber, Contraction and uniform convergence of isotonic regression,
    2019).
    """
    prefixes: Floats = back @ noisy[0]
    total, bins = float(prefixes[-1]), len(prefixes)
    edges = scale.middle - scale.half + 2 * scale.half * np.arange(1, bins + 1) / bins
    keys = [(f"{edge:.6g}",) for edge in edges]
    if total < CLEAR * sigma * float(np.linalg.norm(back[-1])):
        untold = (Figure(name="share", value=None, half_width=None),)
        return Figures(by=(UP_TO,), lines=tuple(FigureLine(key=key, figures=untold) for key in keys))
    shares = isotonic_regression(np.clip(prefixes / total, 0.0, 1.0)).x
    widths = Z95 * sigma / total * np.linalg.norm(back - np.outer(shares, back[-1]), axis=1)
    lines = [
        FigureLine(key=key, figures=(Figure(name="share", value=float(share), half_width=float(width)),))
        for key, share, width in zip(keys, shares, widths, strict=True)
    ]
    return Figures(by=(UP_TO,), lines=tuple(lines))


def of_keys(keys: list[tuple[str, int]]) -> Figures:
    """Return the keys whose noisy counts passed the threshold, the largest first.

    Without intervals: people with several values count with only some of them, and only counts that came out large are
    released.
    """
    lines = [
        FigureLine(
            key=(key.replace("\0", "\N{REPLACEMENT CHARACTER}"),),
            figures=(Figure(name="count", value=noisy / ONE, half_width=None),),
        )
        for key, noisy in sorted(keys, key=lambda pair: (-pair[1], pair[0]))
    ]
    return Figures(by=("value",), lines=tuple(lines))


def of_quantiles(at: tuple[float, ...], found: list[SearchResult]) -> Figures:
    """Return the values where the searches ended, put in order.

    None if no count stood clear of the noise, for example because there are hardly any rows. An interval is widened to
    contain the value that ordering assigns to it.
    """
    told = [k for k in range(len(at)) if found[k].clear >= CLEAR]
    values = sorted(found[k].value for k in told)
    ordered = dict(zip(sorted(told, key=lambda k: at[k]), values, strict=True))
    lines = [
        FigureLine(key=(f"{share:g}",), figures=(_quantile(ordered.get(k), found[k]),))
        for k, share in enumerate(at)
    ]
    return Figures(by=("share",), lines=tuple(lines))


def _quantile(value: float | None, found: SearchResult) -> Figure:
    if value is None:
        return Figure(name="quantile", value=None, half_width=None)
    low, high = min(found.low, value), max(found.high, value)
    return Figure(name="quantile", value=value, half_width=None, low=low, high=high)


def _fit(measure: Regression | Correlation, plan: Design, row: Floats, sd: float) -> tuple[Figure, ...]:
    size = len(plan.scales) + 1
    gram = np.zeros((size, size))
    for value, (i, j) in zip(row, combinations_with_replacement(range(size), 2), strict=True):
        gram[i, j] = gram[j, i] = value / (1.0 if i == j else math.sqrt(2))
    if isinstance(measure, Correlation):
        return (_correlation(gram, sd),)
    return _coefficients(measure, plan, gram, sd)


def _correlation(gram: Floats, sd: float) -> Figure:
    """c_xy / sqrt(c_xx c_yy) with the delta method over all six noisy numbers."""
    untold = Figure(name="correlation", value=None, half_width=None)
    n = gram[0, 0]
    if n < CLEAR * sd:
        return untold
    mean = gram[0, 1:] / n
    covariance = gram[1:, 1:] / n - np.outer(mean, mean)
    # The gradients of c_xx, c_xy and c_yy by (n, S_x, S_y, S_xx, S_xy, S_yy), times the spread of each over n.
    (x, y), ((xx, xy), (_, yy)) = mean, covariance
    gradients = np.array(
        [[x * x - xx, -2 * x, 0, 1, 0, 0], [x * y - xy, -y, -x, 0, 1, 0], [y * y - yy, 0, -2 * y, 0, 0, 1]]
    ) * (sd / n * np.sqrt([1, 0.5, 0.5, 1, 0.5, 1]))
    spread = np.linalg.norm(gradients, axis=1)
    if xx < CLEAR * spread[0] or yy < CLEAR * spread[2]:
        return untold
    scale = math.sqrt(xx * yy)
    value = float(np.clip(xy / scale, -1, 1))
    half = Z95 * float(np.linalg.norm([-xy / scale / xx / 2, 1 / scale, -xy / scale / yy / 2] @ gradients))
    return Figure(name="correlation", value=value, half_width=half)


def _coefficients(measure: Regression, plan: Design, gram: Floats, sd: float) -> tuple[Figure, ...]:
    """Least squares on the noisy Gram matrix, if all its eigenvalues stand clear of the noise.

    Intervals cover the noise alone, to first order: d beta = A^-1 (d b - d A beta), with one covariance matrix,
    converted into the units of the data.
    """
    names = ("intercept", *measure.names)
    a, b = gram[:-1, :-1], gram[:-1, -1]
    if np.linalg.eigvalsh(a)[0] < CLEAR * sd:
        return tuple(Figure(name=name, value=None, half_width=None) for name in names)
    inverse = np.linalg.inv(a)
    beta = inverse @ b
    moves = []
    for i, j in combinations_with_replacement(range(len(gram)), 2):
        change = np.zeros_like(gram)
        change[i, j] = change[j, i] = sd / (1.0 if i == j else math.sqrt(2))
        moves.append(inverse @ (change[:-1, -1] - change[:-1, :-1] @ beta))
    *xs, y = plan.scales
    units = np.diag([y.half, *(y.half / x.half for x in xs)])
    units[0, 1:] = [-y.half / x.half * x.middle for x in xs]
    real = units @ beta + np.eye(len(beta))[0] * y.middle
    widths = Z95 * np.linalg.norm(units @ np.array(moves).T, axis=1)
    pairs = zip(names, real, widths, strict=True)
    return tuple(Figure(name=name, value=float(v), half_width=float(w)) for name, v, w in pairs)
