"""From noisy integers to an answer with intervals. All of it is post-processing: no row is in reach here."""

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np
import numpy.typing as npt

from privacy.engine.contributions import ONE, Integers
from privacy.engine.designs import KAPPA, Design, Scale
from privacy.engine.evaluate import Floats
from privacy.engine.pricing import Z95
from privacy.engine.queries import Correlation, Count, CountSubjects, Mean, Query, Regression, Sum, Variance

# A ratio is only told when its noisy denominator stands clear of the noise.
CLEAR = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with half the width of its 95 % interval; None where the noise drowns it."""

    name: str
    value: float | None
    half_width: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The figures of one group; `key` holds the group's labels."""

    key: tuple[str, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is released."""

    by: tuple[str, ...]
    lines: tuple[Line, ...]


def of_vector(query: Query, plan: Design, noisy: Integers, sigma: int) -> Answer:
    """The answer of a query whose cells hold noisy sums. `noisy`: shape (cells, width)."""
    sums: Floats = noisy.astype(np.float64) * (plan.clip / ONE)
    sd = sigma * (plan.clip / ONE)
    by = tuple(group.column for group in plan.groups)
    keys = product(*(group.labels for group in plan.groups))
    lines = [Line(key=key, figures=_line(query, plan, row, sd)) for key, row in zip(keys, sums, strict=True)]
    return Answer(by=by, lines=tuple(lines))


def _line(query: Query, plan: Design, row: Floats, sd: float) -> tuple[Figure, ...]:
    match query.measure:
        case Count() | CountSubjects():
            return (Figure(name="count", value=float(row[0]), half_width=Z95 * sd),)
        case Sum():
            return (Figure(name="sum", value=float(row[0]), half_width=Z95 * sd),)
        case Mean():
            return (_mean(plan.scales[0], row, sd), _count(row[-1], sd))
        case Variance():
            return (_variance(plan.scales[0], row, sd), _count(row[-1], sd))
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


def of_distribution(scale: Scale, plan: Design, noisy: Integers, sigma: int) -> Answer:
    """Shares at or below each bin's upper end, made monotone."""
    counts = noisy[:, 0] * (plan.clip / ONE)
    sd = sigma * (plan.clip / ONE)
    total = float(counts.sum())
    bins = len(counts)
    edges = scale.middle - scale.half + 2 * scale.half * np.arange(1, bins + 1) / bins
    if total < CLEAR * sd * math.sqrt(bins):
        shares: list[float | None] = [None] * bins
    else:
        shares = [float(x) for x in np.clip(np.maximum.accumulate(np.cumsum(counts)) / total, 0.0, 1.0)]
    lines = []
    for k, (edge, share) in enumerate(zip(edges, shares, strict=True)):
        half = None
        if share is not None:
            spread = (k + 1) * (1 - share) ** 2 + (bins - k - 1) * share**2
            half = Z95 * sd * math.sqrt(spread) / total
        lines.append(
            Line(key=(f"{edge:.6g}",), figures=(Figure(name="share", value=share, half_width=half),))
        )
    return Answer(by=("at most",), lines=tuple(lines))


def of_keys(keys: list[tuple[str, int]], sigma: int) -> Answer:
    """The keys whose noisy counts passed the threshold, the largest first."""
    half = Z95 * sigma / ONE
    lines = [
        Line(key=(key,), figures=(Figure(name="count", value=noisy / ONE, half_width=half),))
        for key, noisy in sorted(keys, key=lambda pair: (-pair[1], pair[0]))
    ]
    return Answer(by=("value",), lines=tuple(lines))


def of_quantiles(at: tuple[float, ...], found: list[float]) -> Answer:
    """The places where the searches ended; kept in order."""
    ordered = dict(zip(sorted(at), sorted(found), strict=True))
    lines = [
        Line(
            key=(f"{share:g}",),
            figures=(Figure(name="quantile", value=ordered[share], half_width=None),),
        )
        for share in at
    ]
    return Answer(by=("share",), lines=tuple(lines))


def _fit(measure: Regression | Correlation, plan: Design, row: Floats, sd: float) -> tuple[Figure, ...]:
    size = len(plan.scales) + 1
    gram = np.zeros((size, size))
    noise = np.zeros((size, size))
    for value, (i, j) in zip(row, combinations_with_replacement(range(size), 2), strict=True):
        root = 1.0 if i == j else math.sqrt(2)
        gram[i, j] = gram[j, i] = value / root
        noise[i, j] = noise[j, i] = sd / root
    if isinstance(measure, Correlation):
        return (_correlation(gram, sd),)
    return _coefficients(measure, plan, gram, noise, sd)


def _correlation(gram: npt.NDArray[np.float64], sd: float) -> Figure:
    n = gram[0, 0]
    if n < CLEAR * sd:
        return Figure(name="correlation", value=None, half_width=None)
    mean = gram[0, 1:] / n
    covariance = gram[1:, 1:] / n - np.outer(mean, mean)
    floor = CLEAR * sd / n
    if covariance[0, 0] < floor or covariance[1, 1] < floor:
        return Figure(name="correlation", value=None, half_width=None)
    scale = math.sqrt(covariance[0, 0] * covariance[1, 1])
    value = float(np.clip(covariance[0, 1] / scale, -1, 1))
    half = Z95 * sd / n / scale * math.sqrt(0.5 + value**2)
    return Figure(name="correlation", value=value, half_width=float(half))


def _coefficients(
    measure: Regression,
    plan: Design,
    gram: npt.NDArray[np.float64],
    noise: npt.NDArray[np.float64],
    sd: float,
) -> tuple[Figure, ...]:
    """Least squares on the noisy Gram matrix with its eigenvalues held above 2 sd.

    Intervals carry the noise alone, to first order: d beta = A^-1 (d b - d A beta).
    """
    names = ("intercept", *measure.names)
    a, b = gram[:-1, :-1], gram[:-1, -1]
    values, vectors = np.linalg.eigh(a)
    if values[-1] < CLEAR * sd:
        return tuple(Figure(name=name, value=None, half_width=None) for name in names)
    inverse = (vectors / np.maximum(values, 2 * sd)) @ vectors.T
    beta = inverse @ b
    variance = noise[:-1, -1] ** 2 + (noise[:-1, :-1] ** 2) @ beta**2
    spread = np.sqrt((inverse**2) @ variance)
    *xs, y = plan.scales
    slopes = [y.half / x.half for x in xs]
    real = [beta[k + 1] * slope for k, slope in enumerate(slopes)]
    intercept = y.middle + y.half * beta[0] - sum(r * x.middle for r, x in zip(real, xs, strict=True))
    widths = [Z95 * spread[k + 1] * slope for k, slope in enumerate(slopes)]
    shift = sum((w * x.middle) ** 2 for w, x in zip(widths, xs, strict=True))
    first = math.sqrt((Z95 * y.half * spread[0]) ** 2 + shift)
    pairs = zip(names, [intercept, *real], [first, *widths], strict=True)
    return tuple(Figure(name=name, value=float(v), half_width=float(w)) for name, v, w in pairs)
