"""Training with noise: gradient descent on sums of clipped per-person gradients, each released with Gaussian noise.

Step t adds, for each person, a function of their own rows, of the weights before it and of public numbers. The weights
follow from the noisy sums so far, so all of them count as released, and the argument for questions asked one after the
other holds word for word: releases of one clip each, all paid beforehand. After `add_noise` everything is public:
momentum, the limit on the weights, the mean of the last half of them.

Nothing here is tuned on rows. The first release, the noisy number of people and the sums of their outcomes and of the
squares, gives the size of a mean gradient, the start, and the clip of an amount or of events. Steps are a number of the
question, and there is no early stop.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from privacy.engine.fit_rows import Chosen
from privacy.engine.measure.contributions import ONE, SUM, Integers, contribute
from privacy.engine.measure.deep_fits import add_deep_gradients, predict_rows
from privacy.engine.measure.evaluate import Bools, Floats
from privacy.engine.measure.fits import CHOICE, IDENTITY, LOG, LOGIT, add_gradients
from privacy.engine.measure.mechanisms import add_noise
from privacy.engine.plan.fits import LINEAR, LOGISTIC, MULTINOMIAL, POISSON, FitPlan

MOMENTUM = 0.9
LONGEST = 50.0
"""The most norm of all weights together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a family is trained. `clip`: the most norm of a person's gradient. `rate`, `deep_rate`: the step size without
    and with hidden layers."""

    link: int
    clip: float
    rate: float
    deep_rate: float = 6.0


RULES = {
    LOGISTIC: Rule(link=LOGIT, clip=1.0, rate=12.0),
    LINEAR: Rule(link=IDENTITY, clip=1.0, rate=3.0),
    POISSON: Rule(link=LOG, clip=4.0, rate=1.5, deep_rate=1.5),
    MULTINOMIAL: Rule(link=CHOICE, clip=1.0, rate=6.0),
}
THIRD = math.trunc(math.sqrt(1 / 3) * ONE)
"""Units of each of three numbers that are at most ONE together."""
SPREADS = 2.0
"""The gradient of an amount is cut at so many standard deviations of the outcome, if that is below the clip."""
LEAST_MEAN = 1e-3
"""The least mean of an outcome between 0 and 1 that is relied on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A released model. `people`: their noisy number. `mean`, `spread`: the noisy mean and standard deviation of the
    scaled outcome.

    `first` (width, first layer) and `rest`: weights as the compiled passes take them, with everything multiplied in.
    """

    people: float
    mean: float
    spread: float
    first: Floats
    rest: Floats
    sizes: Integers
    link: int
    most: float

    def predict(self, chosen: Chosen) -> Floats:
        """Return the predicted means: shape (rows, outputs), in units of the scaled outcome. Events: of their mean."""
        found = np.empty((len(chosen.y), int(self.sizes[-1])))
        predict_rows(chosen.places, self.first, self.rest, self.sizes, self.link, self.most, found)
        return found


def train(plan: FitPlan, chosen: Chosen, sigma: int) -> Trained:
    """Train on these people, with noise of `sigma` units for each of `plan.releases` releases."""
    rule = RULES[plan.family]
    people, mean, spread = _size(plan, chosen, sigma)
    y, most, clip = chosen.y, 1.0, rule.clip
    if plan.family == POISSON:  # relative to the mean, so that one clip fits rare and frequent events
        y, most = chosen.y / mean, 1.0 / mean
        clip = min(clip, most)
    if plan.family == LINEAR:
        clip = min(clip, SPREADS * spread)
    shape = _Shape(plan, _start(plan, mean))
    unit = ONE / clip

    def gradient(weights: Floats) -> Floats:
        total = np.zeros(plan.weights, dtype=np.int64)
        first, rest = shape.split(weights)
        if not plan.layers:
            add_gradients(chosen.offsets, chosen.places, y, first, rule.link, most, shape.root, unit, total)
        else:
            add_deep_gradients(
                chosen.offsets,
                chosen.places,
                y,
                first,
                rest,
                shape.sizes,
                rule.link,
                most,
                shape.root,
                unit,
                total,
            )
        noisy = np.zeros(plan.weights)
        noisy[shape.moving] = add_noise(total[shape.moving], sigma)
        return noisy * (clip / (ONE * people))

    rate = rule.deep_rate if plan.layers else rule.rate
    first, rest = shape.split(descend(gradient, shape.initial(), plan.steps, rate))
    return Trained(
        people=people,
        mean=mean,
        spread=spread,
        first=first,
        rest=rest,
        sizes=shape.sizes,
        link=rule.link,
        most=most,
    )


def descend(gradient: Callable[[Floats], Floats], start: Floats, steps: int, rate: float) -> Floats:
    """Return the mean of the last half of the weights of gradient descent with momentum."""
    weights, speed, kept = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(steps):
        speed = MOMENTUM * speed + gradient(weights)
        weights = weights - rate * speed
        length = float(np.linalg.norm(weights))
        if length > LONGEST:
            weights *= LONGEST / length
        if step >= steps // 2:
            kept += weights
    return kept / (steps - steps // 2)


def _size(plan: FitPlan, chosen: Chosen, sigma: int) -> tuple[float, float, float]:
    """Release the number of people, at least 1, and the mean and standard deviation of their outcomes.

    A person adds THIRD to the one, and up to THIRD, either way, to the sums of outcomes and of their squares: together
    no more than ONE. A deviation is not below what noise may hide. A choice has neither, and 0 in their place.
    """
    y = np.zeros(len(chosen.y)) if plan.family == MULTINOMIAL else chosen.y
    each = THIRD // chosen.rows_each
    units = np.column_stack(
        [each, np.trunc(each * y).astype(np.int64), np.trunc(each * (y * y)).astype(np.int64)]
    )
    cells = np.zeros(len(y), dtype=np.int32)
    total = contribute(chosen.offsets, cells, units, size=1, mode=SUM).total
    number, outcome, square = map(float, add_noise(total, sigma)[0] / THIRD)
    people = max(number, 1.0)
    low = -1.0 if plan.family == LINEAR else LEAST_MEAN
    high = 1.0 - LEAST_MEAN if plan.family == LOGISTIC else 1.0
    mean = min(max(outcome / people, low), high)
    variance = max(min(square / people, 1.0) - mean * mean, min(sigma / THIRD / people, 1.0))
    return people, mean, math.sqrt(variance)


def _start(plan: FitPlan, mean: float) -> float:
    """Return the number, before its link, that predicts the mean for everybody."""
    match plan.family:
        case "logistic":
            return math.log(mean / (1 - mean))
        case "linear":
            return mean
        case _:  # events are relative to their mean, and no value is chosen more often than another
            return 0.0


class _Shape:
    """How a vector of weights becomes the arrays of the compiled passes.

    Training moves weights from 0 (hidden layers: from fixed small numbers), beside a constant start in the output.
    """

    def __init__(self, plan: FitPlan, start: float) -> None:
        self.plan, self.start = plan, start
        self.root = 1.0 / math.sqrt(len(plan.features) + 1.0)
        self.sizes: Integers = np.array([*plan.layers, plan.outputs], dtype=np.int64)

    @cached_property
    def moving(self) -> Bools:
        """Return which weights move. The others stay 0, and nothing is released for them."""
        found = np.ones(self.plan.weights, dtype=np.bool_)
        first = found[: self.plan.width * self.plan.first].reshape(self.plan.width, self.plan.first)
        first[[each.missing for each in self.plan.features if not each.can_be_missing]] = False
        return found

    def split(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return (first, rest)."""
        cut = self.plan.width * self.plan.first
        first = weights[:cut].reshape(self.plan.width, self.plan.first) * self.root
        rest = weights[cut:].copy()
        if self.plan.outputs == 1 and len(rest):
            rest[-1] += self.start * math.sqrt(self.plan.layers[-1] + 1.0)
        elif self.plan.outputs == 1:
            first[0, 0] += self.start
        return first, rest

    def initial(self) -> Floats:
        """Return where training starts: 0, but in all layers but the last fixed numbers from -1 to 1.

        They are the fractions of multiples of the golden ratio, the same on every machine. With zeros, all units of a
        layer would stay the same.
        """
        weights = np.zeros(self.plan.weights)
        if self.plan.layers:
            inner = self.plan.weights - (self.plan.layers[-1] + 1) * self.plan.outputs
            weights[:inner] = 2 * np.modf(np.arange(1, inner + 1) * ((math.sqrt(5) - 1) / 2))[0] - 1
        return weights * self.moving
