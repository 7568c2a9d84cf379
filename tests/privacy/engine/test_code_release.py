"""Automatic code under attack: whatever one block answers, no sum moves by more than everybody is charged for."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from privacy.engine import code_release
from privacy.engine.code_release import average_ball, ball_figures, release_box, release_votes
from privacy.engine.language.code import Ball, Votes
from privacy.engine.measure.contributions import CAP, ONE
from privacy.engine.measure.mechanisms import add_noise
from privacy.engine.plan import searches
from privacy.engine.plan.blocks import HALF, BlockPlan, mean_sigma, offer_of, step_of
from privacy.engine.plan.pricing import Z95
from tests.privacy.make_code import CHOSEN, SHAPES, asked, box, planned

BLOCKS = 20
HOSTILE = [
    math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e308, -1e308, 1e30, -1e30, 1e-30, 1.0, -1.0,
    2.0**-30, 1 - 2.0**-53, 1 + 2.0**-52, 0.5, 3.0, 59.9, 60.0, -5.0, 4.0, -4.0, 4 - 2.0**-50, 2.0**31, -(2.0**63),
]  # fmt: skip
RELEASE = {
    "mean": release_box, "winsorised": release_box, "median": release_box, "ball": average_ball, "votes": release_votes,
}  # fmt: skip


class Watched:
    """Stands where noise is added. Keeps all sums; tells noisy ones: its own first, the same again to a neighbour.

    So both sites have told the same so far whenever a sum is compared, as in the argument.
    """

    def __init__(self, monkeypatch, seed):
        self.rng = np.random.default_rng(seed)
        self.told, self.sums, self.sigmas = [], [], []
        for module in (code_release, searches):
            monkeypatch.setattr(module, "add_noise", self.add)

    def add(self, total, sigma):
        assert total.dtype == np.int64
        if len(self.sums) == len(self.told):
            noise = self.rng.normal(0, sigma, total.shape)
            self.told.append(total + np.rint(noise).astype(np.int64))
        self.sums.append(total.copy())
        self.sigmas.append(sigma)
        return self.told[len(self.sums) - 1]

    def run(self, release):
        self.sums, self.sigmas = [], []
        release()
        return self.sums


def made(name, shape=None, blocks=BLOCKS):
    """A question, its plan for few blocks, and the noise of its price."""
    question, plan, _ = planned(shape or SHAPES[name], 4.0)
    plan = BlockPlan(
        blocks=blocks, people_each=30.0, method=name, releases=plan.releases, outputs=plan.outputs
    )
    return question, plan, offer_of(plan, 1.0, 1.0)


def hostile(rng, plan, shape):
    """One block's answer: numbers of any kind, or a vector that points anywhere, near the end of its ball or far."""
    row = rng.choice(HOSTILE, plan.outputs)
    if rng.random() < 0.5:
        return row
    if isinstance(shape, Votes):
        return rng.integers(-1, len(shape.labels) + 1, 1).astype(float)
    direction = rng.normal(size=plan.outputs) * (rng.random(plan.outputs) < rng.random())
    length = np.linalg.norm(direction) or 1.0
    radius = getattr(shape, "radius", 30.0)
    return direction / length * radius * rng.choice([1, 1 + 1e-15, 1 - 1e-15, -1, 1e3, 1e-9, 1e300])


def moves(monkeypatch, name, pairs, shape=None, replaced=None, seed=5):
    """Yield for pairs of answers that differ in one block: how far each sum moved, squared, and the noise of each.

    `replaced`: (before, after) of that block; hostile answers if it is not given.
    """
    question, plan, offer = made(name, shape)
    rng = np.random.default_rng(seed)
    answers = np.empty((BLOCKS, plan.outputs))
    for pair in range(pairs):
        if pair % 50 == 0:
            answers = np.array([hostile(rng, plan, question.shape) for _ in range(BLOCKS)])
        other = answers.copy()
        block = rng.integers(BLOCKS)
        answers[block] = hostile(rng, plan, question.shape)
        other[block] = -answers[block] if rng.random() < 0.3 else hostile(rng, plan, question.shape)
        if replaced is not None:
            answers[block], other[block] = replaced
        watched = Watched(monkeypatch, pair)
        before, after = (
            watched.run(partial(RELEASE[name], question, plan, rows, offer.sigma))
            for rows in (answers, other)
        )
        rounds = getattr(question.shape, "rounds", 1)
        moved = [
            sum((int(a) - int(b)) ** 2 for a, b in zip(one.ravel(), two.ravel(), strict=True))
            for one, two in zip(before, after, strict=True)
        ]
        yield moved * rounds, watched.sigmas * rounds, offer


def worst(monkeypatch, name, pairs, **more):
    """The most that a sum moved, over ONE squared; and the most that an answer cost, over its price."""
    sums, costs = Fraction(0), Fraction(0)
    for moved, sigmas, offer in moves(monkeypatch, name, pairs, **more):
        sums = max(sums, Fraction(max(moved), ONE**2))
        loss = sum(Fraction(square, sigma**2) for square, sigma in zip(moved, sigmas, strict=True))
        costs = max(costs, loss / (offer.releases * Fraction(ONE, offer.sigma) ** 2))
        assert loss * CAP <= offer.units  # the budget is 1
    return sums, costs


PAIRS = {"mean": 2000, "winsorised": 200, "median": 150, "ball": 2000, "votes": 1000}


@pytest.mark.parametrize("name", SHAPES)
def test_no_hostile_block_moves_a_sum_by_more_than_the_clip(monkeypatch, name):
    sums, costs = worst(monkeypatch, name, PAIRS[name])
    assert 0.5 < sums <= 1
    assert 0.2 < costs <= 1


ENDS = {
    "mean": (np.array([-1e308, -math.inf, -5.0]), np.array([60.0, 61.0, 1e308])),
    "winsorised": (np.array([0.0]), np.array([60.0])),
    "median": (np.zeros(2), np.ones(2)),
    "ball": (np.eye(12)[3] * 4.0, np.eye(12)[3] * -4.0),
    "votes": (np.array([0.0]), np.array([2.0])),
}


@pytest.mark.parametrize("name", ["winsorised", "median", "ball", "votes"])
def test_a_block_can_move_a_sum_by_the_whole_clip(monkeypatch, name):
    """So nothing less could be charged: for a ball, twice its radius."""
    sums, costs = worst(monkeypatch, name, 5, replaced=ENDS[name])
    assert 1 - Fraction(1, 10**8) < sums <= 1
    assert 1 - Fraction(1, 10**8) < costs <= 1 or name == "median"  # a block is on one side of some stops


@pytest.mark.parametrize("size", [1, 2, 100, 16_384])
@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_a_vector_is_cut_to_its_ball_exactly_and_keeps_its_direction(size, scale):
    rng = np.random.default_rng(size)
    radius = 3.7
    for vector in (rng.normal(size=size), np.ones(size), -np.eye(1, size)[0], rng.standard_cauchy(size)):
        norm = float(np.linalg.norm(vector))
        units = code_release._ball_units(vector / norm * radius * scale, radius)
        assert sum(int(u) ** 2 for u in units) <= HALF**2
        wanted = vector / norm * min(scale, 1.0) * HALF
        assert np.abs(units - wanted).max() <= 3
    assert code_release._ball_units(np.array([-1e308]), 1e-30).tolist() == [-HALF]


def unlimited(places, plan):
    return np.rint((places * 2 - 0.5) * step_of(plan)).sum(axis=0).astype(np.int64)


def filled(answers):
    numbers = np.where(np.isfinite(answers), np.clip(answers, -5.0, 60.0), np.nan)
    known = [column[~np.isnan(column)] for column in numbers.T]
    means = [column.mean() if len(column) else 0.0 for column in known]
    return (np.where(np.isnan(numbers), means, numbers) + 5) / 65


def in_floats(answer, radius):
    safe = np.nan_to_num(answer, nan=0.0, posinf=1e100, neginf=-1e100).clip(-1e100, 1e100)
    norm = np.linalg.norm(safe) or 1.0
    return np.rint(safe * min(1.0, radius / norm) * (HALF / radius)).astype(np.int64)


BROKEN = {
    "a ball priced by its radius": ("ball", "HALF", ONE),
    "a box without the root of its numbers": ("mean", "step_of", lambda plan: ONE),
    "a vote counted once": ("votes", "step_of", lambda plan: ONE),
    "steps of a search counted from both sides": ("median", "ONE", 2 * ONE),
    "a mean with the noise of a share of its price": ("winsorised", "mean_sigma", lambda plan, sigma: ONE),
    "numbers outside their bounds": (
        "mean",
        "_sum_of_box",
        lambda plan, places, low, high: unlimited(places, plan),
    ),
    "failed blocks left to the others": ("mean", "_places", lambda box, answers: filled(answers)),
    "a vector cut in floats": ("ball", "_ball_units", in_floats),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_engines_that_are_broken_on_purpose_are_caught(monkeypatch, broken):
    name, attribute, value = BROKEN[broken]
    monkeypatch.setattr(code_release, attribute, value)
    ends = list(moves(monkeypatch, name, 20, replaced=ENDS[name])) + list(moves(monkeypatch, name, 100))
    most = max(max(moved) for moved, _, _ in ends)
    costs = max(
        sum(Fraction(square, sigma**2) for square, sigma in zip(moved, sigmas, strict=True))
        / (offer.releases * Fraction(ONE, offer.sigma) ** 2)
        for moved, sigmas, offer in ends
    )
    assert max(Fraction(most, ONE**2), costs) > 1


@pytest.mark.parametrize("name", SHAPES)
def test_a_block_adds_the_same_whoever_else_is_there_and_wherever_it_stands(monkeypatch, name):
    """First sums only: what comes later follows what was told."""
    question, plan, offer = made(name)
    rng = np.random.default_rng(8)
    answers = np.array([hostile(rng, plan, question.shape) for _ in range(BLOCKS)])

    def first(rows):
        watched = Watched(monkeypatch, 1)
        return watched.run(lambda: RELEASE[name](question, plan, rows, offer.sigma))[0]

    empty = np.full_like(answers, np.nan)
    nobody = first(empty)
    alone = []
    for k in range(BLOCKS):
        one = empty.copy()
        one[k] = answers[k]
        alone.append(first(one) - nobody)
    assert (first(answers) == nobody + np.sum(alone, axis=0)).all()
    assert (first(np.asfortranarray(answers[rng.permutation(BLOCKS)])) == first(answers)).all()


@pytest.mark.parametrize("name", SHAPES)
def test_everything_but_noise_is_determined(monkeypatch, name):
    question, plan, offer = made(name)
    answers = np.random.default_rng(2).random((BLOCKS, plan.outputs))
    found = []
    for _ in range(2):
        Watched(monkeypatch, 3)
        found.append(RELEASE[name](question, plan, answers, offer.sigma))
    assert np.array_equal(*found) if name == "ball" else found[0] == found[1]


def exactly(monkeypatch):
    """Let noise be nothing."""
    for module in (code_release, searches):
        monkeypatch.setattr(module, "add_noise", lambda total, sigma: total)


def numbers(figures):
    return [line.figures[0] for line in figures.lines]


def test_figures_of_a_box(monkeypatch):
    exactly(monkeypatch)
    rng = np.random.default_rng(4)
    for method, close in (("mean", 1e-6), ("winsorised", 0.2), ("median", 0.2)):
        question, plan, offer = planned(box(2, method, -10.0, 60.0), 2.0)
        answers = rng.normal((20.0, 40.0), 1.0, (plan.blocks, 2))
        found = release_box(question, plan, answers, offer.sigma)
        assert found.by == ("output",)
        assert [line.key for line in found.lines] == [("n0",), ("n1",)]
        exact = np.median(answers, axis=0) if method == "median" else answers.mean(axis=0)
        for told, wanted in zip(numbers(found), exact, strict=True):
            assert told.name == "value"
            assert told.value == pytest.approx(wanted, abs=close)
        if method == "mean":
            width = Z95 * 70 * offer.sigma / (step_of(plan) * plan.blocks)
            assert numbers(found)[0].half_width == pytest.approx(width)
        if method == "winsorised":
            width = Z95 * 70 * mean_sigma(plan, offer.sigma) / (step_of(plan) * plan.blocks)
            assert 0.03 * width < numbers(found)[0].half_width < width
        if method == "median":
            told = numbers(found)[0]
            assert told.half_width is None
            assert -10 <= told.low < told.value < told.high <= 60


def test_blocks_that_fail_count_with_the_middle(monkeypatch):
    exactly(monkeypatch)
    question, plan, offer = made("mean")
    failed = release_box(question, plan, np.full((BLOCKS, 3), np.nan), offer.sigma)
    assert [told.value for told in numbers(failed)] == pytest.approx([27.5] * 3)
    question, plan, offer = made("median")
    failed = release_box(question, plan, np.full((BLOCKS, 2), np.nan), offer.sigma)
    assert [told.value for told in numbers(failed)] == pytest.approx([0.5] * 2, abs=0.002)
    question, plan, offer = made("ball")
    assert not average_ball(question, plan, np.full((BLOCKS, 12), np.nan), offer.sigma).any()


def test_shares_of_votes(monkeypatch):
    exactly(monkeypatch)
    question, plan, offer = made("votes")
    answers = np.array(
        [[0.0]] * 8 + [[2.0]] * 5 + [[1.0]] + [[math.nan], [3.0], [-1.0], [0.5], [math.inf], [-0.0]]
    )
    found = release_votes(question, plan, answers, offer.sigma)
    assert found.by == ("label",)
    assert [line.key for line in found.lines] == [("a",), ("b",), ("c",)]
    assert [told.value for told in numbers(found)] == pytest.approx([0.45, 0.05, 0.25])
    assert numbers(found)[0].half_width == pytest.approx(Z95 * math.sqrt(2) * offer.sigma / ONE / BLOCKS)
    noisy = release_votes(question, plan, answers, 10 * offer.sigma)
    assert all(0 <= told.value <= 1 for told in numbers(noisy))


def test_rounds_of_a_ball(monkeypatch):
    exactly(monkeypatch)
    question, plan, offer = made("ball")
    answers = np.tile(np.arange(12.0) / 10, (BLOCKS, 1))
    answers[0] = 0
    change = average_ball(question, plan, answers, offer.sigma)
    assert change == pytest.approx(np.arange(12.0) / 10 * 19 / 20, abs=1e-7)
    found = ball_figures(question, plan, change, offer.sigma)
    assert found.by == ("weight",)
    assert [line.key[0] for line in found.lines] == [str(k) for k in range(12)]
    assert [told.half_width for told in numbers(found)] == [None] * 12
    once, plan, offer = made("ball", Ball(size=2, radius=4.0))
    told = numbers(ball_figures(once, plan, np.array([1.0, -2.0]), offer.sigma))
    assert [figure.value for figure in told] == [1.0, -2.0]
    assert told[0].half_width == pytest.approx(Z95 * 2 * 4.0 * offer.sigma / ONE / BLOCKS)


def test_answers_of_another_shape_or_question_are_errors():
    question, plan, offer = made("mean")
    for answers in (
        np.zeros((BLOCKS, 2)),
        np.zeros((BLOCKS - 1, 3)),
        np.zeros((BLOCKS, 3), np.float32),
        np.zeros(3),
    ):
        with pytest.raises(ValueError, match=r"must be floats of shape \(20, 3\)"):
            release_box(question, plan, answers, offer.sigma)
    with pytest.raises(TypeError, match="a Votes, planned as mean, and not a Box"):
        release_box(asked(CHOSEN), plan, np.zeros((BLOCKS, 3)), offer.sigma)
    one = made("mean", box(1, "mean"))[1]  # whose units are too many for votes
    with pytest.raises(TypeError, match="a Votes, planned as mean, and not a Votes"):
        release_votes(asked(CHOSEN), one, np.zeros((BLOCKS, 1)), offer.sigma)


def test_noise_is_that_of_the_price():
    assert vars(code_release)["add_noise"] is vars(searches)["add_noise"] is add_noise
    question, plan, offer = made("ball", Ball(size=2000, radius=2.0))
    found = average_ball(question, plan, np.zeros((BLOCKS, 2000)), offer.sigma)
    assert np.std(found) == pytest.approx(2 * 2.0 / BLOCKS, rel=0.1)  # 2 C / (k mu), with mu = 1
