"""Questions tried on mock rows: what is told of them is what the real size would tell, at any size of the mock."""

from dataclasses import replace

import numpy as np
import pytest

from privacy.engine import release
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.query import (
    Correlation,
    Count,
    Covariance,
    Distribution,
    Histogram,
    Mean,
    Quantiles,
    Query,
    Regression,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.plan.designs import design
from privacy.engine.release import SortedTable, exact_sums, measure, table_from_columns
from privacy.engine.trials import TRIES, can_be_tried, people_with, trial
from tests.privacy import make_table
from tests.privacy.make_table import SPEC

WAGE, HOURS, UNION = Column("wage"), Column("hours"), Column("union")
REGRESSION = Query(table="wages", measure=Regression(WAGE, (HOURS, UNION), ("hours", "union")))
RATIOS = {
    "mean": Query(table="wages", measure=Mean(WAGE)),
    "mean of people": Query(table="wages", measure=Mean(WAGE, per_subject=True)),
    "mean by region": Query(table="wages", measure=Mean(WAGE), by=("region",)),
    "mean of some": Query(table="wages", measure=Mean(WAGE), where=Compare(">", HOURS, Constant(20.0))),
    "variance": Query(table="wages", measure=Variance(WAGE)),
    "standard deviation": Query(table="wages", measure=StandardDeviation(WAGE)),
    "covariance": Query(table="wages", measure=Covariance(WAGE, HOURS), by=("region",)),
    "correlation": Query(table="wages", measure=Correlation(WAGE, HOURS)),
    "regression": REGRESSION,
}


def repeated(table: SortedTable, times: int) -> SortedTable:
    """As many people of each kind: `times` as many rows and people, alike in all that is told of them."""
    columns = {
        name: Values(np.tile(found.numbers, times), np.tile(found.valid, times))
        for name, found in table.rows.columns.items()
    }
    sizes = np.tile(np.diff(table.offsets), times)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return table_from_columns(Rows(SPEC, columns, table.rows.length * times), offsets)


@pytest.mark.parametrize("name", RATIOS)
def test_what_is_tried_is_what_the_release_adds_its_noise_to(name, monkeypatch):
    """Bit for bit, also where the release takes a faster pass."""
    totals = []

    def no_noise(total, sigma):
        totals.append(total)
        return total

    monkeypatch.setattr(release, "add_noise", no_noise)
    table = make_table.table(300)
    measure(RATIOS[name], table).release(ONE, None)
    assert np.array_equal(exact_sums(RATIOS[name], table), totals[0])


@pytest.mark.parametrize("name", RATIOS)
@pytest.mark.parametrize("times", [7, 40])
def test_the_size_of_the_mock_does_not_matter(name, times):
    """With the same draws, a mock of a fraction of the people tells what one of all people tells."""
    small = make_table.table(200)
    people = small.subjects * times
    one, all_ = (
        trial(RATIOS[name], table, sigma=ONE, people=people, seed=3)
        for table in (small, repeated(small, times))
    )
    assert all_.rows == one.rows * times
    assert [(each.key, each.name, each.released) for each in one.figures] == [
        (each.key, each.name, each.released) for each in all_.figures
    ]
    assert {each.released for each in one.figures} == {TRIES}
    widths = [[each.half_width for each in found.figures] for found in (one, all_)]
    assert widths[0] == pytest.approx(widths[1], rel=1e-4)


def test_the_tries_have_the_intervals_of_real_releases():
    """The engine itself, on as many people as announced: its middle interval lies where the tries say."""
    small = make_table.table(200)
    found = trial(REGRESSION, small, sigma=ONE, people=2_000, seed=5)
    measured = measure(REGRESSION, repeated(small, 10))
    answers = [measured.release(ONE, None).lines[0].figures for _ in range(20)]
    for k, figure in enumerate(found.figures):
        widths = [answer[k].half_width for answer in answers]
        assert figure.half_width == pytest.approx(np.median(widths), rel=0.1)


def test_little_noise_comes_out_much_is_lost_and_the_same_question_has_the_same_tries():
    table = make_table.table(200)

    def told(sigma):
        return [each.released for each in trial(REGRESSION, table, sigma=sigma, people=200, seed=1).figures]

    assert told(ONE) == [TRIES] * 3
    assert told(ONE * 2**20) == [0] * 3
    assert told(2**60) == [0] * 3
    between = [told(round(ONE * 2**step)) for step in np.arange(0, 8, 0.25)]
    assert any(0 < each[0] < TRIES for each in between)
    assert between == sorted(between, reverse=True)
    assert between == [told(round(ONE * 2**step)) for step in np.arange(0, 8, 0.25)]


def test_too_few_rows_behind_a_filter_are_not_taken_for_noise():
    table = make_table.table(100)
    nobody = replace(REGRESSION, where=Compare(">", WAGE, Constant(99.99)))
    found = trial(nobody, table, sigma=ONE, people=100, seed=1)
    assert (found.rows, found.figures) == (0, ())
    few = replace(REGRESSION, where=Compare("<", HOURS, Constant(-7.0)))
    found = trial(few, table, sigma=ONE, people=100, seed=1)
    assert 0 < found.rows < 30
    assert found.figures == ()


def test_ratios_are_tried_and_what_is_known_before_is_not():
    for query in RATIOS.values():
        assert can_be_tried(query, design(query, SPEC).cells)
    for measure_ in (
        Count(),
        Sum(WAGE),
        Quantiles(WAGE, (0.5,)),
        Distribution(WAGE),
        Histogram(WAGE, (0.0, 9.0)),
    ):
        assert not can_be_tried(Query(table="wages", measure=measure_), 1)
    assert not can_be_tried(RATIOS["mean by region"], 10_000)


@pytest.mark.parametrize(("mean", "most"), [(1.0, 6), (2.0, 6), (3.4, 6), (6.0, 6), (1.0, 1), (2.0, 4096)])
def test_rows_are_given_to_people_who_have_so_many_each(mean, most):
    offsets = people_with(mean, 9_000, most=most, seed=4)
    sizes = np.diff(offsets)
    assert (offsets[0], sizes.sum()) == (0, 9_000)
    assert 1 <= sizes.min() <= sizes.max() <= most
    assert sizes.mean() == pytest.approx(mean, rel=0.05)
    assert np.array_equal(offsets, people_with(mean, 9_000, most=most, seed=4))


def test_numbers_of_rows_that_nobody_can_have_are_taken_to_the_nearest():
    for mean, each in ((0.2, 1), (50.0, 6)):
        assert set(np.diff(people_with(mean, 600, most=6, seed=1))) == {each}
