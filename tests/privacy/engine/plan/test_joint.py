"""Intervals that are to hold all at once do, and by how much they are wider is right."""

import mpmath
import numpy as np
import pytest

from privacy.engine import figures
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Count, Distribution, Mean, Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure import prefixes
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.mechanisms import add_noise
from privacy.engine.plan import joint
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import Z95

GROUPS = 15
SPEC = TableSpec(
    name="t",
    subject="p",
    max_rows=1,
    columns={
        "x": ColumnSpec(name="x", kind=Kind.NUMBER, lower=0.0, upper=100.0),
        "g": ColumnSpec(name="g", kind=Kind.CATEGORY, labels=tuple(map(str, range(GROUPS)))),
    },
)
TIMES = 2000
MARGIN = 5 * (0.95 * 0.05 / TIMES) ** 0.5


@pytest.mark.parametrize("several", [2, 3, 15, 256, 10_000])
def test_the_factor_is_that_of_sidak(several):
    with mpmath.workdps(40):
        level = (1 + mpmath.mpf("0.95") ** (mpmath.mpf(1) / several)) / 2
        z = mpmath.sqrt(2) * mpmath.erfinv(2 * level - 1)
        assert joint.factor(several) == pytest.approx(float(z / Z95), rel=1e-9)
    assert joint.factor(1) == 1.0


def all_inside(errors, widths, factor):
    """How often all errors of a draw lie within the widened intervals."""
    return float((np.abs(errors) <= widths * factor + 1e-12).all(axis=1).mean())


@pytest.mark.statistical
def test_fifteen_groups_hold_together_as_often_as_they_say():
    query = Query(table="t", measure=Count(), by=("g",))
    plan, sigma = design(query, SPEC), 3 * ONE
    noise = add_noise(np.zeros((TIMES, GROUPS, 1), dtype=np.int64), sigma)
    told = [[line.figures[0] for line in figures.of_vector(query, plan, draw, sigma).lines] for draw in noise]
    errors = np.array([[figure.value for figure in each] for each in told])
    widths = np.array([[figure.half_width for figure in each] for each in told])
    assert abs(all_inside(errors, widths, joint.factor(GROUPS)) - 0.95) < MARGIN
    assert all_inside(errors, widths, 1.0) < 0.6  # .95^15 = .46


@pytest.mark.statistical
@pytest.mark.parametrize("bins", [8, 64])
def test_all_bins_hold_together_at_least_as_often_as_they_say(bins):
    query, rng, times = (
        Query(table="t", measure=Distribution(Column("x"), bins)),
        np.random.default_rng(3),
        1000,
    )
    plan, sigma = design(query, SPEC), 3 * ONE
    steps = prefixes.steps_of(bins, plan.clip)
    prefix = np.linspace(500, 20_000, bins)
    total = np.linalg.solve(steps.back, prefix)
    noisy = np.rint(total + rng.normal(0, sigma, (times, bins))).astype(np.int64)
    told = [figures.of_distribution(plan.scales[0], steps.back, draw[None, :], sigma).lines for draw in noisy]
    shares = np.array([[line.figures[0].value for line in lines] for lines in told])
    widths = np.array([[line.figures[0].half_width for line in lines] for lines in told])
    assert all_inside(shares - prefix / prefix[-1], widths, joint.factor(bins)) > 0.95 - MARGIN * 2**0.5
    assert all_inside(shares - prefix / prefix[-1], widths, 1.0) < 0.9


def result(halves, name="count"):
    """An answer with a line for each of these half widths."""
    lines = [{"key": [""], "figures": [{"name": name, "value": 1.0, "half_width": half}]} for half in halves]
    return {"by": ["g"], "lines": lines}


def test_what_the_noise_drowned_counts_and_what_has_no_intervals_has_no_factor():
    assert joint.factor_of(result([2.0, None, 3.0])) == joint.factor(3)
    assert joint.factor_of(result([2.0])) is None
    assert joint.factor_of(result([None, None])) is None
    assert joint.factor_of(result([2.0, 3.0], "quantile")) is None
    assert joint.factor_of({"by": [], "lines": []}) is None


def test_as_many_intervals_are_announced_as_are_told():
    assert joint.lines_of(Mean(Column("x")), 15) == 15
    assert joint.lines_of(Distribution(Column("x"), 32), 1) == 32
