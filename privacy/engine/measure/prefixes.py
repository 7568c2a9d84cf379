"""Distributions: the shares at or below the end of each bin are prefix sums, answered by a factorisation.

The lower triangular matrix of ones is A = L R. R c plus noise is released, where c counts the rows in each bin; L times
that gives the prefix sums (Li et al., Optimizing linear counting queries, PODS 2010). With R = I this is a histogram,
whose noise adds up from bin to bin. With L = R = the triangular Toeplitz matrix of f_k = C(2k, k) / 4^k, the
coefficients of (1 - x)^(-1/2), both factors are short (Fichtenberger, Henzinger and Upadhyay, ICML 2023; Henzinger,
Upadhyay and Upadhyay, SODA 2023): the error grows with the logarithm of the number of bins, not with its square root. A
row in bin j adds column j of R: f moved down by j places.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

import numba as nb
import numpy as np
from scipy.linalg import solve_triangular, toeplitz

from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.measure.contributions import ONE, SHRINK, Integers, clip_cells, priced
from privacy.engine.measure.evaluate import Floats

KEPT = 8
"""How many factorisations are cached: the largest takes a megabyte."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What rows add, in units.

    `column` (bins,): what a row in the first bin adds; a row in bin j adds the same, j places further down. `products`
    (bins, bins): inner products of what rows in two bins add. `back` (bins, bins): from released units to the number of
    rows in the first bin, in the first two bins, and so on.
    """

    column: Integers
    products: Integers
    back: Floats


def roots(bins: int) -> Floats:
    """Return f_k = C(2k, k) / 4^k for k < bins. Shape (bins,)."""
    k = np.arange(1, bins)
    return np.append(1.0, np.cumprod((2 * k - 1) / (2 * k)))


def _own_bin(bins: int) -> Floats:
    """Return the column of a histogram: a row counts in its own bin only. Shape (bins,)."""
    return np.append(1.0, np.zeros(bins - 1))


@cache
def takes_roots(bins: int) -> bool:
    """Return whether the square-root factor is the better one for every table: from 18 bins on.

    To first order, the squared error of the share s at or below bin k is that of the noise of `prefix k - s x total`, a
    quadratic in s for either factor. The table that favours the histogram most has, at each k, the s that minimises the
    difference of the two (these s rise with k, so there is such a table). The sum of these least differences over the
    bins decides. It depends on the number of bins alone.
    """
    if bins < 2:
        return False
    ours, plain = _errors(roots(bins)), _errors(_own_bin(bins))
    constant, linear, square = (plain - ours)[:, :-1]
    # `square` is above 0 for every number of bins that is allowed (a test checks that).
    s = np.clip(-linear / (2 * square), 0, 1)
    return float((constant + linear * s + square * s * s).sum()) > 0


def _errors(factor: Floats) -> Floats:
    """Return the squared error of the share s of each bin, as the coefficients of 1, s and s^2. Shape (3, bins).

    In rows, at noise of one clip, for people with one row each.
    """
    back = _back(factor)
    last = back[-1]
    square = np.full(len(factor), last @ last)
    return float(factor @ factor) * np.array([(back * back).sum(axis=1), -2 * back @ last, square])


def _factor(bins: int) -> Floats:
    return roots(bins) if takes_roots(bins) else _own_bin(bins)


def longest_step(bins: int) -> float:
    """Return the largest norm of what one row adds: the norm of the longest column of R."""
    return float(np.linalg.norm(_factor(bins)))


def column_of(bins: int, clip: float) -> Integers:
    """Return what a row in the first bin adds, in whole units, for contributions of at most `clip`. Shape (bins,).

    Rounded down, so it is never too long. Answers are decoded with the rounded steps, so rounding does not bias them.
    """
    return np.floor(_factor(bins) * (ONE / clip)).astype(np.int64)


@lru_cache(maxsize=KEPT)
def steps_of(bins: int, clip: float) -> Steps:
    """Return the steps for contributions of at most `clip`."""
    column = column_of(bins, clip)
    return Steps(column=column, products=_products(column), back=_back(column.astype(np.float64)))


def _products(column: Integers) -> Integers:
    """Return, for bins i and j, the sum over m of column[m] column[m + |i - j|] while both lie within the bins."""
    bins = len(column)
    products = np.empty((bins, bins), dtype=np.int64)
    for apart in range(bins):
        sums = np.cumsum(column[: bins - apart] * column[apart:])[::-1]
        places = np.arange(bins - apart)
        products[places, places + apart] = products[places + apart, places] = sums
    return products


def _back(column: Floats) -> Floats:
    """Return L = A R^-1."""
    inverse = solve_triangular(np.tril(toeplitz(column)), np.eye(len(column)), lower=True)
    return np.asarray(np.cumsum(inverse, axis=0), dtype=np.float64)


def add_bins(total: Integers, seen: Integers, column: Integers) -> None:
    """Add the contributions of the rows counted in `seen` (bins,) to `total` (bins,)."""
    total += np.convolve(seen, column)[: len(column)]


@nb.njit(cache=True, nogil=True)
def add_steps(offsets, bins, column, products, price, active, total, seen, spent):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add the step of each row, `bins` (rows,) naming it, -1 for none. Write each subject's charge to `spent`.

    Subjects that cannot exceed the clip are counted in `seen` (bins,), for `add_bins` to add afterwards; their length
    is a sum of products. All others are added up, clipped as in `contribute`, and added to `total` (bins,).
    """
    counts, touched = np.zeros(len(column), dtype=np.int64), np.empty(len(column), dtype=np.int64)
    vector, only = np.zeros((1, len(column)), dtype=np.int64), np.zeros(1, dtype=np.int64)
    most = (1 - 1e-12) * ONE * SHRINK / np.sqrt(float(products[0, 0]))
    for subject in range(len(offsets) - 1):
        begin, takes_part = offsets[subject], len(active) == 0 or active[subject]
        end = min(offsets[subject + 1], begin + MAX_ROWS_PER_SUBJECT)
        many, rows = _tally(bins[begin:end], counts, touched)
        if rows <= most:
            square = _square(touched[:many], counts, products)
            if takes_part:
                for k in touched[:many]:
                    seen[k] += counts[k]
        else:
            _sum_steps(touched[:many], counts, column, vector[0])
            clip_cells(only, vector)
            square = _add_and_clear(vector[0], takes_part, total)
        counts[touched[:many]] = 0
        spent[subject] = priced(square, price)


@nb.njit(cache=True, nogil=True)
def _tally(bins, counts, touched):  # type: ignore[no-untyped-def]
    """Count one subject's rows by bin. Returns how many bins it touches, and how many of its rows count."""
    many, rows = 0, 0
    for k in bins:
        if k < 0:
            continue
        if counts[k] == 0:
            touched[many] = k
            many += 1
        counts[k] += 1
        rows += 1
    return many, rows


@nb.njit(cache=True, nogil=True)
def _square(touched, counts, products):  # type: ignore[no-untyped-def]
    """Return the exact squared norm of the sum of a subject's steps."""
    square = np.int64(0)
    for a in range(len(touched)):
        row, cross = products[touched[a]], np.int64(0)
        for b in range(a):
            k = np.uint64(touched[b])
            cross += counts[k] * row[k]
        count = counts[touched[a]]
        square += count * (2 * cross + count * row[touched[a]])
    return square


@nb.njit(cache=True, nogil=True)
def _sum_steps(touched, counts, column, vector):  # type: ignore[no-untyped-def]
    """Add a subject's steps into `vector`."""
    for k in touched:
        count, rest = counts[k], vector[k:]
        for place in range(len(rest)):
            rest[place] += count * column[place]


@nb.njit(cache=True, nogil=True)
def _add_and_clear(vector, takes_part, total):  # type: ignore[no-untyped-def]
    """Add a subject's vector to `total` if it takes part, and clear it. Returns its squared norm."""
    square = np.int64(0)
    for place in range(len(vector)):
        square += vector[place] * vector[place]
        if takes_part:
            total[place] += vector[place]
        vector[place] = 0
    return square
