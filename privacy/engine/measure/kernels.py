"""Compiled passes over a table in subject order for the most common shapes: counts, sums and means.

They compute the same as `contributions.contribute`, the reference that they are tested against, but read the columns
once and need no array as long as the table. Empty arrays stand for "no filter", "no group", "nothing missing" and
"everybody takes part". The charge of each subject at `price` is written to `spent` (subjects,).

A block holds whole subjects, with at most MAX_ROWS_PER_SUBJECT rows together. Its rows become numbers in a loop without
branches, then running sums; what a subject adds is the difference of two running sums. The inner loops thus do not
branch on how many rows a subject has, which no processor could predict. Subjects that may have to be clipped, or take
no part, are taken out again and processed one by one.
"""

import numba as nb
import numpy as np

from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.measure.contributions import ONE, SHRINK, priced

REACH = ONE * SHRINK
LIMIT = REACH**2
STEP = MAX_ROWS_PER_SUBJECT + 1
"""The distance between the marks of one subject's cells and those of the subject before."""


@nb.njit(cache=True, nogil=True)
def end_of_block(offsets, first):  # type: ignore[no-untyped-def]
    """Return the subject after the last one of the block that starts with `first`, and the block's rows that count."""
    begin, last = offsets[first], first + 1
    while last < len(offsets) - 1 and offsets[last + 1] - begin <= MAX_ROWS_PER_SUBJECT:
        last += 1
    return last, min(offsets[last] - begin, MAX_ROWS_PER_SUBJECT)


@nb.njit(cache=True, nogil=True)
def flag_rows(keep, valid, begin, rows, flags):  # type: ignore[no-untyped-def]
    """Write into `flags` which rows of a block count, as 0 and 1."""
    kept, there = keep[begin : begin + rows], valid[begin : begin + rows]
    if len(keep) > 0 and len(valid) > 0:
        for row in range(rows):
            flags[row] = kept[row] & there[row]
    elif len(keep) > 0:
        for row in range(rows):
            flags[row] = kept[row]
    elif len(valid) > 0:
        for row in range(rows):
            flags[row] = there[row]
    else:
        flags[:rows] = 1


@nb.njit(cache=True, nogil=True)
def _running_sums(numbers, rows, running):  # type: ignore[no-untyped-def]
    """Write the sum of the first k numbers into running[k]."""
    so_far = np.int64(0)
    for row in range(rows):
        running[row] = so_far
        so_far += numbers[row]
    running[rows] = so_far


@nb.njit(cache=True, nogil=True)
def _units_of(x, slope, shift, begin, rows, units):  # type: ignore[no-untyped-def]
    found = x[begin : begin + rows]
    for row in range(rows):
        units[row] = np.int64(np.rint(found[row] * slope + shift))


@nb.njit(cache=True, nogil=True)
def add_rows(offsets, keep, x, valid, slope, shift, weight, price, active, total, spent):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Without groups: each row adds (rint(x * slope + shift), weight) to its subject; an empty x adds the weight alone.

    `total`: shape (1, width).
    """
    values, counts = len(x) > 0, len(x) == 0 or total.shape[1] > 1
    chosen = len(keep) > 0 or len(valid) > 0
    flags = np.ones(MAX_ROWS_PER_SUBJECT, dtype=np.uint8)
    units = np.zeros(MAX_ROWS_PER_SUBJECT, dtype=np.int64)
    sums = np.zeros(MAX_ROWS_PER_SUBJECT + 1, dtype=np.int64)
    many = np.arange(MAX_ROWS_PER_SUBJECT + 1)
    first = 0
    while first < len(offsets) - 1:
        begin = offsets[first]
        last, rows = end_of_block(offsets, first)
        if chosen:
            flag_rows(keep, valid, begin, rows, flags)
            if counts:
                _running_sums(flags, rows, many)
        if values:
            _units_of(x, slope, shift, begin, rows, units)
            if chosen:
                for row in range(rows):
                    units[row] *= flags[row]
            _running_sums(units, rows, sums)
        if not values:
            _finish_block(offsets, first, last, rows, many, many, (weight, 0), price, active, total, spent)
        else:
            scale = (1, weight if counts else 0)
            _finish_block(offsets, first, last, rows, sums, many, scale, price, active, total, spent)
        first = last


@nb.njit(cache=True, nogil=True)
def add_sizes(offsets, weight, price, active, total, spent):  # type: ignore[no-untyped-def]
    """Do what `add_rows` does if each row adds the weight alone: look up what a subject adds by its number of rows."""
    adds, lengths = np.zeros(MAX_ROWS_PER_SUBJECT + 1, np.int64), np.zeros(MAX_ROWS_PER_SUBJECT + 1, np.int64)
    for size in range(MAX_ROWS_PER_SUBJECT + 1):
        v = np.int64(size * weight)
        norm = float(v) * float(v)
        if norm > LIMIT:
            v = np.int64(np.trunc(v * (REACH / np.sqrt(norm))))
        adds[size], lengths[size] = v, priced(v * v, price)
    whole = np.int64(0)
    for subject in range(len(offsets) - 1):
        rows = np.uint64(min(offsets[subject + 1] - offsets[subject], MAX_ROWS_PER_SUBJECT))
        spent[subject] = lengths[rows]
        if len(active) == 0 or active[subject]:
            whole += adds[rows]
    total[0, 0] += whole


@nb.njit(cache=True, nogil=True)
def _finish_block(offsets, first, last, rows, running0, running1, scale, price, active, total, spent):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add the subjects of a block: each is the difference of two running sums, clipped."""
    begin, begun0, begun1 = offsets[first], np.int64(0), np.int64(0)
    sum0, sum1 = np.int64(0), np.int64(0)
    scale0, scale1 = scale
    for subject in range(first, last):
        end = np.uint64(min(offsets[subject + 1] - begin, rows))
        ended0, ended1 = running0[end], running1[end]
        v0, v1 = (ended0 - begun0) * scale0, (ended1 - begun1) * scale1
        begun0, begun1 = ended0, ended1
        norm = float(v0) * float(v0) + float(v1) * float(v1)
        if norm > LIMIT:
            factor = REACH / np.sqrt(norm)
            v0, v1 = np.int64(np.trunc(v0 * factor)), np.int64(np.trunc(v1 * factor))
        spent[subject] = priced(v0 * v0 + v1 * v1, price)
        if len(active) == 0 or active[subject]:
            sum0 += v0
            sum1 += v1
    total[0, 0] += sum0
    if total.shape[1] > 1:
        total[0, 1] += sum1


@nb.njit(cache=True, nogil=True)
def _mark_starts(offsets, first, last, starts):  # type: ignore[no-untyped-def]
    """Write by how much the mark rises at each row of a block: STEP at a subject's first row, otherwise 0."""
    starts[:] = 0
    for subject in range(first, last):
        starts[offsets[subject] - offsets[first]] = STEP


@nb.njit(cache=True, nogil=True)
def add_counts(offsets, keep, codes, coded, weight, price, active, total, spent):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Each row adds `weight` to the cell of its code. `total`: shape (cells, 1)."""
    flags = np.ones(MAX_ROWS_PER_SUBJECT, dtype=np.uint8)
    starts = np.zeros(MAX_ROWS_PER_SUBJECT + 1, dtype=np.int16)
    lengths = np.zeros(MAX_ROWS_PER_SUBJECT + 1, dtype=np.int64)
    marks, seen = np.zeros(len(total), dtype=np.int64), np.zeros(len(total), dtype=np.int64)
    scratch = np.zeros(len(total), dtype=np.int64)
    base, first, weigh = np.int64(0), 0, float(weight) ** 2
    while first < len(offsets) - 1:
        begin = offsets[first]
        last, rows = end_of_block(offsets, first)
        _mark_starts(offsets, first, last, starts)
        if len(keep) > 0 or len(coded) > 0:
            flag_rows(keep, coded, begin, rows, flags)
        base = _count_block(codes[begin : begin + rows], flags, starts, base, marks, seen, lengths)
        low = np.int64(0)
        for subject in range(first, last):
            high = min(offsets[subject + 1] - begin, rows)
            squared = lengths[high] - lengths[low]
            if float(squared) * weigh <= LIMIT and (len(active) == 0 or active[subject]):
                spent[subject] = priced(squared * weight * weight, price)
            else:
                everybody = len(active) == 0 or active[subject]
                part = codes[begin + low : begin + high]
                _take_back(part, flags[low:high], seen, scratch)
                spent[subject] = priced(_add_clipped(scratch, part, weight, squared, everybody, total), price)
            low = high
        first = last
    total[:, 0] += seen * weight


@nb.njit(cache=True, nogil=True)
def _count_block(codes, flags, starts, base, marks, seen, lengths):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Count a block's rows by code, and keep running squared lengths of its subjects' vectors of counts.

    marks[code] - base is how many rows with that code the subject has had, if positive; a new subject has a new base.
    """
    so_far = np.int64(0)
    for row in range(len(codes)):
        base += starts[row]
        code, one = np.uint64(codes[row]), np.int64(flags[row])
        mark = max(marks[code], base)
        marks[code] = mark + one
        seen[code] += one
        lengths[row] = so_far
        so_far += one * (2 * (mark - base) + 1)  # (n + 1)^2 - n^2
    lengths[len(codes)] = so_far
    return base


@nb.njit(cache=True, nogil=True)
def _take_back(codes, flags, seen, scratch):  # type: ignore[no-untyped-def]
    """Move one subject's counts from the table's totals into a work space that is otherwise 0."""
    for row in range(len(codes)):
        seen[codes[row]] -= flags[row]
        scratch[codes[row]] += flags[row]


@nb.njit(cache=True, nogil=True)
def _add_clipped(scratch, codes, weight, squared, everybody, total):  # type: ignore[no-untyped-def]
    """Add a subject's clipped counts if it takes part, and clear the work space. Returns its squared norm."""
    norm = float(squared) * float(weight) ** 2
    factor = REACH / np.sqrt(norm) if norm > LIMIT else 1.0
    square = np.int64(0)
    for code in codes:
        v = np.int64(np.trunc(scratch[code] * weight * factor))
        scratch[code] = 0
        square += v * v
        if everybody:
            total[code, 0] += v
    return square


@nb.njit(cache=True, nogil=True)
def add_grouped(offsets, keep, codes, coded, x, valid, slope, shift, weight, price, active, total, spent):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Each row adds (rint(x * slope + shift), weight) to the cell of its code. `total`: shape (cells, width)."""
    flags = np.ones(MAX_ROWS_PER_SUBJECT, dtype=np.uint8)
    coded_flags = np.ones(MAX_ROWS_PER_SUBJECT, dtype=np.uint8)
    starts = np.zeros(MAX_ROWS_PER_SUBJECT + 1, dtype=np.int16)
    units = np.zeros(MAX_ROWS_PER_SUBJECT, dtype=np.int64)
    lengths = np.zeros(MAX_ROWS_PER_SUBJECT + 1, dtype=np.int64)
    cells = np.zeros((len(total), 4), dtype=np.int64)
    scratch = np.zeros((len(total), 3), dtype=np.int64)
    base, first = np.int64(0), 0
    weight = weight if total.shape[1] > 1 else 0
    while first < len(offsets) - 1:
        begin = offsets[first]
        last, rows = end_of_block(offsets, first)
        _mark_starts(offsets, first, last, starts)
        _units_of(x, slope, shift, begin, rows, units)
        if len(keep) > 0 or len(coded) > 0 or len(valid) > 0:
            flag_rows(keep, coded, begin, rows, coded_flags)
            flag_rows(coded_flags[:0], valid, begin, rows, flags)
            for row in range(rows):
                flags[row] &= coded_flags[row]
                units[row] *= flags[row]
        block = codes[begin : begin + rows]
        base = _sum_block(block, flags, units, starts, base, weight, cells, lengths)
        people = (offsets[first : last + 1], active[first:last], spent[first:last])
        _finish_grouped_block((block, flags, units), people, weight, price, lengths, cells, scratch, total)
        first = last
    total[:, 0] += cells[:, 2]
    if total.shape[1] > 1:
        total[:, 1] += cells[:, 3] * weight


@nb.njit(cache=True, nogil=True)
def _sum_block(codes, flags, units, starts, base, weight, cells, lengths):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Sum a block's rows by code, and keep running squared lengths of its subjects' vectors.

    A cell holds: the mark (as in `_count_block`), the subject's sum, everybody's sum, everybody's rows. The running
    length wraps around where a subject's may exceed 2^63; `_rows_within_reach` never lets such a subject pass.
    """
    so_far, square = np.int64(0), weight * weight
    for row in range(len(codes)):
        base += starts[row]
        code, one, unit = np.uint64(codes[row]), np.int64(flags[row]), units[row]
        old = cells[code, 0]
        mark = max(old, base)
        before = cells[code, 1] if old > base else np.int64(0)
        cells[code, 0] = mark + one
        cells[code, 1] = before + unit
        cells[code, 2] += unit
        cells[code, 3] += one
        lengths[row] = so_far
        so_far += unit * (2 * before + unit) + one * square * (2 * (mark - base) + 1)
    lengths[len(codes)] = so_far
    return base


@nb.njit(cache=True, nogil=True)
def _finish_grouped_block(block, people, weight, price, lengths, cells, scratch, total):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Write the charges of a block's subjects; add those who may be clipped, or take no part, one by one."""
    (codes, flags, units), (offsets, active, spent) = block, people
    most = _rows_within_reach(units[: len(codes)], weight)
    low = np.int64(0)
    for subject in range(len(spent)):
        high = min(offsets[subject + 1] - offsets[0], len(codes))
        everybody = len(active) == 0 or active[subject]
        if high - low <= most and everybody:
            spent[subject] = priced(lengths[high] - lengths[low], price)
        else:
            part = (codes[low:high], flags[low:high], units[low:high])
            spent[subject] = priced(
                _add_clipped_groups(part, weight, everybody, cells, scratch, total), price
            )
        low = high


@nb.njit(cache=True, nogil=True)
def _rows_within_reach(units, weight):  # type: ignore[no-untyped-def]
    """Return how many of these rows together are never clipped, by the triangle inequality."""
    longest = np.int64(0)
    for row in range(len(units)):
        longest = max(longest, abs(units[row]))
    length = np.sqrt(float(longest) ** 2 + float(weight) ** 2)
    return np.int64((1 - 1e-12) * REACH / max(length, 1.0))


@nb.njit(cache=True, nogil=True)
def _add_clipped_groups(part, weight, everybody, cells, scratch, total):  # type: ignore[no-untyped-def]
    """Take a subject that may be clipped, or takes no part, out of the sums, then add it clipped if it takes part.

    Returns its squared norm.
    """
    codes, flags, units = part
    for row in range(len(codes)):
        code = codes[row]
        cells[code, 2] -= units[row]
        cells[code, 3] -= flags[row]
        scratch[code, 0] += units[row]
        scratch[code, 1] += flags[row] * weight
        scratch[code, 2] = 1
    norm = 0.0
    for code in codes:  # a cell counts where it is first met
        norm += (float(scratch[code, 0]) ** 2 + float(scratch[code, 1]) ** 2) * scratch[code, 2]
        scratch[code, 2] = 0
    factor = REACH / np.sqrt(norm) if norm > LIMIT else 1.0
    square = np.int64(0)
    for code in codes:
        v0, v1 = np.int64(np.trunc(scratch[code, 0] * factor)), np.int64(np.trunc(scratch[code, 1] * factor))
        scratch[code, 0], scratch[code, 1] = 0, 0
        square += v0 * v0 + v1 * v1
        if everybody:
            total[code, 0] += v0
            if total.shape[1] > 1:
                total[code, 1] += v1
    return square


@nb.njit(cache=True, nogil=True)
def add_keys(offsets, keep, codes, valid, most, price, active, total, spent):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add floor(ONE / sqrt(t)) to each subject's first `most` distinct codes, t being how many of them it has."""
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
        spent[subject] = priced(t * weight * weight, price)
        if len(active) == 0 or active[subject]:
            for k in range(t):
                total[chosen[k]] += weight


@nb.njit(cache=True, nogil=True)
def is_ascending(offsets):  # type: ignore[no-untyped-def]
    """Return whether no number is smaller than the one before it."""
    falls = 0
    for k in range(len(offsets) - 1):
        falls += offsets[k + 1] < offsets[k]
    return falls == 0
