"""Compiled passes over rows for fitted models: one step's gradients summed over people, and a model's predictions.

A row has `codes` (rows, P), the places of z that hold 1 / sqrt(F + 1), and for slopes `slopes` (rows, Q), places that
hold `xs` (rows, Q) / sqrt(F + 1); place 0 always holds 1 / sqrt(F + 1). `root` is 1 / sqrt(F + 1), and F = P + Q.

Removing a person must leave the units of all others the same, bit for bit. So a row's floats are computed in a loop
over rows, by scalar operations in a fixed order, compiled without fastmath: a product of matrices may round a row
differently when its neighbours change. Each row becomes whole units (toward zero), a person's vector is the mean of
their rows' (toward zero), it is clipped to the norm ONE as a whole, and only then added to the sum. Nothing
follows the clip that could make a vector longer.
"""

import numba as nb
import numpy as np

from privacy.engine.measure.kernels import LIMIT, REACH

LOGIT, IDENTITY, LOG, CHOICE = 0, 1, 2, 3
"""Links. LOG: the mean is exp(x), at most `most`. CHOICE: the softmax of several numbers."""
STEEP = 30.0
"""Arguments of exp are limited to +-STEEP: beyond, a probability is 0 or 1 to twelve digits."""
LARGEST = 2.0**44
"""A row's units are limited to this, so that the sum of 4,096 of them fits 63 bits."""


@nb.njit(cache=True, nogil=True)
def mean_of(link, x, most):  # type: ignore[no-untyped-def]
    """Return the mean that one number x predicts."""
    if link == LOGIT:
        return 1.0 / (1.0 + np.exp(-min(max(x, -STEEP), STEEP)))
    if link == LOG:
        return min(np.exp(min(max(x, -STEEP), STEEP)), most)
    return x


@nb.njit(cache=True, nogil=True)
def to_whole(x):  # type: ignore[no-untyped-def]
    """Return units as a whole number, toward zero."""
    return np.int64(min(max(x, -LARGEST), LARGEST))


@nb.njit(cache=True, nogil=True)
def add_gradients(offsets, rows, y, weights, link, most, root, unit, total):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0913, PLR0917
    """Add each person's clipped mean gradient (mean - y) z to `total` (width,), for a model with one output.

    `weights` (width,): those of the model times `root`. `unit`: units of a gradient of 1. Equal to `add_deep_gradients`
    without hidden layers, bit for bit.
    """
    codes, slopes, xs = rows
    parts, sloped = codes.shape[1], slopes.shape[1]
    scratch = np.zeros(len(total), dtype=np.int64)
    touched = np.empty(len(total), dtype=np.int64)
    seen = np.zeros(len(total), dtype=np.bool_)
    own = np.empty(sloped, dtype=np.int64)
    step = root * unit
    for person in range(len(offsets) - 1):
        begin, end = offsets[person], offsets[person + 1]
        count = 0
        for row in range(begin, end):
            x = weights[0]
            for k in range(parts):
                x += weights[codes[row, k]]
            for k in range(sloped):
                x += weights[slopes[row, k]] * xs[row, k]
            pull = (mean_of(link, x, most) - y[row]) * step
            whole = to_whole(pull)
            if end - begin == 1:
                _add_row(row, rows, pull, whole, own, total)
                continue
            count = _touch(0, whole, scratch, seen, touched, count)
            for k in range(parts):
                count = _touch(codes[row, k], whole, scratch, seen, touched, count)
            for k in range(sloped):
                count = _touch(slopes[row, k], to_whole(pull * xs[row, k]), scratch, seen, touched, count)
        _average(touched, count, scratch, end - begin)
        _clip_and_add(touched, count, scratch, total)
        for k in range(count):
            seen[touched[k]] = False


@nb.njit(cache=True, nogil=True)
def _add_row(row, rows, pull, whole, own, total):  # type: ignore[no-untyped-def]
    """Add the clipped gradient of a person with one row: `whole` at place 0 and each code, a part of `pull` at slopes.

    `own` (Q,): work space.
    """
    codes, slopes, xs = rows
    norm, square = 0.0, float(whole) * float(whole)
    for _ in range(codes.shape[1] + 1):
        norm += square
    for k in range(slopes.shape[1]):
        own[k] = to_whole(pull * xs[row, k])
        norm += float(own[k]) * float(own[k])
    if norm > LIMIT:
        factor = REACH / np.sqrt(norm)
        whole = np.int64(whole * factor)
        for k in range(slopes.shape[1]):
            own[k] = np.int64(own[k] * factor)
    total[0] += whole
    for k in range(codes.shape[1]):
        total[codes[row, k]] += whole
    for k in range(slopes.shape[1]):
        total[slopes[row, k]] += own[k]


@nb.njit(cache=True, nogil=True)
def _touch(place, whole, scratch, seen, touched, count):  # type: ignore[no-untyped-def]
    """Add to a place of the work space. Returns how many places are in use."""
    if not seen[place]:
        seen[place] = True
        touched[count] = place
        count += 1
    scratch[place] += whole
    return count


@nb.njit(cache=True, nogil=True)
def _average(touched, count, scratch, rows):  # type: ignore[no-untyped-def]
    """Divide the numbers at the touched places by the person's rows, toward zero."""
    if rows == 1:
        return
    for k in range(count):
        size = abs(scratch[touched[k]]) // rows
        scratch[touched[k]] = size if scratch[touched[k]] >= 0 else -size


@nb.njit(cache=True, nogil=True)
def _clip_and_add(touched, count, scratch, total):  # type: ignore[no-untyped-def]
    """Cut a person's vector to the norm ONE, toward zero, add it to the sum, and clear the work space."""
    norm = 0.0
    for k in range(count):
        norm += float(scratch[touched[k]]) * float(scratch[touched[k]])
    factor = REACH / np.sqrt(norm) if norm > LIMIT else 1.0
    for k in range(count):
        j = touched[k]
        total[j] += scratch[j] if factor == 1.0 else np.int64(scratch[j] * factor)
        scratch[j] = 0


# Models with several outputs or hidden layers. `sizes`: what the first layer makes of z, then the sizes of further
# layers up to the outputs. `first` (width, sizes[0]): its weights times `root`. `rest`: those of further layers, one
# after the other, each (to, from + 1) with the bias last. `seen`: values (layers, MAX) before the last link.


@nb.njit(cache=True, nogil=True)
def _forward(row, rows, first, rest, sizes, values):  # type: ignore[no-untyped-def]
    """Write the values of each layer for one row: tanh of hidden ones, the last as they are."""
    codes, slopes, xs = rows
    last = len(sizes) - 1
    for j in range(sizes[0]):
        x = first[0, j]
        for k in range(codes.shape[1]):
            x += first[codes[row, k], j]
        for k in range(slopes.shape[1]):
            x += first[slopes[row, k], j] * xs[row, k]
        values[0, j] = np.tanh(x) if last > 0 else x
    at = 0
    for layer in range(last):
        many = sizes[layer]
        root = 1.0 / np.sqrt(many + 1.0)
        for j in range(sizes[layer + 1]):
            x = rest[at + many]
            for i in range(many):
                x += rest[at + i] * values[layer, i]
            values[layer + 1, j] = np.tanh(x * root) if layer + 1 < last else x * root
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
        numbers[j] = np.exp(max(numbers[j] - largest, -2 * STEEP))
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
def add_deep_gradients(offsets, rows, y, first, rest, sizes, link, most, root, unit, total):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0913, PLR0917
    """Add each person's clipped mean gradient to `total` (weights,): by `first`, place by place, then by `rest`.

    With several outputs, y is the number of a row's class.
    """
    codes, slopes, xs = rows
    width, each, outputs = first.shape[0], first.shape[1], sizes[-1]
    values, pulls = np.zeros((len(sizes), sizes.max())), np.zeros((len(sizes), sizes.max()))
    gradient = np.zeros(len(rest))
    scratch = np.zeros(width * each + len(rest), dtype=np.int64)
    touched = np.empty(width + len(rest), dtype=np.int64)
    seen = np.zeros(width, dtype=np.bool_)
    step = root * unit
    for person in range(len(offsets) - 1):
        begin, end = offsets[person], offsets[person + 1]
        count = 0
        for row in range(begin, end):
            _forward(row, rows, first, rest, sizes, values)
            _link(values[-1], outputs, link, most)
            for j in range(outputs):
                pulls[-1, j] = values[-1, j]
            if link == CHOICE:
                pulls[-1, np.int64(y[row])] -= 1.0
            else:
                pulls[-1, 0] -= y[row]
            _backward(rest, sizes, values, pulls, gradient)
            pull = pulls[0]
            count = _touch_all(0, 1.0, pull, each, step, scratch, seen, touched, count)
            for k in range(codes.shape[1]):
                count = _touch_all(codes[row, k], 1.0, pull, each, step, scratch, seen, touched, count)
            for k in range(slopes.shape[1]):
                place, x = slopes[row, k], xs[row, k]
                count = _touch_all(place, x, pull, each, step, scratch, seen, touched, count)
            for k in range(len(rest)):
                scratch[width * each + k] += to_whole(gradient[k] * unit)
        for k in range(count):
            seen[touched[k]] = False
        _finish(touched, count, each, len(rest), scratch, end - begin, total)


@nb.njit(cache=True, nogil=True)
def _touch_all(place, x, pull, each, step, scratch, seen, touched, count):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Add the gradient by the `each` weights of a place. Returns how many places are in use."""
    if not seen[place]:
        seen[place] = True
        touched[count] = place
        count += 1
    for j in range(each):
        scratch[place * each + j] += to_whole(pull[j] * step * x)
    return count


@nb.njit(cache=True, nogil=True)
def _finish(touched, count, each, dense, scratch, rows, total):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Average, clip and add a person's vector: the touched places and all `dense` numbers at the end."""
    flat = np.empty(count * each + dense, dtype=np.int64)
    for k in range(count):
        for j in range(each):
            flat[k * each + j] = touched[k] * each + j
    for k in range(dense):
        flat[count * each + k] = len(total) - dense + k
    _average(flat, len(flat), scratch, rows)
    _clip_and_add(flat, len(flat), scratch, total)


@nb.njit(cache=True, nogil=True)
def predict_rows(rows, first, rest, sizes, link, most, found):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Write the means that a model predicts for each row into `found` (rows, outputs)."""
    values = np.zeros((len(sizes), sizes.max()))
    for row in range(found.shape[0]):
        _forward(row, rows, first, rest, sizes, values)
        _link(values[-1], found.shape[1], link, most)
        for j in range(found.shape[1]):
            found[row, j] = values[-1, j]
