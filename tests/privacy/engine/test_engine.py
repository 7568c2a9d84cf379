"""Answers are right, one subject reaches no further than the clip, and is charged for all that it adds."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine.language.expressions import (
    And,
    Binary,
    Clip,
    Column,
    Compare,
    Constant,
    In,
    IsNull,
    Not,
    Or,
)
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Distribution,
    Histogram,
    KeyCounts,
    Mean,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.measure import contributions as co
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.measure.mechanisms import MAX_SIGMA, MIN_SIGMA, add_noise, float_not_below, threshold
from privacy.engine.plan.designs import design
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_table import REGIONS, SPEC, table, without

WAGE, HOURS = Column("wage"), Column("hours")
UNION = In("union", ("1",))
QUERIES = [
    Query(table="wages", measure=Count()),
    Query(table="wages", measure=Count(), by=("region", "union"), where=UNION),
    Query(table="wages", measure=Count(), rows=2),
    Query(table="wages", measure=CountSubjects(), where=Compare(">", WAGE, Constant(30))),
    Query(table="wages", measure=CountSubjects(), by=("union",)),
    Query(table="wages", measure=Sum(WAGE), by=("region",)),
    Query(table="wages", measure=Sum(Binary("*", WAGE, HOURS))),
    Query(table="wages", measure=Mean(WAGE), by=("region",)),
    Query(table="wages", measure=Mean(HOURS, per_subject=True)),
    Query(table="wages", measure=Variance(WAGE)),
    Query(table="wages", measure=Quantiles(WAGE, (0.1, 0.5))),
    Query(table="wages", measure=Distribution(WAGE, 16)),
    Query(table="wages", measure=Regression(WAGE, (HOURS, Column("union")), ("hours", "union"))),
    Query(table="wages", measure=Correlation(WAGE, HOURS)),
    Query(table="wages", measure=Distribution(WAGE, 64)),
    Query(table="wages", measure=PersonQuantiles(WAGE, (0.1, 0.5))),
    Query(table="wages", measure=Sum(HOURS), by=("union",), rows=3 * SPEC.max_rows),
    Query(table="wages", measure=Histogram(WAGE, (0.0, 10.0, 20.5, 50.0, 100.0)), where=UNION),
    Query(table="wages", measure=Histogram(Binary("*", WAGE, HOURS), (-9.0, 0.0, 500.0)), by=("region",)),
    Query(table="wages", measure=Covariance(WAGE, HOURS)),
    Query(table="wages", measure=Covariance(WAGE, Binary("-", HOURS, WAGE)), by=("union",), rows=2),
    Query(table="wages", measure=StandardDeviation(WAGE), by=("region",)),
    Query(
        table="wages", measure=SyntheticTable(("wage", "hours", "union", "region"), 8, "region"), where=UNION
    ),
]
QUIET = MIN_SIGMA


def figures(query, data, sigma=QUIET):
    answer = measure(query, data).release(sigma, None)
    return {line.key: {f.name: f for f in line.figures} for line in answer.lines}


def column(data, name):
    return data.rows.columns[name]


@pytest.fixture(scope="module")
def data():
    return table()


@pytest.fixture(scope="module")
def crowd():
    """Enough subjects that the quietest noise is small beside the answer."""
    return table(subjects=20_000)


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: type(q.measure).__name__)
def test_no_subject_is_longer_than_the_clip(query, data):
    squares = measure(query, data).squares
    assert squares.max() <= co.ONE**2
    assert squares.min() >= 0
    assert len(squares) == data.subjects


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: type(q.measure).__name__)
def test_what_a_subject_is_charged_does_not_depend_on_others(query, data):
    everybody = measure(query, data).squares
    for subject in (0, 7, 123):
        rest = measure(query, without(data, subject)).squares
        assert np.array_equal(rest, np.delete(everybody, subject))


def test_the_total_moves_by_exactly_the_charged_vector(data):
    units = co.to_units(column(data, "wage").numbers[:, None], 60.0)
    cells = column(data, "region").numbers.astype(np.int32)
    full = co.contribute(data.offsets, cells, units, size=3, mode=co.SUM)
    for subject in (0, 7, 123):
        active = np.arange(data.subjects) != subject
        part = co.contribute(data.offsets, cells, units, size=3, mode=co.SUM, active=active)
        moved = full.total - part.total
        assert sum(int(v) ** 2 for v in moved.ravel()) == full.squares[subject]


def test_rows_past_the_clip_are_scaled_down_and_never_refused(data):
    units = np.full((data.rows.length, 1), co.ONE, dtype=np.int64)
    cells = np.zeros(data.rows.length, dtype=np.int32)
    found = co.contribute(data.offsets, cells, units, size=1, mode=co.SUM)
    assert found.squares.max() <= co.ONE**2
    assert found.total[0, 0] == pytest.approx(data.subjects * co.ONE, rel=1e-9)


def test_a_subject_with_a_million_rows_counts_with_4096():
    n = 10**6
    units = np.full((n, 1), 1, dtype=np.int64)
    found = co.contribute(np.array([0, n]), np.zeros(n, np.int32), units, size=1, mode=co.SUM)
    assert found.total[0, 0] == 4096


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.integers(-co.ONE, co.ONE), min_size=1, max_size=40),
    st.integers(1, 4),
    st.sampled_from([co.SUM, co.ANY, co.MEAN]),
)
def test_the_kernel_agrees_with_whole_numbers_in_python(values, size, mode):
    cells = np.arange(len(values), dtype=np.int32) % size
    units = np.array(values, dtype=np.int64)[:, None]
    found = co.contribute(np.array([0, len(values)]), cells, units, size=size, mode=mode)
    by_cell = [[v for v, c in zip(values, cells, strict=True) if c == cell] for cell in range(size)]
    exact = [combine(rows, mode) for rows in by_cell]
    norm = math.isqrt(sum(v * v for v in exact))
    if norm < co.ONE * 0.999:
        assert found.total[:, 0].tolist() == exact
    assert found.squares[0] == sum(int(v) ** 2 for v in found.total[:, 0]) <= co.ONE**2
    assert all(abs(int(got)) <= abs(want) for got, want in zip(found.total[:, 0], exact, strict=True))


def combine(rows, mode):
    if not rows:
        return 0
    if mode == co.ANY:
        return rows[0]
    total = sum(rows)
    return total if mode == co.SUM else int(math.copysign(abs(total) // len(rows), total))


@given(st.integers(0, co.ONE**2), st.integers(0, co.CAP))
def test_charges_are_never_too_small_and_less_than_two_units_too_large(square, worst):
    exact = Fraction(square) * worst / co.ONE**2
    charged = int(co.charges(np.array([square], dtype=np.int64), worst)[0])
    assert exact <= charged < exact + 2


@given(st.integers(MIN_SIGMA, 2**45), st.fractions(Fraction(1, 1000), Fraction(50)))
def test_the_worst_case_is_rounded_up(sigma, mu_squared):
    exact = Fraction(co.CAP) * co.ONE**2 / (Fraction(sigma) ** 2 * mu_squared)
    assert exact <= co.worst_case_units(sigma, mu_squared) < exact + 1


def test_a_count_is_the_number_of_rows(crowd):
    found = figures(QUERIES[0], crowd)[()]["count"]
    assert abs(found.value - crowd.rows.length) < 5 * found.half_width


def test_subjects_are_counted_once(crowd):
    hit = column(crowd, "wage").valid & (column(crowd, "wage").numbers > 30)
    true = np.add.reduceat(hit, crowd.offsets[:-1]) > 0
    assert abs(figures(QUERIES[3], crowd)[()]["count"].value - true.sum()) < 3


def test_grouped_means_are_those_of_numpy(crowd):
    wage, region = column(crowd, "wage"), column(crowd, "region").numbers
    for code, label in enumerate(REGIONS):
        mine = figures(QUERIES[7], crowd)[(label,)]["mean"]
        true = wage.numbers[wage.valid & (region == code)].mean()
        assert abs(mine.value - true) < 5 * mine.half_width < 1.0


def test_a_mean_per_subject_weighs_subjects_alike(crowd):
    hours = column(crowd, "hours").numbers
    means = np.add.reduceat(hours, crowd.offsets[:-1]) / np.diff(crowd.offsets)
    mine = figures(QUERIES[8], crowd)[()]["mean"]
    assert abs(mine.value - means.mean()) < 5 * mine.half_width


def test_variance_quantiles_and_distribution_are_those_of_numpy(crowd):
    wage = column(crowd, "wage").numbers[column(crowd, "wage").valid]
    assert figures(QUERIES[9], crowd)[()]["variance"].value == pytest.approx(wage.var(), rel=0.02)
    quantiles = figures(QUERIES[10], crowd)
    assert quantiles[("0.1",)]["quantile"].value == pytest.approx(np.quantile(wage, 0.1), abs=0.3)
    assert quantiles[("0.5",)]["quantile"].value == pytest.approx(np.quantile(wage, 0.5), abs=0.3)
    shares = figures(QUERIES[11], crowd)
    assert shares[("50",)]["share"].value == pytest.approx((wage <= 50).mean(), abs=0.01)
    assert shares[("100",)]["share"].value == pytest.approx(1.0, abs=0.01)


def test_regression_and_correlation_are_those_of_numpy(crowd):
    keep = column(crowd, "wage").valid
    y, h, u = (column(crowd, name).numbers[keep] for name in ("wage", "hours", "union"))
    x = np.column_stack([np.ones_like(h), h, u])
    true = np.linalg.lstsq(x, y, rcond=None)[0]
    mine = figures(QUERIES[12], crowd)[()]
    for name, value in zip(("intercept", "hours", "union"), true, strict=True):
        assert abs(mine[name].value - value) < 5 * mine[name].half_width
    assert figures(QUERIES[13], crowd)[()]["correlation"].value == pytest.approx(
        np.corrcoef(y, h)[0, 1], abs=0.02
    )


def test_a_mean_of_nobody_is_not_told_rather_than_wrong(data):
    nobody = Compare(">", WAGE, Constant(99.9999))
    found = figures(Query(table="wages", measure=Mean(WAGE), where=nobody), data, sigma=100 * co.ONE)
    assert found[()]["mean"].value is None


def test_filters_follow_three_valued_logic(crowd):
    missing = ~column(crowd, "wage").valid
    cases = {
        IsNull("wage"): missing,
        Not(Compare(">", WAGE, Constant(30))): ~missing & (column(crowd, "wage").numbers <= 30),
        Or((UNION, Compare(">", WAGE, Constant(30)))): (column(crowd, "union").numbers == 1)
        | (~missing & (column(crowd, "wage").numbers > 30)),
        And((Not(IsNull("wage")), UNION)): ~missing & (column(crowd, "union").numbers == 1),
    }
    for where, true in cases.items():
        found = figures(Query(table="wages", measure=Count(), where=where), crowd)[()]["count"]
        assert abs(found.value - true.sum()) < 5 * found.half_width


def test_extended_mode_leaves_the_exhausted_out(crowd):
    active = np.arange(crowd.subjects) % 2 == 0
    query = Query(table="wages", measure=CountSubjects())
    answer = measure(query, crowd).release(QUIET, active)
    assert answer.lines[0].figures[0].value == pytest.approx(active.sum(), abs=3)


def test_noise_has_the_promised_spread():
    zeros = np.zeros(4000, dtype=np.int64)
    noise = add_noise(zeros, co.ONE)
    assert noise.std() == pytest.approx(co.ONE, rel=0.08)
    assert abs(noise.mean()) < 5 * co.ONE / math.sqrt(4000)
    assert not np.array_equal(noise, add_noise(zeros, co.ONE))


@pytest.mark.parametrize("sigma", [MIN_SIGMA, 2**53 + 1, 2**59 + 1, 2**59 + 63, MAX_SIGMA - 1, MAX_SIGMA])
def test_noise_is_never_less_than_was_charged_for(sigma):
    assert sigma <= int(float_not_below(sigma)) <= sigma * (1 + 2**-52)


def test_too_little_noise_is_refused():
    with pytest.raises(ValueError, match="sigma must be"):
        add_noise(np.zeros(1, dtype=np.int64), MIN_SIGMA - 1)


def test_the_clip_of_a_design_covers_every_allowed_row(data):
    """The declared clip is never binding for a subject within the declared rows: answers are not distorted."""
    for query in QUERIES:
        plan = design(query, SPEC)
        if query.rows is None and plan.mode == co.SUM:
            assert plan.clip > 0
            assert measure(query, data).squares.max() <= co.ONE**2


def test_clip_moves_values_into_its_bounds(crowd):
    clipped = figures(Query(table="wages", measure=Sum(Clip(WAGE, 0, 10))), crowd)[()]["sum"]
    wage = column(crowd, "wage")
    assert abs(clipped.value - wage.numbers[wage.valid].clip(0, 10).sum()) < 5 * clipped.half_width


def cities(subjects=3000, rare=3):
    """Everybody lives in Rome and half also in Oslo; a few name a place of their own."""
    rng = np.random.default_rng(2)
    codes, offsets = [], [0]
    for subject in range(subjects):
        mine = [0, 1] if rng.random() < 0.5 else [0]
        mine += [2 + subject] if subject < rare else []
        codes += mine
        offsets.append(len(codes))
    spec = TableSpec(
        name="wages", subject="person", max_rows=8, columns={"city": ColumnSpec(name="city", kind=Kind.TEXT)}
    )
    texts = ["Rome", "Oslo", *(f"Hermitage {k}" for k in range(rare))]
    columns = {"city": Values(np.array(codes, dtype=np.int32), np.ones(len(codes), dtype=bool))}
    return table_from_columns(Rows(spec, columns, len(codes), {"city": texts}), np.array(offsets))


def test_values_that_few_people_have_are_not_told():
    query = Query(table="wages", measure=KeyCounts("city", 2))
    measured = measure(query, cities(), threshold_delta=1e-9)
    assert measured.squares.max() <= co.ONE**2
    lines = measured.release(co.ONE * 5, None).lines
    assert [line.key for line in lines] == [("Rome",), ("Oslo",)]
    # Who lives in both counts with 1/sqrt 2 in each.
    assert lines[1].figures[0].value == pytest.approx(1500 / math.sqrt(2), abs=80)


def test_the_threshold_is_that_of_the_paper():
    sigma = round(4.2249 * co.ONE)
    assert threshold(sigma, 1, 1e-6) / co.ONE == pytest.approx(21.083, abs=1e-3)
    assert threshold(20 * co.ONE, 10, 1e-6) / co.ONE == pytest.approx(104.30, abs=0.01)
    assert threshold(20 * co.ONE, 100, 1e-6) / co.ONE == pytest.approx(112.34, abs=0.01)


def test_undeclared_values_need_their_own_delta():
    with pytest.raises(QueryRefused, match="does not release undeclared values"):
        measure(Query(table="wages", measure=KeyCounts("city", 1)), cities())
