"""Covariances: NumPy's of the population, nobody reaches further than the clip, and intervals hold."""

import math
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine import figures, release
from privacy.engine.language.expressions import Binary, Column, Compare, Constant
from privacy.engine.language.query import Covariance, Query, Variance
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.language.sql import parse
from privacy.engine.language.sql_text import write
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.plan import pricing
from privacy.engine.plan.designs import KAPPA, design
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_table import SPEC as WAGES
from tests.privacy.make_table import table as wages

X, Y = Column("x"), Column("y")
SPEC = TableSpec(
    name="t",
    subject="p",
    max_rows=3,
    columns={
        "x": ColumnSpec(name="x", kind=Kind.NUMBER, lower=-50.0, upper=100.0),
        "y": ColumnSpec(name="y", kind=Kind.NUMBER, lower=0.0, upper=2000.0),
    },
)


def people(rows):
    """A table of people with these pairs each."""
    pairs = np.array([pair for each in rows for pair in each], dtype=np.float64).reshape(-1, 2)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    columns = {name: Values(pairs[:, k].copy(), EVERYWHERE) for k, name in enumerate("xy")}
    return table_from_columns(Rows(SPEC, columns, len(pairs)), offsets)


def exact(query, data, active=None):
    """What is released before noise is added to it, and what everybody is charged."""
    totals = []

    def kept(total, _sigma):
        totals.append(total.copy())
        return total

    measured = measure(query, data)
    with patch.object(release, "add_noise", kept):
        told = measured.release(ONE, active)
    return totals[0].ravel(), measured.squares, told


def test_it_is_the_covariance_of_numpy_over_the_population():
    data = wages(subjects=20_000)
    wage, hours = data.rows.columns["wage"], data.rows.columns["hours"]
    of = Binary("-", Column("hours"), Column("wage"))
    query = Query(table="wages", measure=Covariance(Column("wage"), of))
    answer: Any = measure(query, data).release(ONE, None)
    covariance, rows = answer.lines[0].figures
    x, y = wage.numbers[wage.valid], (hours.numbers - wage.numbers)[wage.valid]
    true = np.cov(x, y, bias=True)[0, 1]
    assert (covariance.name, rows.name) == ("covariance", "n")
    assert abs(covariance.value - true) < 5 * covariance.half_width < abs(true)
    assert abs(rows.value - len(x)) < 5 * rows.half_width


def test_without_noise_it_is_exact():
    rng = np.random.default_rng(2)
    pairs = np.column_stack([rng.uniform(-50, 100, 900), rng.uniform(0, 2000, 900)])
    pairs[:, 1] = (pairs[:, 1] + 9 * pairs[:, 0]).clip(0, 2000)
    query = Query(table="t", measure=Covariance(X, Y))
    *_, told = exact(query, people(pairs.reshape(-1, 3, 2).tolist()))
    assert told.lines[0].figures[0].value == pytest.approx(np.cov(pairs.T, bias=True)[0, 1], rel=1e-5)


def test_that_of_a_number_with_itself_is_its_variance():
    rng = np.random.default_rng(4)
    data = people([[(x, 0.0)] for x in rng.uniform(-50, 100, 500)])
    of_both = exact(Query(table="t", measure=Covariance(X, X)), data)[2].lines[0].figures[0].value
    assert of_both == pytest.approx(
        exact(Query(table="t", measure=Variance(X)), data)[2].lines[0].figures[0].value, rel=1e-5
    )


# What one person can move

PAIRS = st.tuples(
    st.sampled_from([-50.0, 25.0, 100.0]) | st.floats(-50, 100), st.sampled_from([0.0, 1000.0, 2000.0])
)
CROWDS = st.lists(st.lists(PAIRS, max_size=7), min_size=1, max_size=5)


@settings(max_examples=80)
@given(CROWDS, st.sampled_from([None, 1, 2]), st.booleans())
def test_without_a_person_the_total_moves_by_what_the_person_is_charged(rows, most, filtered):
    where = Compare(">", X, Constant(0.0)) if filtered else None
    query = Query(table="t", measure=Covariance(X, Y), where=where, rows=most)
    total, squares, _ = exact(query, people(rows))
    assert squares.max(initial=0) <= ONE**2
    for person in range(len(rows)):
        left, others, _ = exact(query, people([*rows[:person], *rows[person + 1 :]]))
        assert others.tolist() == np.delete(squares, person).tolist()
        assert sum(int(v) ** 2 for v in total - left) == squares[person]
        active = np.arange(len(rows)) != person
        without, same, _ = exact(query, people(rows), active)
        assert (without.tolist(), same.tolist()) == (left.tolist(), squares.tolist())


@pytest.mark.parametrize("corner", [(-50.0, 0.0), (-50.0, 2000.0), (100.0, 0.0), (100.0, 2000.0)])
def test_rows_in_a_corner_of_the_bounds_are_as_long_as_the_clip_and_never_longer(corner):
    query = Query(table="t", measure=Covariance(X, Y))
    _, squares, _ = exact(query, people([[corner] * 3]))
    assert 0.999 * ONE**2 < squares[0] <= ONE**2
    assert design(query, SPEC).clip == pytest.approx(3 * math.sqrt(3 + KAPPA**2))


# How exact


TIMES = 3000


def told(a, b, c, n, clips, seed):
    """Covariances over draws of noise around exact sums of a row's x, y and x y, scaled to [-1, 1], over n rows."""
    query = Query(table="t", measure=Covariance(X, Y))
    plan, rng, sigma = design(query, SPEC), np.random.default_rng(seed), round(clips * ONE)
    base = np.array([a * n, b * n, c * n, KAPPA * n]) / plan.clip * ONE
    for _ in range(TIMES):
        noisy = np.rint(base + rng.normal(0, sigma, 4)).astype(np.int64)[None, :]
        yield figures.of_vector(query, plan, noisy, sigma).lines[0].figures[0]


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("a", "b", "c", "n"),
    [
        (0.0, 0.0, 0.0, 2000),
        (0.0, 0.0, 0.3, 2000),
        (0.9, 0.9, 0.85, 2000),
        (-0.9, 0.9, -0.85, 2000),
        (0.5, -0.2, -0.2, 400),
        (0.9, 0.1, 0.05, 400),
    ],
)
def test_intervals_hold_the_truth(a, b, c, n):
    """They promise .95, to first order in the noise. Over 3,000 draws the coverage has a deviation of .004."""
    truth = 75 * 1000 * (c - a * b)
    found = [figure for figure in told(a, b, c, n, clips=1, seed=n) if figure.value is not None]
    assert len(found) == TIMES
    inside = [abs(figure.value - truth) <= figure.half_width for figure in found]
    assert 0.93 < sum(inside) / TIMES < 0.97


def test_it_is_not_told_where_the_noise_drowns_the_rows():
    assert all(figure.value is None for figure in told(0.0, 0.0, 0.3, 1, clips=1, seed=1))
    lost = [figure.value is None for figure in told(0.0, 0.0, 0.3, 30, clips=1, seed=1)]
    assert sum(lost) > TIMES / 2


def test_it_is_never_larger_than_the_bounds_allow():
    values = [figure.value for figure in told(0.0, 0.0, 1.0, 60, clips=1, seed=3)]
    shown = [value for value in values if value is not None]
    assert max(shown) == 75 * 1000
    assert min(shown) > -75 * 1000


def test_its_error_depends_on_the_data_and_narrower_bounds_make_it_smaller():
    query = Query(table="t", measure=Covariance(X, Y))
    assert pricing.error_per_sigma(query, design(query, SPEC), 1000) is None
    with pytest.raises(QueryRefused, match="depends on the data"):
        pricing.offer_for_error(query, design(query, SPEC), 1.0, 1.0, 1000)


# In SQL


@pytest.mark.parametrize(
    "text",
    [
        "SELECT COVAR_POP(wage, hours)\nFROM wages",
        "SELECT region, COVAR_POP((wage * 2), ABS(hours))\nFROM wages\nGROUP BY region",
    ],
)
def test_a_covariance_is_written_in_sql_as_it_is_read(text):
    query = parse(text, WAGES)
    assert isinstance(query.measure, Covariance)
    assert write(query, WAGES) == text


def test_that_of_a_sample_is_refused_with_what_to_ask_instead():
    with pytest.raises(QueryRefused, match="COVAR_SAMP is not supported: ask for COVAR_POP"):
        parse("SELECT COVAR_SAMP(wage, hours) FROM wages", WAGES)
