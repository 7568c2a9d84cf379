"""How good a model is on people whom it was not trained on, from one release with noise.

Each person who tests adds one vector of at most ONE: the shares of their rows in cells of a histogram, or powers.
They pay for nothing else, so that this release may have as little noise as all releases of the training together.

An interval holds with 95 % what the figure would be over all people like those who test: it covers the noise and which
people happen to test, by the delta method. A person with several rows counts with their mean; the variance between rows
is taken for that between people, which is no smaller.
"""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from privacy.engine.figures import CLEAR, Figure
from privacy.engine.fit_rows import Chosen
from privacy.engine.measure.contributions import ONE, SHRINK, SUM, contribute
from privacy.engine.measure.evaluate import Floats
from privacy.engine.measure.mechanisms import MIN_SIGMA, add_noise
from privacy.engine.plan.fits import POISSON, FitPlan
from privacy.engine.plan.pricing import Z95, joined_sigma
from privacy.engine.training import Trained

SCORES, LEVELS = 20, 10
"""Parts of the predictions of a probability, and of a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noisy:
    """Released numbers, in people. `sd`: the standard deviation of the noise of each. Shapes are the same."""

    counts: Floats
    sd: Floats


def held_out_sigma(sigma: int, releases: int) -> int:
    """Return the noise of one release that costs no more than `releases` at `sigma`; at least MIN_SIGMA."""
    return max(joined_sigma(sigma, releases), MIN_SIGMA)


def held_out(plan: FitPlan, model: Trained, chosen: Chosen, sigma: int) -> dict[str, Any]:
    """Release how good a model is on these people: people, measures, calibration; for a choice also who was taken for
    what. `sigma`: the noise of this one release."""
    match plan.family:
        case "logistic":
            return _probability(model, chosen, sigma)
        case "multinomial":
            return _choice(plan, model, chosen, sigma)
        case _:
            return _number(plan, model, chosen, sigma)


def _histogram(chosen: Chosen, cells: Any, shape: tuple[int, int], sigma: int) -> Noisy:
    """Release the people in each cell. A person adds to a cell the share of their rows there: together at most ONE."""
    units = (ONE // chosen.rows_each)[:, None]
    many = shape[0] * shape[1]
    total = contribute(chosen.offsets, cells.astype(np.int32), units, size=many, mode=SUM).total
    counts = add_noise(total, sigma)[:, 0].reshape(shape) / ONE
    return Noisy(counts=counts, sd=np.full(shape, sigma / ONE))


def _ratio(name: str, noisy: Noisy, inside: Any) -> Figure:
    """Return the share of people in the cells `inside`, of the same shape."""
    n = float(noisy.counts.sum())
    if n < max(1.0, CLEAR * float(np.linalg.norm(noisy.sd))):
        return Figure(name=name, value=None, half_width=None)
    share = min(max(float(noisy.counts[inside].sum()) / n, 0.0), 1.0)
    return Figure(name=name, value=share, half_width=_half(noisy, (inside - share) / n))


def _half(noisy: Noisy, gradient: Floats) -> float:
    """Return half the width of the interval of a ratio of counts with this gradient.

    The counts are a sample of a multinomial distribution: its variance, for a ratio, is that of independent counts.
    """
    sample = float((np.maximum(noisy.counts, 0.0) * gradient**2).sum())
    return Z95 * math.sqrt(sample + float(((noisy.sd * gradient) ** 2).sum()))


def _people(counts: Noisy) -> Figure:
    width = Z95 * float(np.linalg.norm(counts.sd))
    return Figure(name="people", value=float(counts.counts.sum()), half_width=width)


def _described(people: Figure, measures: list[Figure], calibration: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "people": asdict(people),
        "measures": [asdict(figure) for figure in measures],
        "calibration": calibration,
    }


# Probabilities


def _probability(model: Trained, chosen: Chosen, sigma: int) -> dict[str, Any]:
    edges = score_edges(model.mean)
    scores = model.predict(chosen)[:, 0]
    parts = np.searchsorted(edges[1:-1], scores, side="right")
    noisy = _histogram(chosen, chosen.y * SCORES + parts, (2, SCORES), sigma)
    yes = np.zeros((2, SCORES), dtype=np.bool_)
    yes[1] = True
    taken = np.tile(np.array(edges[:-1]) >= 0.5, (2, 1))
    measures = [
        _ratio("accuracy", noisy, yes == taken),
        _area(noisy, np.diff(edges)),
        _ratio("base_rate", noisy, yes),
    ]
    calibration = [
        _level(low, high, Noisy(counts=noisy.counts[:, [k]], sd=noisy.sd[:, [k]]))
        for k, (low, high) in enumerate(pairwise(edges))
    ]
    return _described(_people(noisy), measures, calibration)


def score_edges(mean: float) -> tuple[float, ...]:
    """Return the ends of the parts of a probability: narrower around the released mean, and with 1/2 among them.

    Equal parts of q = p (1 - m) / (p (1 - m) + (1 - p) m), so that rare outcomes are not all in the first part.
    """
    q = np.linspace(0.0, 1.0, SCORES + 1)
    edges = q * mean / (q * mean + (1 - q) * (1 - mean))
    half = (1 - mean) / ((1 - mean) + mean)
    nearest = min(max(round(half * SCORES), 1), SCORES - 1)
    edges[nearest] = 0.5
    return tuple(map(float, edges))


def _area(noisy: Noisy, widths: Floats) -> Figure:
    """Return the area under the ROC curve: how often a yes has a higher score than a no, ties counting half.

    Scores in the same part are ties. If they are spread evenly there and calibrated, that hides
    sum n_k**2 w_k / 12 of all pairs, for parts of the width w: the interval is wider by as much.
    """
    no, yes = noisy.counts
    many_no, many_yes = float(no.sum()), float(yes.sum())
    if min(many_no, many_yes) < max(1.0, CLEAR * float(np.linalg.norm(noisy.sd[0]))):
        return Figure(name="auc", value=None, half_width=None)
    below = np.cumsum(no) - no / 2
    above = many_yes - np.cumsum(yes) + yes / 2
    pairs = many_no * many_yes
    area = min(max(float(yes @ below) / pairs, 0.0), 1.0)
    gradient = np.array([above - area * many_yes, below - area * many_no]) / pairs
    hidden = float((np.maximum(no + yes, 0.0) ** 2 * widths).sum()) / 12 / pairs
    return Figure(name="auc", value=area, half_width=_half(noisy, gradient) + hidden)


def _level(low: float, high: float, noisy: Noisy) -> dict[str, Any]:
    """Return a line of the calibration: the observed share of those whose prediction is in a part."""
    inside = np.array([[False], [True]])
    found = _ratio("observed", noisy, inside)
    return {
        "from": low,
        "to": high,
        "people": float(noisy.counts.sum()),
        "predicted": (low + high) / 2,
        "observed": found.value,
        "half_width": found.half_width,
    }


# Choices


def _choice(plan: FitPlan, model: Trained, chosen: Chosen, sigma: int) -> dict[str, Any]:
    many = plan.outputs
    taken = np.argmax(model.predict(chosen), axis=1)
    noisy = _histogram(chosen, chosen.y * many + taken, (many, many), sigma)
    largest = np.zeros((many, many), dtype=np.bool_)
    largest[int(noisy.counts.sum(axis=1).argmax())] = True
    measures = [
        _ratio("accuracy", noisy, np.eye(many, dtype=np.bool_)),
        _ratio("base_rate", noisy, largest),
    ]
    return {**_described(_people(noisy), measures, []), "confusion": noisy.counts.tolist()}


# Numbers

POWERS = 9
WEIGHTS = np.array([0.5, 0.5, 1.0, 1.0, *[0.5] * (POWERS - 4 + 2 * LEVELS)])
"""Of n and t; of t^2 and e^2, where noise matters most; of the powers that widths of intervals need; of the levels."""
LENGTH = math.sqrt(2 + (POWERS - 2) / 4 + 2 / 4)
"""The most norm of a person's weighted vector: each number is at most 1, and two of those of the levels are not 0."""
SPREADS = 4.0
"""Errors count up to so many standard deviations of the outcome. The noise of a square is that much smaller."""


def _number(plan: FitPlan, model: Trained, chosen: Chosen, sigma: int) -> dict[str, Any]:
    """R squared and the root mean square error, of errors e and distances t from the released mean.

    Both are counted in units of a limit: SPREADS, or the width of the bounds. Larger ones count as that: the
    answer says so.
    """
    low = 0.0 if plan.family == POISSON else -1.0
    limit = min(SPREADS * model.spread, 1.0 - low)
    scale = model.mean if plan.family == POISSON else 1.0
    predicted = np.clip(model.predict(chosen)[:, 0] * scale, low, 1.0)
    e = np.clip((chosen.y - predicted) / limit, -1.0, 1.0)
    t = np.clip((chosen.y - model.mean) / limit, -1.0, 1.0)
    ends = np.linspace(-1.0, 1.0, LEVELS + 1) if low else _level_ends(model.mean)
    parts = np.searchsorted(ends[1:-1], predicted, side="right")
    values = np.zeros((len(t), len(WEIGHTS)))
    tt, ee = t * t, e * e
    for k, each in enumerate((np.ones_like(t), t, tt, ee, tt * t, tt * tt, ee * ee, ee * t, ee * tt)):
        values[:, k] = each
    rows = np.arange(len(t))
    values[rows, POWERS + 2 * parts] = 1.0
    values[rows, POWERS + 2 * parts + 1] = chosen.y
    each = np.trunc(values * (WEIGHTS * (ONE * SHRINK / LENGTH))).astype(np.int64)
    units = np.sign(each) * (np.abs(each) // chosen.rows_each[:, None])
    cells = np.zeros(len(t), dtype=np.int32)
    total = contribute(chosen.offsets, cells, units, size=1, mode=SUM).total
    unit = LENGTH / (ONE * WEIGHTS)
    noisy = Noisy(counts=add_noise(total, sigma)[0] * unit, sd=sigma * unit)
    people = Figure(name="people", value=float(noisy.counts[0]), half_width=Z95 * float(noisy.sd[0]))
    described = _described(people, _moments(noisy, limit * plan.half), _levels(plan, noisy, ends))
    return {**described, "limit": limit * plan.half}


def _level_ends(mean: float) -> Floats:
    """Return the ends of up to LEVELS levels of a rate: equal parts of r / (r + mean), the last one up to the most."""
    q = np.arange(LEVELS) / LEVELS
    ends: Floats = np.unique(np.append(np.minimum(mean * q / (1 - q), 1.0), 1.0))
    return ends


def _moments(noisy: Noisy, unit: float) -> list[Figure]:
    n = float(noisy.counts[0])
    lost = [Figure(name=name, value=None, half_width=None) for name in ("r_squared", "rmse")]
    if n < max(1.0, CLEAR * float(noisy.sd[0])):
        return lost
    a, b, m, a3, a4, e4, ea, eb = (float(count) / n for count in noisy.counts[1:POWERS])
    v = b - a * a
    if v * n < CLEAR * float(noisy.sd[2]) or m <= 0:
        return lost
    # What the sample does to e^2 and (t - a)^2: their variances and covariance, within what is possible.
    var_e = min(max(e4 - m * m, 0.0), m)
    var_t = max(a4 - 4 * a * a3 + 6 * a * a * b - 3 * a**4 - v * v, 0.0)
    both = eb - 2 * a * ea + a * a * m - m * v
    reach = math.sqrt(var_e * var_t)
    both = min(max(both, -reach), reach)
    sample = (var_e / v**2 - 2 * m / v**3 * both + m * m / v**4 * var_t) / n
    gradient = np.array([m / v + m * (2 * a * a - b) / v**2, -2 * a * m / v**2, m / v**2, -1 / v]) / n
    noise = float(((gradient * noisy.sd[:4]) ** 2).sum())
    error = math.sqrt(m)
    slope = np.array([-m, 1.0]) / (2 * error * n)
    spread = var_e / n / (4 * m) + float(((slope * noisy.sd[[0, 3]]) ** 2).sum())
    return [
        Figure(name="r_squared", value=1 - m / v, half_width=Z95 * math.sqrt(sample + noise)),
        Figure(name="rmse", value=error * unit, half_width=Z95 * math.sqrt(spread) * unit),
    ]


def _levels(plan: FitPlan, noisy: Noisy, ends: Floats) -> list[dict[str, Any]]:
    """Return the calibration: the observed mean of those whose prediction is in a part, in the outcome's own unit.

    Its interval covers noise and sample; an outcome between its bounds varies by at most the root of (1 - y)(y - low).
    """
    lines = []
    low = float(ends[0])
    for k, (begin, end) in enumerate(pairwise(map(float, ends))):
        at = POWERS + 2 * k
        n, sd = float(noisy.counts[at]), float(noisy.sd[at])
        observed = half = None
        if n >= max(1.0, CLEAR * sd):
            y = min(max(float(noisy.counts[at + 1]) / n, low), 1.0)
            spread = (1 - y) * (y - low) / n + (1 + y * y) * (sd / n) ** 2
            observed, half = plan.middle + plan.half * y, Z95 * math.sqrt(spread) * plan.half
        lines.append(
            {
                "from": plan.middle + plan.half * begin,
                "to": plan.middle + plan.half * end,
                "people": n,
                "predicted": plan.middle + plan.half * (begin + end) / 2,
                "observed": observed,
                "half_width": half,
            }
        )
    return lines
