"""Intervals hold the exact figure as often as they say, and nothing is told that the noise drowns."""

import math
from itertools import combinations_with_replacement

import numpy as np
import pytest

from privacy.engine import figures
from privacy.engine.language.expressions import Binary, Column, Constant, Power, Unary
from privacy.engine.language.query import Correlation, Mean, Query, Regression, StandardDeviation
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import Rows, Values, evaluate
from privacy.engine.plan.designs import KAPPA, design

SPEC = TableSpec(
    name="t",
    subject="p",
    max_rows=1,
    columns={
        name: ColumnSpec(name=name, kind=Kind.NUMBER, lower=0.0, upper=upper)
        for name, upper in (("x", 100.0), ("z", 100.0), ("y", 20_000.0))
    },
)
TIMES = 1500


def told(measure, exact, clips, seed=4):
    """Figures by name over many draws of noise of so many clips around exact sums: [(value, half width)]."""
    query = Query(table="t", measure=measure)
    plan, rng, sigma = design(query, SPEC), np.random.default_rng(seed), int(clips * ONE)
    base = np.asarray(exact) / plan.clip * ONE
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(TIMES):
        noisy = np.rint(base + rng.normal(0, sigma, len(base))).astype(np.int64)[None, :]
        for each in figures.of_vector(query, plan, noisy, sigma).lines[0].figures:
            if each.value is not None:
                found.setdefault(each.name, []).append((each.value, each.half_width))
    return found


def coverage(pairs, truth):
    return sum(abs(value - truth) <= half for value, half in pairs) / len(pairs)


def gram(*columns):
    z = np.column_stack([np.ones(len(columns[0])), *columns])
    pairs = combinations_with_replacement(range(z.shape[1]), 2)
    return [float(z[:, i] @ z[:, j]) * (1 if i == j else math.sqrt(2)) for i, j in pairs]


def data():
    rng = np.random.default_rng(1)
    x = rng.normal(60, 6, 100_000).clip(0, 100)
    z = (x + rng.normal(0, 5, len(x))).clip(0, 100)
    return x, z, (3000 + 50 * x - 20 * z + rng.normal(0, 300, len(x))).clip(0, 20_000)


@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_of_correlations_hold_the_truth(skewed):
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 100, 400_000)
    y = (200 + 6 * x if skewed else 5000 + 100 * x) + rng.normal(0, 100 if skewed else 1500, len(x))
    found = told(
        Correlation(Column("x"), Column("y")), gram((x - 50) / 50, (y - 10_000) / 10_000), 1 if skewed else 20
    )
    assert len(found["correlation"]) > TIMES / 2
    assert 0.93 < coverage(found["correlation"], np.corrcoef(x, y)[0, 1]) < 0.975


def test_intervals_of_regressions_hold_the_truth_and_are_no_wider_than_needed():
    x, z, y = data()
    truth = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x, z]), y, rcond=None)[0]
    exact = gram((x - 50) / 50, (z - 50) / 50, (y - 10_000) / 10_000)
    found = told(Regression(Column("y"), (Column("x"), Column("z")), ("x", "z")), exact, 3)
    for name, value in zip(("intercept", "x", "z"), truth, strict=True):
        assert 0.925 < coverage(found[name], value) < 0.975


def test_a_mean_near_the_noise_is_not_told_and_covered_where_it_is():
    mean = Mean(Column("x"))
    clip = design(Query(table="t", measure=mean), SPEC).clip
    drowned = told(mean, [500.0, KAPPA * 1000], 1000 / 3 * KAPPA / clip)
    assert len(drowned.get("mean", [])) < TIMES / 10
    clear = told(mean, [500.0, KAPPA * 1000], 1000 / 8 * KAPPA / clip)
    assert 0.93 < coverage(clear["mean"], 75.0) < 0.975


@pytest.mark.parametrize("spread", [0.0, 2.0, 20.0])
def test_intervals_of_standard_deviations_hold_the_truth_even_where_it_is_near_0(spread):
    rows, scaled = 1000, spread / 50
    exact = [0.2 * rows, (0.2**2 + scaled**2) * rows, KAPPA * rows]
    measure = StandardDeviation(Column("x"))
    clip = design(Query(table="t", measure=measure), SPEC).clip
    found = told(measure, exact, 15 / clip)["standard_deviation"]
    assert coverage(found, spread) > 0.93
    if spread == 20.0:
        assert coverage(found, spread) < 0.975


def test_a_value_that_no_database_keeps_is_told_without_its_nul():
    assert [line.key for line in figures.of_keys([("a\0b", ONE)]).lines] == [("a\N{REPLACEMENT CHARACTER}b",)]


@pytest.mark.parametrize("op", ["exp", "log", "sqrt", "power", "/"])
def test_a_row_has_one_value_wherever_it_stands(op):
    x = Column("x")
    node = {"power": Power(x, 5), "/": Binary("/", x, Constant(3.0))}.get(op) or Unary(op, x)
    numbers = np.random.default_rng(3).uniform(0.5, 99.0, 257)
    whole = evaluate(node, rows(numbers)).numbers
    for begin in range(17):
        for end in (begin + 1, begin + 2, begin + 3, begin + 7, 250):
            assert np.array_equal(evaluate(node, rows(numbers[begin:end])).numbers, whole[begin:end])


def rows(numbers):
    every = np.ones(len(numbers), dtype=bool)
    return Rows(SPEC, {"x": Values(numbers, every)}, len(numbers))
