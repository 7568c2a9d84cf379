"""From the answers of blocks to released figures: limit, sum in whole numbers, add noise, post-process.

`answers` come from code that nobody trusts, a row per block. A row of NaN is a block that failed, was late or holds
nobody: a constant takes its place (the middle of a box, 0 of a ball, no vote). Each row is turned into integer units by
itself, within the limits that `plan.blocks` gives, and nothing is added to a sum but these integers. So whatever one
block answers, with or without a person, no sum moves by more than ONE. Sums are private until `add_noise`.

A winsorised mean limits answers by quartiles that have been released: they are the same constants for every block.
"""

import math
from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from scipy.special import stdtrit

from privacy.engine.figures import Figure, FigureLine, Figures
from privacy.engine.language.code import Ball, Box, CodeQuestion, Shape, Votes
from privacy.engine.measure.contributions import ONE, Integers
from privacy.engine.measure.evaluate import EVERYWHERE, Floats, Values
from privacy.engine.measure.mechanisms import add_noise
from privacy.engine.measure.ranks import Ranks
from privacy.engine.plan.blocks import (
    BALL,
    COARSE,
    HALF,
    MEAN,
    MEDIAN,
    PLACES,
    QUARTILES,
    VOTES,
    WINSORISED,
    BlockPlan,
    mean_sigma,
    step_of,
)
from privacy.engine.plan.pricing import NORMAL, Z95
from privacy.engine.plan.searches import Grid, SearchResult, certain, search

QUARTILES_APART = NORMAL.inv_cdf(QUARTILES[1]) - NORMAL.inv_cdf(QUARTILES[0])
"""Standard deviations between the quartiles of a normal distribution."""

S = TypeVar("S", bound=Shape)


def release_box(question: CodeQuestion, plan: BlockPlan, answers: Floats, sigma: int) -> Figures:
    """Release the numbers of a box with their 95 % intervals. `answers`: (blocks, numbers)."""
    box = _shape(question, plan, Box)
    places = _places(box, _checked(plan, answers))
    match plan.method:
        case "mean":
            parts = _mean(plan, places, sigma)
        case "winsorised":
            parts = _winsorised(plan, places, sigma)
        case _:  # a median
            parts = [_median(plan, column, sigma) for column in places.T]
    found = zip(box.names, box.lower, box.upper, parts, strict=True)
    return _figures("output", [(name, _scaled(part, low, high)) for name, low, high, part in found])


def release_votes(question: CodeQuestion, plan: BlockPlan, answers: Floats, sigma: int) -> Figures:
    """Release the share of blocks that answered each label, with the 95 % interval of its noise.

    `answers`: (blocks, 1), the number of each block's label. Anything else is no vote, so shares may add up to less.
    """
    labels = _shape(question, plan, Votes).labels
    voted = _checked(plan, answers)[:, 0]
    step = step_of(plan)
    cast = np.flatnonzero((voted >= 0) & (voted < len(labels)) & (np.floor(voted) == voted))
    counts = np.bincount(voted[cast].astype(np.int64), minlength=len(labels)).astype(np.int64) * step
    unit = 1 / (step * plan.blocks)
    shares = np.clip(add_noise(counts, sigma) * unit, 0.0, 1.0)
    width = Z95 * sigma * unit
    told = [Figure(name="share", value=float(share), half_width=width) for share in shares]
    return _figures("label", zip(labels, told, strict=True))


def average_ball(question: CodeQuestion, plan: BlockPlan, answers: Floats, sigma: int) -> Floats:
    """Release the average of the blocks' vectors: of their changes, if there are rounds. Shape (size,).

    `answers`: (blocks, size). The state after a round is the one before it plus this, from the question's own start or
    zeros. So in every round a block answers from a ball around 0, and its default is 0: around a state that moves, "no
    change" of a block that fails could lie further than 2 C from what the same block would have answered.
    """
    ball = _shape(question, plan, Ball)
    total = np.zeros(ball.size, dtype=np.int64)
    for answer in _checked(plan, answers):
        total += _ball_units(answer, ball.radius)
    noisy: Floats = add_noise(total, sigma).astype(np.float64)
    return noisy * (ball.radius / (HALF * plan.blocks))


def ball_figures(question: CodeQuestion, plan: BlockPlan, state: Floats, sigma: int) -> Figures:
    """Return the released numbers of a ball, `state` (size,), as figures.

    With the 95 % interval of their noise after one round. After several there is none: blocks answer to the noise of
    the rounds before.
    """
    ball = _shape(question, plan, Ball)
    width = Z95 * sigma * ball.radius / (HALF * plan.blocks) if ball.rounds == 1 else None
    told = [Figure(name="value", value=float(value), half_width=width) for value in state]
    return _figures("weight", zip(map(str, range(ball.size)), told, strict=True))


METHODS_OF: dict[type, set[str]] = {
    Box: {MEAN, WINSORISED, MEDIAN},
    Ball: {BALL},
    Votes: {VOTES},
}


def _shape(question: CodeQuestion, plan: BlockPlan, kind: type[S]) -> S:
    """Return the shape. Raises TypeError if it, or the plan, is of another kind: the units would be wrong."""
    if not isinstance(question.shape, kind) or plan.method not in METHODS_OF[kind]:
        declared = type(question.shape).__name__
        raise TypeError(f"This is a {declared}, planned as {plan.method}, and not a {kind.__name__}.")
    return question.shape


def _checked(plan: BlockPlan, answers: Floats) -> Floats:
    """Return the answers. Raises ValueError unless each block has one row of the declared width."""
    if answers.shape != (plan.blocks, plan.outputs) or answers.dtype != np.float64:
        wanted = f"({plan.blocks}, {plan.outputs})"
        raise ValueError(f"Answers must be floats of shape {wanted}, not {answers.dtype} {answers.shape}.")
    return answers


def _figures(by: str, found: Iterable[tuple[str, Figure]]) -> Figures:
    return Figures(by=(by,), lines=tuple(FigureLine(key=(key,), figures=(told,)) for key, told in found))


def _scaled(part: Figure, low: float, high: float) -> Figure:
    """Return a figure between 0 and 1 as one between these bounds."""

    def at(place: float | None) -> float | None:
        return None if place is None else low + place * (high - low)

    half = None if part.half_width is None else part.half_width * (high - low)
    return Figure(name="value", value=at(part.value), half_width=half, low=at(part.low), high=at(part.high))


def _places(box: Box, answers: Floats) -> Floats:
    """Return where each number lies between its bounds, from 0 to 1: in the middle if it is none. Same shape."""
    low, high = np.array(box.lower), np.array(box.upper)
    numbers = np.where(np.isfinite(answers), answers, low / 2 + high / 2)
    places: Floats = (np.clip(numbers, low, high) - low) / (high - low)
    return places


def _sum_of_box(plan: BlockPlan, places: Floats, low: Floats, high: Floats) -> Integers:
    """Return the sums of whole units, from 0 to `step_of` for each block between these limits. Shape (numbers,)."""
    step = step_of(plan)
    units = np.floor((np.clip(places, low, high) - low) / (high - low) * step).astype(np.int64)
    total: Integers = np.clip(units, 0, step).sum(axis=0)
    return total


def _mean(plan: BlockPlan, places: Floats, sigma: int) -> list[Figure]:
    """Return the mean of each number between 0 and 1, with the interval of its noise."""
    unit = 1 / (step_of(plan) * plan.blocks)
    whole = np.zeros(plan.outputs), np.ones(plan.outputs)
    means = np.clip(add_noise(_sum_of_box(plan, places, *whole), sigma) * unit, 0.0, 1.0)
    return [Figure(name="mean", value=float(mean), half_width=Z95 * sigma * unit) for mean in means]


def _winsorised(plan: BlockPlan, places: Floats, sigma: int) -> list[Figure]:
    """Return the mean of answers no further than their distance from the quartiles, which are released first.

    The interval holds the noise, and how far blocks differ: the standard deviation by the quartiles, over the root of
    the number of blocks, with a quantile of Student's t because the quartiles are noisy themselves.
    """
    found = [[_search(COARSE, column, share, sigma) for share in QUARTILES] for column in places.T]
    # Noise may swap them. The limits are the outer edges of their cells, so they are never equal.
    first = np.array([min(result.value for result in pair) for pair in found]) / COARSE.cells
    last = np.array([max(result.value for result in pair) + 1 for pair in found]) / COARSE.cells
    apart = last - first
    low, high = np.maximum(first - apart, 0.0), np.minimum(last + apart, 1.0)
    noise = mean_sigma(plan, sigma)
    unit = (high - low) / (step_of(plan) * plan.blocks)
    means = np.clip(low + add_noise(_sum_of_box(plan, places, low, high), noise) * unit, low, high)
    spread = apart / QUARTILES_APART / math.sqrt(plan.blocks)
    widths = np.hypot(Z95 * noise * unit, _student(plan, sigma) * spread)
    pairs = zip(means, widths, strict=True)
    return [Figure(name="mean", value=float(mean), half_width=float(width)) for mean, width in pairs]


def _student(plan: BlockPlan, sigma: int) -> float:
    """Return the quantile for a standard deviation that is known from two noisy quartiles of normal answers.

    The variance of a quartile's rank is that of one step's noise and of a sample; over the density there it is that of
    the quartile. A deviation with the relative error r is as good as one from 1 / (2 r**2) degrees of freedom.
    """
    share = QUARTILES[0]
    rank = math.hypot(sigma / (ONE * plan.blocks), math.sqrt(share * (1 - share) / plan.blocks))
    error = math.sqrt(2) * rank / NORMAL.pdf(NORMAL.inv_cdf(share)) / QUARTILES_APART
    return float(stdtrit(1 / (2 * error**2), 0.975))


def _median(plan: BlockPlan, column: Floats, sigma: int) -> Figure:
    """Return the median of one number between 0 and 1, with an interval for the median of all such blocks.

    Let m be that median, and S the signed count at a stop, which never falls. Over samples of k blocks S(m) has at
    least the mean 0, at most the standard deviation ONE sqrt(k) / 2, and is about normal. A step is wrong on the low
    side only if its stop is at or above m and its noisy count below -w, so that S(m) plus fresh noise is below -w; on
    the high side likewise. With w = z hypot(sigma, ONE sqrt(k) / 2) and z = Phi^-1(1 - 0.05 / (2 steps)) either happens
    in some step in at most 5 of 100 cases.
    """
    unsure = certain(2 * PLACES.steps) * math.hypot(sigma, ONE * math.sqrt(plan.blocks) / 2)
    found = _search(PLACES, column, 0.5, sigma, unsure)
    value, low, high = found.value + 0.5, found.low, found.high + 1
    cells = PLACES.cells
    return Figure(name="median", value=value / cells, half_width=None, low=low / cells, high=high / cells)


def _search(
    grid: Grid, column: Floats, share: float, sigma: int, unsure: float | None = None
) -> SearchResult:
    """Search a quantile of places between 0 and 1 among the cells of a grid: the result is a number of a cell."""
    cells = np.clip(np.floor(column * grid.cells), 0, grid.cells - 1)
    weight = math.ceil(max(share, 1 - share) * ONE)
    each = np.arange(len(cells) + 1)
    ranks = Ranks(each, EVERYWHERE, Values(cells, EVERYWHERE), grid.stops, weight, EVERYWHERE)
    signs = math.trunc((1 - share) * ONE), math.trunc(-share * ONE)
    return search(grid, signs, sigma, ranks, unsure)


def _ball_units(answer: Floats, radius: float) -> Integers:
    """Return one block's vector in units, cut toward zero to the norm HALF, exactly. Shape as the answer.

    The direction is rounded to whole numbers of at most HALF first. Their norm is computed exactly and rounded up, and
    the length is a whole number of at most HALF, so that only whole numbers are multiplied and divided.
    """
    largest = float(np.abs(answer).max())
    if not 0 < largest < math.inf:  # a NaN is not
        return np.zeros(len(answer), dtype=np.int64)
    direction = np.trunc(answer / largest * HALF).astype(np.int64)
    norm = math.isqrt(_square(direction) - 1) + 1
    length = math.floor(min(largest / radius, 1.0) * HALF)
    length = min(length, HALF * HALF // norm)
    units: Integers = np.sign(direction) * (np.abs(direction) * length // HALF)
    return units


def _square(units: Integers) -> int:
    """Return the squared norm of a vector of whole numbers of at most HALF, exactly.

    Each number is split into two of 15 bits, so that no sum over MAX_WEIGHTS of them passes 63 bits.
    """
    high, low = np.abs(units) >> 15, np.abs(units) & (2**15 - 1)
    return (int(high @ high) << 30) + (int(high @ low) << 16) + int(low @ low)
