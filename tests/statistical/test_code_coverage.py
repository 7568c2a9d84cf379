"""Intervals of automatic code hold: simulated blocks, real noise."""

import numpy as np
import pytest

from privacy.engine.code_release import release_box
from tests.privacy.make_code import MU, box, planned

pytestmark = pytest.mark.statistical

TIMES = 100
LEAST = 0.95 - 3 * (0.95 * 0.05 / TIMES) ** 0.5
"""Three standard deviations below the promise: a method that keeps it fails once in 700 runs."""


def covered(method, draw, truth, *, d=1, people=48_842):
    """How often the first number's interval holds the truth. `draw`: (rng, shape) -> answers of blocks."""
    question, plan, offer = planned(box(d, method), MU, people)
    rng, hits = np.random.default_rng(12), 0
    for _ in range(TIMES):
        figures = release_box(question, plan, draw(rng, (plan.blocks, d)), offer.sigma)
        told = figures.lines[0].figures[0]
        if told.half_width is None:
            hits += told.low <= truth <= told.high
        else:
            hits += abs(told.value - truth) <= told.half_width
    return hits / TIMES


def normal(deviation):
    return lambda rng, shape: rng.normal(0.43, deviation, shape)


@pytest.mark.parametrize("deviation", [0.0, 0.1])
def test_intervals_of_winsorised_means_hold(deviation):
    assert covered("winsorised", normal(deviation), 0.43) >= LEAST


def test_intervals_of_winsorised_means_of_many_numbers_hold():
    assert covered("winsorised", normal(0.05), 0.43, d=2, people=100_000) >= LEAST


@pytest.mark.parametrize("deviation", [0.01, 0.1])
def test_intervals_of_medians_hold(deviation):
    assert covered("median", normal(deviation), 0.43) >= LEAST


def test_intervals_of_medians_hold_for_skewed_answers_of_few_people():
    def skewed(rng, shape):
        return rng.lognormal(-2.0, 0.6, shape)

    assert covered("median", skewed, np.exp(-2.0), d=2, people=20_000) >= LEAST


def test_intervals_of_plain_means_hold_the_mean_of_the_blocks_themselves():
    """They tell the noise alone, so only where blocks hardly differ."""
    assert covered("mean", normal(0.001), 0.43) >= LEAST
