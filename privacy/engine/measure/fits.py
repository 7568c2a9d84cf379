"""Compiled passes over rows for fitted models without hidden layers: one step's gradients, summed over people.

A row's vector z holds `root` = 1 / sqrt(F + 1) at place 0 and at one place of each feature; for a slope, x times that.
Rows come as a tuple, `Placed`:

- `cells` (groups, rows): places of features with few values, several features together. A row's number in a group means
  cell begins[group] + number.
- `xs` (slopes, rows): the number of each slope, 0 where it is missing.
- `begins` (groups + 1,), `decode` (cells, most): the places that a cell stands for, -1 for none.
- `slopes` (slopes,): the place of each slope.

A step reads and adds whole cells. The weights of a cell are added up before it, and the sums of cells are added to
their places after it: whole numbers, so that the order does not matter.

Removing a person must leave the units of all others the same, bit for bit. So a row's floats are computed by scalar
operations in a fixed order, compiled without fastmath: a product of matrices may round a row differently when its
neighbours change. A compiler may do several rows at once, which changes no bit of sums, products and quotients; so we
compute `exp` from these too, because a library's may differ when it takes several numbers at once. Each row becomes
whole units of its part of the person's mean (toward zero), a person's vector is their sum, it is clipped to the norm
ONE as a whole, and only then added to the sum. Nothing follows the clip that could make a vector longer.
"""

import math

import numba as nb
import numpy as np

from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.measure.kernels import LIMIT, REACH, end_of_block

LOGIT, IDENTITY, LOG, CHOICE = 0, 1, 2, 3
"""Links. LOG: the mean is exp(x), at most `most`. CHOICE: the softmax of several numbers."""
STEEP = 30.0
"""Arguments of exp are limited to +-STEEP: beyond, a probability is 0 or 1 to twelve digits."""
LARGEST = 2.0**44
"""A row's units are limited to this, so that the sum of 4,096 of them fits 63 bits."""

LARGEST_POWER = 90
POWERS = 2.0 ** np.arange(-LARGEST_POWER, LARGEST_POWER + 1)
LOG2_E = 1 / math.log(2)
LN_2_HIGH = 0.693145751953125
"""ln 2 without its last bits, so that products with a whole number below 2**20 are exact."""
LN_2_LOW = 1.42860682030941723212e-6


@nb.njit(cache=True, nogil=True)
def exp_of(x):  # type: ignore[no-untyped-def]
    """Return e**x to fifteen digits, for x from -2 STEEP to 2 STEEP: 2**k times a Taylor series."""
    k = np.rint(x * LOG2_E)
    r = (x - k * LN_2_HIGH) - k * LN_2_LOW
    # |r| <= ln 2 / 2. Even and odd terms apart, so that the processor can compute both at once.
    s = r * r
    even = 1 / 479001600
    odd = 1 / 6227020800
    even = even * s + 1 / 3628800
    odd = odd * s + 1 / 39916800
    even = even * s + 1 / 40320
    odd = odd * s + 1 / 362880
    even = even * s + 1 / 720
    odd = odd * s + 1 / 5040
    even = even * s + 1 / 24
    odd = odd * s + 1 / 120
    even = even * s + 1 / 2
    odd = odd * s + 1 / 6
    even = even * s + 1.0
    odd = odd * s + 1.0
    return (even + odd * r) * POWERS[np.int64(k) + LARGEST_POWER]


@nb.njit(cache=True, nogil=True)
def mean_of(link, x, most):  # type: ignore[no-untyped-def]
    """Return the mean that one number x predicts."""
    if link == LOGIT:
        return 1.0 / (1.0 + exp_of(-min(max(x, -STEEP), STEEP)))
    if link == LOG:
        return min(exp_of(min(max(x, -STEEP), STEEP)), most)
    return x


@nb.njit(cache=True, nogil=True)
def to_whole(x):  # type: ignore[no-untyped-def]
    """Return units as a whole number, toward zero."""
    return np.int64(min(max(x, -LARGEST), LARGEST))


@nb.njit(cache=True, nogil=True)
def joined(decode, weights):  # type: ignore[no-untyped-def]
    """Return the sums of the weights of each cell's places: (outputs, cells). `weights` (width, outputs)."""
    found = np.zeros((weights.shape[1], decode.shape[0]))
    for cell in range(decode.shape[0]):
        for place in decode[cell]:
            if place >= 0:
                for j in range(weights.shape[1]):
                    found[j, cell] += weights[place, j]
    return found


@nb.njit(cache=True, nogil=True)
def spread(decode, sums, total):  # type: ignore[no-untyped-def]
    """Add the sums of each cell, (outputs, cells), to its places in `total`, where a place has `outputs` numbers."""
    outputs = sums.shape[0]
    for cell in range(decode.shape[0]):
        for place in decode[cell]:
            if place >= 0:
                for j in range(outputs):
                    total[place * outputs + j] += sums[j, cell]


@nb.njit(cache=True, nogil=True)
def add_gradients(offsets, rows, y, weights, link, most, root, unit, total):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add each person's clipped mean gradient (mean - y) z to `total` (width * outputs,), place by place.

    `weights` (width, outputs): those of the model times `root`. `unit`: units of a gradient of 1. With several outputs,
    y is the number of a row's class. Equal to `add_deep_gradients` without hidden layers, bit for bit.
    """
    decode, outputs = rows[3], weights.shape[1]
    joint, sums = joined(decode, weights), np.zeros((outputs, decode.shape[0]), dtype=np.int64)
    pulls = np.empty((outputs, MAX_ROWS_PER_SUBJECT))
    wholes = np.empty((outputs, MAX_ROWS_PER_SUBJECT), dtype=np.int64)
    lengths = np.empty(MAX_ROWS_PER_SUBJECT)
    room = np.zeros(len(total), np.int64), np.empty(len(weights), np.int64), np.zeros(len(weights), np.bool_)
    first = 0
    while first < len(offsets) - 1:
        last, many = end_of_block(offsets, first)
        begin = offsets[first]
        for j in range(outputs):
            _add_up(rows, begin, many, joint[j], weights[:, j], pulls[j])
        _pull(pulls, many, y[begin : begin + many], link, most, root * unit)
        for j in range(outputs):
            _to_wholes(offsets, first, last, pulls[j], wholes[j])
        _measure(offsets, first, last, wholes, lengths)
        _clip_block(offsets, first, last, rows, pulls, wholes, lengths, root, room, total)
        for j in range(outputs):
            _add_block(rows, begin, many, pulls[j], wholes[j], sums[j], total[j::outputs])
        first = last
    spread(decode, sums, total)


@nb.njit(cache=True, nogil=True)
def _add_up(rows, begin, many, joint, weights, numbers):  # type: ignore[no-untyped-def]
    """Write one of the model's numbers, before its link, of each row of a block."""
    cells, xs, begins, _, slopes = rows
    numbers[:many] = weights[0]
    for group in range(cells.shape[0]):
        own, codes = joint[begins[group] : begins[group + 1]], cells[group, begin : begin + many]
        for row in range(many):
            numbers[row] += own[codes[row]]
    for k in range(len(slopes)):
        weight, x = weights[slopes[k]], xs[k, begin : begin + many]
        for row in range(many):
            numbers[row] += weight * x[row]


@nb.njit(cache=True, nogil=True)
def _pull(numbers, many, y, link, most, step):  # type: ignore[no-untyped-def]
    """Turn the numbers of a block's rows, (outputs, rows), into (mean - y) step, in place: without branches."""
    only = numbers[0]
    if link == CHOICE:
        _pull_classes(numbers, many, y, step)
    elif link == LOGIT:
        for row in range(many):
            only[row] = (mean_of(LOGIT, only[row], most) - y[row]) * step
    elif link == LOG:
        for row in range(many):
            only[row] = (mean_of(LOG, only[row], most) - y[row]) * step
    else:
        for row in range(many):
            only[row] = (only[row] - y[row]) * step


@nb.njit(cache=True, nogil=True)
def _pull_classes(numbers, many, y, step):  # type: ignore[no-untyped-def]
    """Turn the numbers of a block's rows, (outputs, rows), into those of the softmax less y, times `step`, in place."""
    largest, whole = numbers[0, :many].copy(), np.zeros(many)
    for j in range(1, len(numbers)):
        for row in range(many):
            largest[row] = max(largest[row], numbers[j, row])
    for j in range(len(numbers)):
        for row in range(many):
            numbers[j, row] = exp_of(max(numbers[j, row] - largest[row], -2 * STEEP))
            whole[row] += numbers[j, row]
    for j in range(len(numbers)):
        for row in range(many):
            numbers[j, row] = (numbers[j, row] / whole[row] - (1.0 if y[row] == j else 0.0)) * step


@nb.njit(cache=True, nogil=True)
def _to_wholes(offsets, first, last, pulls, wholes):  # type: ignore[no-untyped-def]
    """Divide the pulls of each row by how many rows its person has, and write them as whole units."""
    begin, end = offsets[first], offsets[last]
    if end - begin > last - first:
        for person in range(first, last):
            size = offsets[person + 1] - offsets[person]
            for row in range(offsets[person] - begin, offsets[person + 1] - begin):
                pulls[row] /= size
    for row in range(end - begin):
        wholes[row] = to_whole(pulls[row])


@nb.njit(cache=True, nogil=True)
def _measure(offsets, first, last, wholes, lengths):  # type: ignore[no-untyped-def]
    """Write for each person of a block a number that, times F + 1, is at least the square of their vector's norm.

    At one feature's places stands each row's number, or for a slope a part of it: together at most the sum of all.
    """
    people, begin = last - first, offsets[first]
    lengths[:people] = 0.0
    for j in range(len(wholes)):
        if offsets[last] - begin == people:
            for row in range(people):
                lengths[row] += float(wholes[j, row]) * float(wholes[j, row])
            continue
        for person in range(first, last):
            size = np.int64(0)
            for row in range(offsets[person] - begin, offsets[person + 1] - begin):
                size += abs(wholes[j, row])
            lengths[person - first] += float(size) * float(size)


@nb.njit(cache=True, nogil=True)
def _clip_block(offsets, first, last, rows, pulls, wholes, lengths, root, room, total):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Clip all people of a block who may be too long."""
    limit, begin = LIMIT / np.rint(1.0 / (root * root)), offsets[first]
    for person in range(first, last):
        if lengths[person - first] > limit:
            low, high = offsets[person] - begin, offsets[person + 1] - begin
            if high - low == 1:
                _clip_row(rows, begin, low, pulls, wholes, total)
            else:
                _clip_person(rows, begin, low, high, pulls, wholes, room, total)


@nb.njit(cache=True, nogil=True)
def _clip_row(rows, begin, row, pulls, wholes, total):  # type: ignore[no-untyped-def]  # noqa: C901
    """Clip a person with one row: add their slopes, and leave the clipped number of all other places in `wholes`."""
    cells, xs, begins, decode, slopes = rows
    outputs, places, norm = len(wholes), 1, 0.0
    for group in range(cells.shape[0]):
        for place in decode[begins[group] + cells[group, begin + row]]:
            places += place >= 0
    for _ in range(places):
        for j in range(outputs):
            norm += float(wholes[j, row]) * float(wholes[j, row])
    for k in range(len(slopes)):
        for j in range(outputs):
            own = float(to_whole(pulls[j, row] * xs[k, begin + row]))
            norm += own * own
    factor = REACH / np.sqrt(norm) if norm > LIMIT else 1.0
    for j in range(outputs):
        for k in range(len(slopes)):
            total[slopes[k] * outputs + j] += np.int64(to_whole(pulls[j, row] * xs[k, begin + row]) * factor)
        wholes[j, row] = np.int64(wholes[j, row] * factor)
        pulls[j, row] = 0.0


@nb.njit(cache=True, nogil=True)
def _clip_person(rows, begin, low, high, pulls, wholes, room, total):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add the clipped vector of a person who may be too long, and leave nothing of their rows `low` to `high`."""
    count = 0
    for row in range(low, high):
        count = touch_row(begin + row, rows, pulls[:, row], wholes[:, row], room, count)
        pulls[:, row] = 0.0
        wholes[:, row] = 0
    clip_and_add(count, len(wholes), 0, room, total)


@nb.njit(cache=True, nogil=True)
def _add_block(rows, begin, many, pulls, wholes, sums, total):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add one output's numbers of a block, of which nothing has to be clipped, to the sums of cells and of slopes."""
    cells, xs, begins, _, slopes = rows
    found = np.int64(0)
    for row in range(many):
        found += wholes[row]
    total[0] += found
    for group in range(cells.shape[0]):
        own, codes = sums[begins[group] : begins[group + 1]], cells[group, begin : begin + many]
        for row in range(many):
            own[codes[row]] += wholes[row]
    for k in range(len(slopes)):
        x = xs[k, begin : begin + many]
        found = np.int64(0)
        for row in range(many):
            found += np.int64(pulls[row] * x[row])
        total[slopes[k]] += found


@nb.njit(cache=True, nogil=True)
def touch_row(row, rows, pull, wholes, room, count):  # type: ignore[no-untyped-def]
    """Add a row to a person's work space. Returns how many places are in use.

    `pull`, `wholes` (each,): the numbers of a place, before and after rounding. `room`: (sums, places in use, whether
    in use). A place has `each` sums.
    """
    cells, xs, begins, decode, slopes = rows
    scratch, each = room[0], len(wholes)
    count = _touch(0, room, count)
    for j in range(each):
        scratch[j] += wholes[j]
    for group in range(cells.shape[0]):
        cell = begins[group] + cells[group, row]
        for k in range(decode.shape[1]):
            place = decode[cell, k]
            if place >= 0:
                count = _touch(place, room, count)
                for j in range(each):
                    scratch[place * each + j] += wholes[j]
    for k in range(len(slopes)):
        count = _touch(slopes[k], room, count)
        for j in range(each):
            scratch[slopes[k] * each + j] += to_whole(pull[j] * xs[k, row])
    return count


@nb.njit(cache=True, nogil=True)
def _touch(place, room, count):  # type: ignore[no-untyped-def]
    """Note that a place is in use. Returns how many are."""
    _, touched, seen = room
    if not seen[place]:
        seen[place] = True
        touched[count] = place
        count += 1
    return count


@nb.njit(cache=True, nogil=True)
def clip_and_add(count, each, dense, room, total):  # type: ignore[no-untyped-def]
    """Cut a person's vector to the norm ONE, toward zero, add it to the sum, and clear the work space.

    It is the places in use, with `each` numbers, and the last `dense` numbers.
    """
    scratch, touched, seen = room
    norm = 0.0
    for k in range(count):
        for j in range(touched[k] * each, (touched[k] + 1) * each):
            norm += float(scratch[j]) * float(scratch[j])
    for j in range(len(total) - dense, len(total)):
        norm += float(scratch[j]) * float(scratch[j])
    factor = REACH / np.sqrt(norm) if norm > LIMIT else 1.0
    for k in range(count):
        seen[touched[k]] = False
        for j in range(touched[k] * each, (touched[k] + 1) * each):
            total[j] += scratch[j] if factor == 1.0 else np.int64(scratch[j] * factor)
            scratch[j] = 0
    for j in range(len(total) - dense, len(total)):
        total[j] += scratch[j] if factor == 1.0 else np.int64(scratch[j] * factor)
        scratch[j] = 0
