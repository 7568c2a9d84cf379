"""Ranks: how many rows lie at or below each threshold that a quantile search can reach, in one pass.

A search can only stop at one of a few thousand thresholds, which are known in advance. Rows are counted once between
neighbouring thresholds; each step then only adds up counts. Subjects with so many rows that a step may have to clip
them are left out of the counts and processed in each step, as in `contribute`.
"""

import numba as nb
import numpy as np

from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import Bools, Floats, Values
from privacy.engine.measure.kernels import REACH, end_of_block, flag_rows


class Ranks:
    """Ranks of the rows of the subjects that take part. `weight`: the most units that a row adds in a step."""

    def __init__(
        self, offsets: Integers, keep: Bools, values: Values, thresholds: Floats, weight: int, active: Bools
    ) -> None:
        self._thresholds = thresholds
        self._table = (offsets, keep, values.numbers, values.valid)
        bins = np.zeros(len(thresholds) + 1, dtype=np.int64)
        many = np.zeros(len(offsets) - 1, dtype=np.bool_)
        _count_between(*self._table, thresholds, int(REACH / weight), active, bins, many)
        self._many = np.flatnonzero(many)
        self._at_most = np.cumsum(bins)

    def signed_count(self, place: int, below: int, above: int) -> int:
        """Add up `below` for each row at or below the threshold at this place, and `above` for all others."""
        under, threshold = int(self._at_most[place]), self._thresholds[place]
        few = under * below + (int(self._at_most[-1]) - under) * above
        return few + int(_add_signs(*self._table, threshold, below, above, self._many))


@nb.njit(cache=True, nogil=True)
def _count_between(offsets, keep, x, valid, thresholds, most, active, bins, many):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Count into bins[k] the rows above k thresholds, for subjects with at most `most` rows. `many`: all others."""
    flags = np.ones(MAX_ROWS_PER_SUBJECT, dtype=np.uint8)
    places = np.zeros(MAX_ROWS_PER_SUBJECT, dtype=np.int32)
    first = 0
    while first < len(offsets) - 1:
        begin = offsets[first]
        last, rows = end_of_block(offsets, first)
        flag_rows(keep, valid, begin, rows, flags)
        low = np.int64(0)
        for subject in range(first, last):
            high = min(offsets[subject + 1] - begin, rows)
            takes_part = len(active) == 0 or active[subject]
            many[subject] = takes_part and high - low > most
            if high - low > most or not takes_part:
                flags[low:high] = 0
            low = high
        _place(x[begin : begin + rows], thresholds, places)
        for row in range(rows):
            bins[np.uint32(places[row])] += flags[row]
        first = last


@nb.njit(cache=True, nogil=True)
def _place(x, thresholds, places):  # type: ignore[no-untyped-def]
    """Find how many thresholds lie below each number: a guess from their even spacing, then corrected exactly."""
    top = len(thresholds)
    start = thresholds[0]
    width = thresholds[-1] - start
    pace = (top - 1) / width if width > 0 else 0.0
    for row in range(len(x)):
        guess = min(max((x[row] - start) * pace + 1.0, 0.0), float(top))
        places[row] = np.int32(guess)
    for row in range(len(x)):
        place = min(
            max(places[row], 0), top
        )  # what is not a number, in a row that does not count, may lie anywhere
        while place < top and x[row] > thresholds[place]:
            place += 1
        while place > 0 and x[row] <= thresholds[place - 1]:
            place -= 1
        places[row] = place


@nb.njit(cache=True, nogil=True)
def _add_signs(offsets, keep, x, valid, threshold, below, above, subjects):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Return the sum of these subjects' signed counts, each clipped."""
    total = np.int64(0)
    for subject in subjects:
        begin = offsets[subject]
        end = min(offsets[subject + 1], begin + MAX_ROWS_PER_SUBJECT)
        v = np.int64(0)
        for row in range(begin, end):
            if (len(keep) == 0 or keep[row]) and (len(valid) == 0 or valid[row]):
                v += below if x[row] <= threshold else above
        if abs(v) > REACH:
            v = np.int64(np.trunc(v * (REACH / abs(v))))
        total += v
    return total
