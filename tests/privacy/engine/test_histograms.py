"""Histograms: the counts are NumPy's, nobody reaches further than the clip, and each is as exact as it says."""

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine import figures, release
from privacy.engine.language.expressions import Binary, Column, Compare, Constant
from privacy.engine.language.query import Count, Histogram, Query
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.language.sql import parse
from privacy.engine.language.sql_text import write
from privacy.engine.measure.bins import bins_of
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, PART, Rows, Values
from privacy.engine.plan import deadlines, joint, pricing
from privacy.engine.plan.designs import design
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_table import REGIONS
from tests.privacy.make_table import SPEC as WAGES
from tests.privacy.make_table import table as wages

X = Column("x")
SPEC = TableSpec(
    name="t",
    subject="p",
    max_rows=3,
    columns={
        "x": ColumnSpec(name="x", kind=Kind.NUMBER, lower=-50.0, upper=100.0),
        "g": ColumnSpec(name="g", kind=Kind.CATEGORY, labels=("a", "b")),
    },
)
EDGES = (-20.0, 0.0, 0.1, 7.0, 50.0)


def people(rows, groups=0):
    """A table of people with these values each; None is missing."""
    values = [x for each in rows for x in each]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    x = Values(
        np.array([x or 0.0 for x in values], dtype=np.float64),
        np.array([x is not None for x in values], bool),
    )
    g = Values(np.full(len(values), groups, dtype=np.int8), EVERYWHERE)
    return table_from_columns(Rows(SPEC, {"x": x, "g": g}, len(values)), offsets)


def exact(query, data, active=None):
    """What is released before noise is added to it, and what everybody is charged."""
    totals = []

    def kept(total, _sigma):
        totals.append(total.copy())
        return total

    measured = measure(query, data)
    with patch.object(release, "add_noise", kept):
        measured.release(ONE, active)
    return totals[0][:, 0], measured.squares


def counted(query, data):
    """Rows by bin, to the last one: units of a whole number of rows are exact where nobody is clipped."""
    total, _ = exact(query, data)
    counts = total / (ONE / design(query, SPEC).clip)
    assert np.allclose(counts, np.rint(counts), atol=1e-5)
    return np.rint(counts).astype(int).tolist()


def query_of(edges=EDGES, of=X, **parts):
    return Query(table="t", measure=Histogram(of, tuple(edges)), **parts)


# NumPy's counts


NEAR = st.sampled_from(
    [x for edge in EDGES for x in (edge, np.nextafter(edge, 99), np.nextafter(edge, -99))] + [-50.0, 100.0]
)
VALUES = NEAR.map(float) | st.floats(-50, 100)


@settings(max_examples=100)
@given(st.lists(VALUES, min_size=1, max_size=40))
def test_counts_are_those_of_numpy(values):
    assert counted(query_of(), people([[x] for x in values])) == np.histogram(values, EDGES)[0].tolist()


@given(st.lists(VALUES, max_size=30), st.lists(st.floats(-60, 110), min_size=2, max_size=20, unique=True))
def test_any_edges_make_the_bins_of_numpy(values, edges):
    edges = sorted(edges)
    found = bins_of(X, edges, people([[x] for x in values]).rows)
    counts = np.bincount(found.numbers[found.valid], minlength=len(edges) - 1)
    assert counts.tolist() == np.histogram(values, edges)[0].tolist()


def test_values_outside_all_bins_and_missing_ones_are_not_counted():
    data = people([[-50.0, -20.1], [None, 50.0], [50.1, 100.0], [-20.0]])
    assert counted(query_of(), data) == [1, 0, 0, 1]
    _, squares = exact(query_of(), data)
    assert squares.tolist()[2] == 0
    assert squares.tolist()[3] > 0


def test_values_beyond_the_declared_bounds_count_at_the_bound():
    data = people([[1e6], [-1e6], [99.0]])
    assert counted(query_of((-60.0, -50.0, 99.0, 100.0)), data) == [0, 1, 2]
    assert counted(query_of((101.0, 1e7)), data) == [0]


def test_as_many_bins_as_are_allowed_over_more_rows_than_a_part_has():
    values = np.random.default_rng(3).uniform(-50, 100, PART + 1000)
    edges = np.linspace(-50, 100, 257)
    found = bins_of(X, edges.tolist(), people([[x] for x in values.tolist()]).rows)
    assert found.valid.all()
    assert np.bincount(found.numbers, minlength=256).tolist() == np.histogram(values, edges)[0].tolist()


def test_an_expression_is_counted_by_its_own_value():
    of = Binary("+", Binary("*", X, Constant(2.0)), Constant(1.0))
    data = people([[0.0], [1.0], [3.0]])
    assert counted(query_of((0.0, 2.0, 4.0, 7.0), of), data) == [1, 1, 1]


def test_groups_have_bins_each_in_the_order_of_their_keys():
    query = query_of((0.0, 10.0, 20.0), by=("g",))
    plan = design(query, SPEC)
    assert plan.cells == 4
    assert counted(query, people([[1.0], [12.0], [13.0]], groups=1)) == [0, 0, 1, 2]
    told = measure(query, people([[1.0]])).release(ONE, None)
    assert told.by == ("g", "at least", "below")
    assert [line.key for line in told.lines] == [
        ("a", "0", "10"),
        ("a", "10", "20"),
        ("b", "0", "10"),
        ("b", "10", "20"),
    ]
    assert [figure.name for line in told.lines for figure in line.figures] == ["count"] * 4


def test_the_fast_pass_finds_what_the_general_one_finds():
    query = Query(
        table="wages",
        measure=Histogram(Column("wage"), (0.0, 10.0, 20.0, 30.5, 99.0)),
        where=Compare(">", Column("hours"), Constant(0.0)),
        rows=3,
    )
    data = wages(subjects=3000)
    for active in (None, np.random.default_rng(1).random(3000) < 0.5):
        fast, squares = exact(query, data, active)
        with patch.object(release, "_fused", lambda _: None):
            general, same = exact(query, data, active)
        assert fast.tolist() == general.tolist()
        assert squares.tolist() == same.tolist()
        assert squares.max() > 0.99 * ONE**2


# What one person can move


CROWDS = st.lists(st.lists(VALUES | st.none(), max_size=9), min_size=1, max_size=5)


@settings(max_examples=80)
@given(CROWDS, st.sampled_from([None, 1, 2]), st.booleans(), st.sampled_from([(), ("g",)]))
def test_without_a_person_the_total_moves_by_what_the_person_is_charged(rows, most, filtered, by):
    where = Compare(">", X, Constant(0.0)) if filtered else None
    query = query_of(where=where, rows=most, by=by)
    total, squares = exact(query, people(rows))
    assert squares.max(initial=0) <= ONE**2
    for person in range(len(rows)):
        left, others = exact(query, people([*rows[:person], *rows[person + 1 :]]))
        assert others.tolist() == np.delete(squares, person).tolist()
        assert sum(int(v) ** 2 for v in total - left) == squares[person]
        active = np.arange(len(rows)) != person
        without, same = exact(query, people(rows), active)
        assert (without.tolist(), same.tolist()) == (left.tolist(), squares.tolist())


@pytest.mark.parametrize("most", [1, 2, 3, 7, 4096])
def test_so_many_rows_in_one_bin_are_as_long_as_the_clip_and_never_longer(most):
    _, squares = exact(query_of(rows=most), people([[1.0] * most, [1.0] * (most + 1)]))
    assert 0.999 * ONE**2 < squares.min() <= squares.max() <= ONE**2


# How exact


@pytest.mark.statistical
def test_each_interval_holds_the_count_as_often_as_it_says_and_all_together_too():
    """Over 600 draws of 40 bins: a coverage of .95 has a standard deviation of .0014; that of all together, .009."""
    bins, times, sigma = 40, 600, 7 * ONE
    query = query_of(np.linspace(-50, 100, bins + 1).tolist())
    values = np.random.default_rng(5).normal(20, 30, 3000).clip(-50, 100)
    truth = np.histogram(values, query.measure.edges)[0]
    measured = measure(query, people(values.reshape(-1, 3).tolist()))
    told: Any = [[line.figures[0] for line in measured.release(sigma, None).lines] for _ in range(times)]
    errors = np.array([[figure.value for figure in each] for each in told]) - truth
    half = told[0][0].half_width
    assert {figure.half_width for each in told for figure in each} == {half}
    assert half == pytest.approx((pricing.error_per_sigma(query, design(query, SPEC), None) or 0) * sigma)
    assert abs((np.abs(errors) <= half).mean() - 0.95) < 5 * 0.0014
    factor = joint.factor(joint.lines_of(query.measure, bins))
    assert abs((np.abs(errors) <= half * factor).all(axis=1).mean() - 0.95) < 5 * 0.009


def test_its_error_is_known_before_and_costs_what_a_count_of_rows_costs():
    plan, count = (design(Query(table="t", measure=each), SPEC) for each in (Histogram(X, EDGES), Count()))
    assert plan.clip == count.clip == 3.0
    offer = pricing.offer_for_error(query_of(), plan, 12.0, 1.0, None)
    assert offer == pricing.offer_for_error(Query(table="t", measure=Count()), count, 12.0, 1.0, None)


def test_a_released_figure_is_a_count_with_its_interval():
    query = Query(table="wages", measure=Histogram(Column("wage"), (0.0, 20.0, 100.0)), by=("region",))
    data = wages(subjects=20_000)
    answer: Any = measure(query, data).release(ONE, None)
    wage, region = data.rows.columns["wage"], data.rows.columns["region"].numbers
    for line in answer.lines:
        chosen = wage.numbers[wage.valid & (region == REGIONS.index(line.key[0]))]
        true = np.histogram(chosen, (0.0, 20.0, 100.0))[0][int(line.key[1] == "20")]
        assert abs(line.figures[0].value - true) < 5 * line.figures[0].half_width


# What is refused


@pytest.mark.parametrize(
    ("edges", "told"),
    [
        ((), "2 to 257 edges"),
        ((1.0,), "2 to 257 edges"),
        (tuple(map(float, range(258))), "2 to 257 edges"),
        ((0.0, 0.0), "must rise"),
        ((0.0, 2.0, 1.0), "must rise"),
        ((0.0, -0.0), "must rise"),
        ((0.0, float("nan")), "not a finite number"),
        ((0.0, float("inf")), "not a finite number"),
        ((0.0, 1e301), "too large"),
        ((-1.1e30, 0.0), r"between -1e\+30 and 1e\+30"),
        ((0.0, 5e-324), "must rise"),
        ((0.0, 1e-31), "must rise"),
    ],
)
def test_edges_that_make_no_bins_are_refused(edges, told):
    with pytest.raises(QueryRefused, match=told):
        design(query_of(edges), SPEC)


def test_what_has_no_number_has_no_histogram():
    with pytest.raises(QueryRefused, match="is not a number"):
        design(query_of(of=Column("g")), SPEC)


def test_bins_in_all_groups_are_not_endless():
    labels = tuple(map(str, range(100)))
    columns = {**SPEC.columns, "g": ColumnSpec(name="g", kind=Kind.CATEGORY, labels=labels)}
    spec = TableSpec(name="t", subject="p", max_rows=3, columns=columns)
    assert design(query_of(range(101), by=("g",)), spec).cells == 10_000
    with pytest.raises(QueryRefused, match="more than 10,000 bins in all groups"):
        design(query_of(range(102), by=("g",)), spec)


# In SQL, and in time


@pytest.mark.parametrize(
    "text",
    [
        "SELECT HISTOGRAM(wage, 0, 10, 20.5, 100)\nFROM wages",
        "SELECT region, HISTOGRAM((wage * 2), -5, 200)\nFROM wages\nGROUP BY region\nLIMIT 2 BY person",
    ],
)
def test_a_histogram_is_written_in_sql_as_it_is_read(text):
    query = parse(text, WAGES)
    assert isinstance(query.measure, Histogram)
    assert write(query, WAGES) == text


@pytest.mark.parametrize(
    "call", ["HISTOGRAM(wage)", "HISTOGRAM(wage, 1)", "HISTOGRAM()", "histogram(wage, [1, 2])"]
)
def test_a_histogram_without_edges_is_refused(call):
    with pytest.raises(
        QueryRefused, match=r"column \d+: give a number and at least two edges|at least two edges"
    ):
        parse(f"SELECT {call} FROM wages", WAGES)  # noqa: S608 -- parsed, never executed


def test_edges_in_sql_are_numbers():
    with pytest.raises(QueryRefused, match="a number is expected here"):
        parse("SELECT HISTOGRAM(wage, 0, hours) FROM wages", WAGES)


def test_more_edges_and_a_longer_expression_take_more_time():
    def seconds(edges, of=X):
        query = query_of(edges, of)
        return deadlines.seconds(query, design(query, SPEC), people=10**6, rows_per_person=3, base=0.0)

    few, many = seconds((0.0, 1.0)), seconds(np.linspace(0, 1, 257).tolist())
    assert many - few == pytest.approx(8 * deadlines.EDGE * 3e6, abs=deadlines.STEP)
    assert seconds((0.0, 1.0), Binary("*", Binary("*", X, X), X)) > few


def test_figures_of_a_histogram_have_no_more_digits_than_their_edges():
    query = query_of((-0.5, 0.1, 1e16, 1e30))
    plan = design(query, SPEC)
    told = figures.of_vector(query, plan, np.zeros((3, 1), dtype=np.int64), ONE)
    assert [line.key for line in told.lines] == [("-0.5", "0.1"), ("0.1", "1e+16"), ("1e+16", "1e+30")]
    assert [tuple(map(float, line.key)) for line in told.lines] == [(-0.5, 0.1), (0.1, 1e16), (1e16, 1e30)]
