"""Compiled passes over a table in subject order for the commonest shapes: counts, sums and means.

They do what `contributions.contribute` does (which stays the reference they are tested against), without writing a
number per row: a row is read, turned into units and added to its subject's vector in one go. Empty arrays stand for
"no filter", "no group", "nothing missing" and "everybody takes part".
"""

import numba as nb
import numpy as np

from privacy.engine.contributions import ONE, SHRINK
from privacy.engine.schema import MAX_ROWS_PER_SUBJECT

LIMIT = (ONE * SHRINK) ** 2


@nb.njit(cache=True, nogil=True)
def add_rows(offsets, keep, x, valid, slope, shift, weight, active, total, squares):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """No groups. Each row adds (rint(x * slope + shift), weight) to its subject; an empty x adds the weight alone.

    `total`: shape (1, width); `squares`: shape (subjects,).
    """
    sums = np.zeros(2, dtype=np.int64)
    for subject in range(offsets.shape[0] - 1):
        begin = offsets[subject]
        end = min(offsets[subject + 1], begin + MAX_ROWS_PER_SUBJECT)
        v0, n = _fold(begin, end, keep, x, valid, slope, shift)
        v1 = n * weight
        if len(x) == 0:
            v0, v1 = v1, 0
        elif total.shape[1] == 1:
            v1 = 0
        norm = float(v0) * float(v0) + float(v1) * float(v1)
        if norm > LIMIT:
            factor = ONE * SHRINK / np.sqrt(norm)
            v0, v1 = np.int64(np.trunc(v0 * factor)), np.int64(np.trunc(v1 * factor))
        squares[subject] = v0 * v0 + v1 * v1
        if len(active) == 0 or active[subject]:
            sums[0] += v0
            sums[1] += v1
    total[0, :] = sums[: total.shape[1]]


@nb.njit(cache=True, nogil=True, inline="always")
def _fold(begin, end, keep, x, valid, slope, shift):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """The sum of one subject's rows in units, and how many they are."""
    if len(keep) == 0 and len(x) == 0:
        return 0, end - begin
    v, n = np.int64(0), 0
    for row in range(begin, end):
        if (len(keep) == 0 or keep[row]) and (len(valid) == 0 or valid[row]):
            n += 1
            if len(x) > 0:
                v += np.int64(np.rint(x[row] * slope + shift))
    return v, n


@nb.njit(cache=True, nogil=True)
def add_grouped(offsets, keep, codes, coded, x, valid, slope, shift, weight, active, total, squares):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """As `add_rows`, each row into the cell of its code. `total`: shape (cells, width)."""
    values, width = len(x) > 0, total.shape[1]
    scratch = np.zeros((total.shape[0], 2), dtype=np.int64)
    touched = np.empty(total.shape[0], dtype=np.int64)
    for subject in range(offsets.shape[0] - 1):
        begin = offsets[subject]
        end = min(offsets[subject + 1], begin + MAX_ROWS_PER_SUBJECT)
        count = 0
        for row in range(begin, end):
            if (len(keep) > 0 and not keep[row]) or (len(coded) > 0 and not coded[row]):
                continue
            if len(valid) > 0 and not valid[row]:
                continue
            cell = codes[row]
            if scratch[cell, 1] == 0:
                touched[count] = cell
                count += 1
            scratch[cell, 1] += 1
            if values:
                scratch[cell, 0] += np.int64(np.rint(x[row] * slope + shift))
        norm = _weigh(scratch, touched[:count], values, width, weight)
        if norm > LIMIT:
            _shrink(scratch, touched[:count], ONE * SHRINK / np.sqrt(norm))
        everybody = len(active) == 0 or active[subject]
        squares[subject] = _empty_into(scratch, touched[:count], everybody, total)


@nb.njit(cache=True, nogil=True)
def add_counts(offsets, keep, codes, coded, weight, active, total, squares):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """As `add_grouped` without values: each row adds `weight` to the cell of its code. `total`: shape (cells, 1)."""
    scratch = np.zeros(total.shape[0], dtype=np.int64)
    for subject in range(offsets.shape[0] - 1):
        begin = offsets[subject]
        end = min(offsets[subject + 1], begin + MAX_ROWS_PER_SUBJECT)
        squared = 0
        for row in range(begin, end):
            one = np.int64(1)
            if len(keep) > 0:  # multiplied, not branched on: which rows a filter keeps cannot be foreseen
                one *= keep[row]
            if len(coded) > 0:
                one *= coded[row]
            seen = scratch[codes[row]]
            squared += one * (2 * seen + 1)  # (n + 1)^2 - n^2
            scratch[codes[row]] = seen + one
        everybody = len(active) == 0 or active[subject]
        if float(squared) * float(weight) ** 2 <= LIMIT and everybody:
            squares[subject] = squared * weight * weight
            for row in range(begin, end):  # a cell is emptied at its first row and adds 0 at the others
                total[codes[row], 0] += scratch[codes[row]] * weight
                scratch[codes[row]] = 0
        else:
            squares[subject] = _pour(scratch, codes[begin:end], weight, squared, everybody, total)


@nb.njit(cache=True, nogil=True)
def _pour(scratch, codes, weight, squared, everybody, total):  # type: ignore[no-untyped-def]
    """A subject whose counts are clipped, or who takes no part: its squared norm; the work space is emptied."""
    norm = float(squared) * float(weight) ** 2
    factor = ONE * SHRINK / np.sqrt(norm) if norm > LIMIT else 1.0
    square = np.int64(0)
    for code in codes:
        v = np.int64(np.trunc(scratch[code] * weight * factor))
        scratch[code] = 0
        square += v * v
        if everybody:
            total[code, 0] += v
    return square


@nb.njit(cache=True, nogil=True, inline="always")
def _weigh(scratch, touched, values, width, weight):  # type: ignore[no-untyped-def]
    """Turn row counts into weights; returns the squared norm."""
    norm = 0.0
    for cell in touched:
        n = scratch[cell, 1] * weight
        if not values:
            scratch[cell, 0], scratch[cell, 1] = n, 0
        else:
            scratch[cell, 1] = n if width > 1 else 0
        norm += float(scratch[cell, 0]) ** 2 + float(scratch[cell, 1]) ** 2
    return norm


@nb.njit(cache=True, nogil=True)
def _shrink(scratch, touched, factor):  # type: ignore[no-untyped-def]
    for cell in touched:
        for j in range(2):
            scratch[cell, j] = np.int64(np.trunc(scratch[cell, j] * factor))


@nb.njit(cache=True, nogil=True, inline="always")
def _empty_into(scratch, touched, everybody, total):  # type: ignore[no-untyped-def]
    """Move a subject's vector into the total if it takes part; returns its squared norm."""
    square = 0
    for cell in touched:
        v0, v1 = scratch[cell, 0], scratch[cell, 1]
        square += v0 * v0 + v1 * v1
        if everybody:
            total[cell, 0] += v0
            if total.shape[1] > 1:
                total[cell, 1] += v1
        scratch[cell, 0] = 0
        scratch[cell, 1] = 0
    return square


@nb.njit(cache=True, nogil=True)
def add_keys(offsets, keep, codes, valid, most, active, total, squares):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Each subject adds floor(ONE / sqrt(t)) to its first `most` different codes, t being how many it has of them."""
    chosen = np.empty(most, dtype=np.int64)
    for subject in range(offsets.shape[0] - 1):
        begin = offsets[subject]
        end = min(offsets[subject + 1], begin + MAX_ROWS_PER_SUBJECT)
        t = 0
        for row in range(begin, end):
            if t == most or (len(keep) > 0 and not keep[row]) or (len(valid) > 0 and not valid[row]):
                continue
            if not (chosen[:t] == codes[row]).any():
                chosen[t] = codes[row]
                t += 1
        weight = np.int64(np.floor(ONE * SHRINK / np.sqrt(t))) if t > 0 else np.int64(0)
        squares[subject] = t * weight * weight
        if len(active) == 0 or active[subject]:
            for k in range(t):
                total[chosen[k]] += weight


@nb.njit(cache=True, nogil=True)
def add_signs(offsets, keep, x, valid, threshold, below, above, active):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Each row adds `below` if x <= threshold, otherwise `above`; clipped per subject; the sum over subjects."""
    total = np.int64(0)
    for subject in range(offsets.shape[0] - 1):
        begin = offsets[subject]
        end = min(offsets[subject + 1], begin + MAX_ROWS_PER_SUBJECT)
        v = np.int64(0)
        for row in range(begin, end):
            if (len(keep) == 0 or keep[row]) and (len(valid) == 0 or valid[row]):
                v += below if x[row] <= threshold else above
        if abs(v) > ONE * SHRINK:
            v = np.int64(np.trunc(v * (ONE * SHRINK / abs(v))))
        if len(active) == 0 or active[subject]:
            total += v
    return total
