"""Compiled passes for fitted models with several outputs or hidden layers, and the predictions of all models.

Rows come as in `measure.fits`, whose rules about floats and whole numbers hold here too.

`sizes`: what the first layer makes of z, then the sizes of further layers up to the outputs. `first` (width, sizes[0]):
its weights times `root`. `rest`: those of further layers, one after the other, each (to, from + 1) with the bias last.
`values` (layers, MAX): the numbers of each layer, before the last link.
"""

import numba as nb
import numpy as np

from privacy.engine.measure.fits import (
    CHOICE,
    STEEP,
    clip_and_add,
    exp_of,
    joined,
    mean_of,
    spread,
    to_whole,
    touch_row,
)
from privacy.engine.measure.kernels import LIMIT


@nb.njit(cache=True, nogil=True)
def _tanh(x):  # type: ignore[no-untyped-def]
    return 1.0 - 2.0 / (1.0 + exp_of(2.0 * min(max(x, -STEEP), STEEP)))


@nb.njit(cache=True, nogil=True)
def _forward(row, rows, joint, first, rest, sizes, values):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0913, PLR0917
    """Write the values of each layer for one row: tanh of hidden ones, the last as they are."""
    cells, xs, begins, _, slopes = rows
    last, each = len(sizes) - 1, sizes[0]
    for j in range(each):
        values[0, j] = first[0, j]
    for group in range(cells.shape[0]):
        cell = begins[group] + cells[group, row]
        for j in range(each):
            values[0, j] += joint[cell, j]
    for k in range(len(slopes)):
        for j in range(each):
            values[0, j] += first[slopes[k], j] * xs[k, row]
    if last > 0:
        for j in range(each):
            values[0, j] = _tanh(values[0, j])
    at = 0
    for layer in range(last):
        many = sizes[layer]
        root = 1.0 / np.sqrt(many + 1.0)
        for j in range(sizes[layer + 1]):
            x = rest[at + many]
            for i in range(many):
                x += rest[at + i] * values[layer, i]
            values[layer + 1, j] = _tanh(x * root) if layer + 1 < last else x * root
            at += many + 1


@nb.njit(cache=True, nogil=True)
def _link(numbers, many, link, most):  # type: ignore[no-untyped-def]
    """Turn the last layer's numbers into means, in place."""
    if link != CHOICE:
        numbers[0] = mean_of(link, numbers[0], most)
        return
    largest = numbers[0]
    for j in range(1, many):
        largest = max(largest, numbers[j])
    whole = 0.0
    for j in range(many):
        numbers[j] = exp_of(max(numbers[j] - largest, -2 * STEEP))
        whole += numbers[j]
    for j in range(many):
        numbers[j] /= whole


@nb.njit(cache=True, nogil=True)
def _backward(rest, sizes, values, pulls, gradient):  # type: ignore[no-untyped-def]
    """Write the gradient by `rest`, and into pulls[0] that by the first layer's numbers before tanh.

    `pulls` (layers, MAX): its last line holds mean - y.
    """
    at = len(rest)
    for back in range(len(sizes) - 1):
        layer = len(sizes) - 2 - back
        many, above = sizes[layer], sizes[layer + 1]
        root = 1.0 / np.sqrt(many + 1.0)
        at -= (many + 1) * above
        for i in range(many):
            pulls[layer, i] = 0.0
        for j in range(above):
            pull = pulls[layer + 1, j] * root
            base = at + j * (many + 1)
            for i in range(many):
                gradient[base + i] = pull * values[layer, i]
                pulls[layer, i] += pull * rest[base + i]
            gradient[base + many] = pull
        for i in range(many):
            pulls[layer, i] *= 1.0 - values[layer, i] * values[layer, i]


@nb.njit(cache=True, nogil=True)
def _pull(values, y, outputs, link, pulls):  # type: ignore[no-untyped-def]
    """Write mean - y of a row into `pulls` (MAX,), from the means in `values` (MAX,)."""
    for j in range(outputs):
        pulls[j] = values[j]
    if link == CHOICE:
        pulls[np.int64(y)] -= 1.0
    else:
        pulls[0] -= y


@nb.njit(cache=True, nogil=True)
def add_deep_gradients(offsets, rows, y, first, rest, sizes, link, most, root, unit, total):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add each person's clipped mean gradient to `total` (weights,): by `first`, place by place, then by `rest`.

    With several outputs, y is the number of a row's class.
    """
    decode, each, outputs = rows[3], first.shape[1], sizes[-1]
    joint = np.ascontiguousarray(joined(decode, first).T)
    sums = np.zeros(joint.shape, dtype=np.int64)
    values, pulls = np.zeros((len(sizes), sizes.max())), np.zeros((len(sizes), sizes.max()))
    gradient, dense = np.zeros(len(rest)), np.zeros(len(rest), dtype=np.int64)
    wholes = np.zeros(each, dtype=np.int64)
    room = np.zeros(len(total), np.int64), np.empty(len(first), np.int64), np.zeros(len(first), np.bool_)
    step = root * unit
    for person in range(len(offsets) - 1):
        begin, end = offsets[person], offsets[person + 1]
        count = 0
        for row in range(begin, end):
            _forward(row, rows, joint, first, rest, sizes, values)
            _link(values[-1], outputs, link, most)
            _pull(values[-1], y[row], outputs, link, pulls[-1])
            _backward(rest, sizes, values, pulls, gradient)
            for j in range(each):
                pulls[0, j] = pulls[0, j] * step / (end - begin)
                wholes[j] = to_whole(pulls[0, j])
            for k in range(len(rest)):
                dense[k] = to_whole(gradient[k] * unit / (end - begin))
            if end - begin == 1 and _longest(wholes, dense, root) <= LIMIT:
                _add_row(row, rows, pulls[0], wholes, dense, sums, total)
            else:
                count = touch_row(row, rows, pulls[0], wholes, room, count)
                room[0][len(total) - len(dense) :] += dense
        if count > 0:
            clip_and_add(count, each, len(dense), room, total)
    spread(decode, sums.T, total)


@nb.njit(cache=True, nogil=True)
def _longest(wholes, dense, root):  # type: ignore[no-untyped-def]
    """Return the square of the most norm that a row can have: as if the numbers of all slopes were 1."""
    norm = 0.0
    for whole in wholes:
        norm += float(whole) * float(whole)
    norm *= np.rint(1.0 / (root * root))
    for whole in dense:
        norm += float(whole) * float(whole)
    return norm


@nb.njit(cache=True, nogil=True)
def _add_row(row, rows, pull, wholes, dense, sums, total):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add the vector of a person with one row, which is not too long, to the sums of cells and of other weights."""
    cells, xs, begins, _, slopes = rows
    each = len(wholes)
    for j in range(each):
        total[j] += wholes[j]
    for group in range(cells.shape[0]):
        cell = begins[group] + cells[group, row]
        for j in range(each):
            sums[cell, j] += wholes[j]
    for k in range(len(slopes)):
        for j in range(each):
            total[slopes[k] * each + j] += to_whole(pull[j] * xs[k, row])
    for k in range(len(dense)):
        total[len(total) - len(dense) + k] += dense[k]


@nb.njit(cache=True, nogil=True)
def predict_rows(rows, first, rest, sizes, link, most, found):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Write the means that a model predicts for each row into `found` (rows, outputs)."""
    joint = np.ascontiguousarray(joined(rows[3], first).T)
    values = np.zeros((len(sizes), sizes.max()))
    for row in range(found.shape[0]):
        _forward(row, rows, joint, first, rest, sizes, values)
        _link(values[-1], found.shape[1], link, most)
        for j in range(found.shape[1]):
            found[row, j] = values[-1, j]
