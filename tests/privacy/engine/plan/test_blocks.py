"""Plans and prices of automatic code, from public numbers alone."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from privacy.engine.language.code import Ball, Box
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure.contributions import ONE, worst_case_units
from privacy.engine.plan.blocks import (
    COARSE,
    PLACES,
    mean_sigma,
    noise_half_widths,
    offer_of,
    plan_blocks,
    rank_error,
    run_seconds,
    step_of,
)
from privacy.engine.plan.pricing import Z95
from tests.privacy.make_code import CHOSEN, CODE, MU, PUBLIC, SHAPES, asked, box, planned
from tests.privacy.make_table import SPEC


def test_searches_take_nine_and_eight_steps():
    assert (PLACES.steps, COARSE.steps) == (9, 8)
    assert (PLACES.cells, COARSE.cells) == (450, 225)


@pytest.mark.parametrize(
    ("people", "mu", "shape", "blocks", "method"),
    [
        (48_842, MU, box(1), 454, "winsorised"),
        (48_842, MU, box(2), 454, "winsorised"),
        (48_842, MU, box(5), 454, "median"),
        (48_842, 1.0, box(1), 221, "winsorised"),
        (48_842, 1.0, box(16), 221, "median"),
        (48_842, 4.0, box(16), 111, "winsorised"),
        (5_000, MU, box(1), 145, "median"),
        (5_000, 0.1, box(1, "mean"), 166, "mean"),
        (1_600, 0.35, box(2), 53, "mean"),  # a median would be lost in noise
        (10**6, MU, box(1), 1500, "winsorised"),
        (3_200, 2.0, box(16, "mean"), 20, "mean"),
        (48_842, MU, Ball(size=92, radius=4.0, rounds=6), 454, "ball"),
        (600, 4.0, Ball(size=92, radius=4.0), 20, "ball"),
        (600, 4.0, CHOSEN, 20, "votes"),
        (10_000, MU, CHOSEN, 206, "votes"),
    ],
)  # fmt: skip
def test_how_many_blocks_and_how_they_become_one(people, mu, shape, blocks, method):
    _, plan, _ = planned(shape, mu, people)
    assert (plan.blocks, plan.method) == (blocks, method)
    assert plan.people_each == people / blocks
    assert plan.people_each >= max(30, 10 * plan.outputs if isinstance(shape, Box) else 0)
    assert str(blocks) in plan.clip_note


@pytest.mark.parametrize(
    ("shape", "releases", "halves"),
    [
        (box(1, "mean"), 1, True),
        (box(4, "winsorised"), 128, True),
        (box(4, "median"), 36, False),
        (replace(box(2), halves=False), 64, False),
        (Ball(size=92, radius=4.0, rounds=6), 6, False),
        (CHOSEN, 1, False),
    ],
)
def test_releases_and_their_price(shape, releases, halves):
    mu = 1.0
    _, plan, offer = planned(shape, mu)
    assert (plan.releases, plan.halves) == (releases, halves)
    assert offer.sigma == math.ceil(ONE * math.sqrt(releases) / mu)
    assert offer.units_each == worst_case_units(offer.sigma, Fraction(mu) ** 2)
    assert offer.units == releases * offer.units_each
    assert offer.mu == pytest.approx(mu, rel=1e-8)
    assert offer.mu <= mu


@pytest.mark.parametrize("d", [1, 2, 3, 5, 7, 16])
@pytest.mark.parametrize("sigma", [ONE, ONE + 1, 123_456_789_123, 2**50 + 7, 4 * ONE])
def test_the_mean_between_quartiles_costs_as_much_as_their_searches_and_no_more(d, sigma):
    _, plan, _ = planned(box(d, "winsorised"), 4.0)
    noise = mean_sigma(plan, sigma)
    searches = 16 * d
    total = searches * Fraction(ONE, sigma) ** 2 + Fraction(ONE, noise) ** 2
    assert total <= plan.releases * Fraction(ONE, sigma) ** 2
    assert (
        searches * Fraction(ONE, sigma) ** 2 + Fraction(ONE, noise - 1) ** 2
        > 32 * d * Fraction(ONE, sigma) ** 2
    )
    assert mean_sigma(replace(plan, method="mean"), sigma) == sigma


@pytest.mark.parametrize("d", range(1, 17))
def test_all_numbers_of_a_box_together_move_by_no_more_than_the_clip(d):
    _, plan, _ = planned(box(d, "mean"), 4.0)
    assert d * step_of(plan) ** 2 <= ONE**2 < d * (step_of(plan) + 1) ** 2


def widths(shape, mu=MU):
    question, plan, offer = planned(shape, mu)
    return noise_half_widths(question, plan, offer), plan, offer


def test_noise_told_before():
    (mean,), plan, _ = widths(box(1, "mean", 10.0, 70.0))
    assert mean == pytest.approx(Z95 * 60 / (plan.blocks * MU), rel=1e-6)
    (winsorised,), plan, offer = widths(box(1, "winsorised", 10.0, 70.0))
    assert winsorised == pytest.approx(mean * math.sqrt(2), rel=1e-6)
    assert rank_error(plan, offer.sigma) == pytest.approx(0.1315, abs=1e-4)
    assert widths(box(4, "mean"))[0] == pytest.approx((Z95 * 2 / (454 * MU),) * 4, rel=1e-6)
    told, plan, offer = widths(box(2, "median"))
    assert told == (None, None)
    assert rank_error(plan, offer.sigma) == pytest.approx(0.1003, abs=1e-4)
    told, plan, offer = widths(Ball(size=92, radius=4.0, rounds=6))
    assert told == pytest.approx((Z95 * 4.0 * 2 * math.sqrt(6) / (454 * MU),) * 92, rel=1e-6)
    assert rank_error(plan, offer.sigma) is None
    told, _, _ = widths(CHOSEN)
    assert told == pytest.approx((Z95 * math.sqrt(2) / (454 * MU),) * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("shape", "mu", "people", "told"),
    [
        (CHOSEN, MU, 599, "at least 20 blocks of at least 30 people. 599 people make 19"),
        (box(16, "mean"), 4.0, 3199, "at least 20 blocks of at least 160 people. 3,199 people make 19"),
        (CHOSEN, 0.0, PUBLIC, "must be a positive number"),
        (CHOSEN, math.nan, PUBLIC, "must be a positive number"),
        (CHOSEN, MU, 600, "With 20 blocks, noise would cover the answer."),
        (box(1, "mean"), 0.1, 600, "noise would cover"),
        (box(16), MU, 5_000, "With 31 blocks, noise would cover the answer."),
        (box(5, "winsorised"), 0.05, PUBLIC, "noise would cover"),
        (Ball(size=16_384, radius=1.0), MU, PUBLIC, "noise would cover"),
        (Ball(size=92, radius=1.0, rounds=30), 0.1, 20_000, "noise would cover"),
    ],
)
def test_what_cannot_be_answered_is_refused_before_it_costs_anything(shape, mu, people, told):
    with pytest.raises(QueryRefused, match=told):
        plan_blocks(asked(shape), SPEC, public_size=people, mu=mu)


def test_a_ball_is_refused_from_noise_of_twice_its_radius():
    """The norm of the noise over the radius is 2 sqrt(size rounds) / (k mu)."""
    for size in (1, 100, 400):
        for blocks in range(20, 400, 20):
            ball = asked(Ball(size=size, radius=7.0, rounds=4), blocks=blocks)
            fits = 2 * math.sqrt(size * 4) / (blocks * MU) <= 2
            try:
                plan_blocks(ball, SPEC, public_size=PUBLIC, mu=MU)
            except QueryRefused:
                assert not fits
            else:
                assert fits


def test_an_asker_may_choose_blocks_and_say_how_many_people_a_filter_leaves():
    where = Compare("<", Column("wage"), Constant(9.0))
    _, plan, _ = planned(CHOSEN, people=PUBLIC, where=where, blocks=300)
    assert plan.blocks == 300
    question = replace(asked(CHOSEN, where=where), people=10_000)
    assert plan_blocks(question, SPEC, public_size=PUBLIC, mu=MU).blocks == 206
    with pytest.raises(QueryRefused, match="announces 9,000 people") as refused:
        plan_blocks(question, SPEC, public_size=9_000, mu=MU)
    assert refused.value.place == "question.people"
    with pytest.raises(
        QueryRefused, match="10,000 people and at least 30 in each block, there can be 333"
    ) as refused:
        plan_blocks(replace(question, blocks=334), SPEC, public_size=PUBLIC, mu=MU)
    assert refused.value.place == "question.blocks"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"table": "t"}, "There is no table"),
        ({"where": Compare("<", Column("pay"), Constant(9.0))}, "There is no column"),
        ({"code": "main = 1"}, "Define a function"),
    ],
)
def test_table_filter_and_code_are_checked(change, told):
    with pytest.raises(QueryRefused, match=told):
        plan_blocks(replace(asked(CHOSEN), **change), SPEC, public_size=PUBLIC, mu=MU)
    with pytest.raises(QueryRefused, match="does not declare which person"):
        plan_blocks(asked(CHOSEN), replace(SPEC, subject=""), public_size=PUBLIC, mu=MU)


def test_an_answer_more_exact_than_discrete_noise_allows_is_refused():
    """The sum of a winsorised mean has less noise than the searches, which have more than enough."""
    _, plan, _ = planned(box(1, "winsorised"), 4.0)
    offer_of(plan, 11.0, 12.0)
    with pytest.raises(QueryRefused, match="this precise"):
        offer_of(plan, 11.5, 12.0)


def test_a_run_ends_at_a_time_that_public_numbers_decide():
    _, plan, _ = planned(CHOSEN)
    assert plan.blocks == 454
    assert run_seconds(plan, 1, slot_s=0.25, start_s=2.0) == 120.0  # 113.8 + 2 + 2
    assert run_seconds(plan, 1, slot_s=0.35, start_s=2.0) == 165.0  # 159.3 + 2 + 2
    assert run_seconds(plan, 1, slot_s=0.35, start_s=6.0) == 170.0
    assert run_seconds(plan, 3, slot_s=0.35, start_s=2.0) == 490.0
    assert run_seconds(plan, 1, slot_s=1.3, start_s=2.0) == 600.0
    wide = replace(plan, blocks=800, people_each=1250.0, outputs=16_384)
    assert run_seconds(wide, 2, slot_s=0.35, start_s=2.0) == 575.0  # 2 (280.4 + 2 + work) + 2
    with pytest.raises(QueryRefused, match=r"for 11 minutes\. At most 10 are"):
        run_seconds(plan, 1, slot_s=1.32, start_s=2.0)
    for slot in (0.24, 5.1, math.nan):
        with pytest.raises(ValueError, match="A slot takes"):
            run_seconds(plan, 1, slot_s=slot, start_s=2.0)


def test_every_method_has_a_note_for_the_record():
    for method, shape in SHAPES.items():
        _, plan, _ = planned(shape, 4.0)
        assert plan.method == method
        assert "a person moves" in plan.clip_note
    assert CODE.startswith("def main")
