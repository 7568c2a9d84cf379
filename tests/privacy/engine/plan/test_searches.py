"""Quantiles: exact on the column's own values, with intervals that hold, whatever the data."""

import math
from functools import cache
from uuid import uuid4

import mpmath
import numpy as np
import pytest
from django.db import connection

from privacy import services
from privacy.engine.figures import CLEAR, of_quantiles
from privacy.engine.language.expressions import Binary, Column, Constant
from privacy.engine.language.query import Quantiles, Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.measure.ranks import Ranks
from privacy.engine.plan.designs import design
from privacy.engine.plan.mechanisms import most_releases
from privacy.engine.plan.pricing import error_per_sigma
from privacy.engine.plan.searches import MOST_CELLS, MOST_STEPS, Grid, SearchResult, certain, grid_of, search
from privacy.engine.release import measure, table_from_columns
from privacy.execution import lifecycle
from privacy.ledgers.verification import faults
from privacy.models import Answer, LedgerLine
from privacy.services import questions
from tests import make
from tests.makers.datasets import PEOPLE

PEOPLE_HERE = 4000
TIMES = 400
ROW = ONE // 2
"""Units that a row adds at most: little enough that nobody is clipped."""
RARE = 5.2
"""Standard deviations that a binomial count passes with a probability below 1e-7."""

AGES, YES, WAGES, WIDE, COUNTED = "age", "smokes", "wage", "salary", "cents"
SPEC = TableSpec(
    name="t",
    subject="p",
    max_rows=1,
    columns={
        AGES: ColumnSpec(name=AGES, kind=Kind.INTEGER, lower=17.0, upper=90.0),
        YES: ColumnSpec(name=YES, kind=Kind.BOOLEAN, lower=0.0, upper=1.0, labels=("0", "1")),
        WAGES: ColumnSpec(name=WAGES, kind=Kind.NUMBER, lower=0.0, upper=50.0),
        WIDE: ColumnSpec(name=WIDE, kind=Kind.NUMBER, lower=0.0, upper=10_000_000.0),
        COUNTED: ColumnSpec(name=COUNTED, kind=Kind.INTEGER, lower=0.0, upper=1_000_000.0, unit="cents"),
    },
)


def drawn(name):
    """Values as people report them: heaps at round numbers, ties, long tails within bounds that are far too wide."""
    rng = np.random.default_rng(11)
    normal = np.rint(rng.normal(39, 13, PEOPLE_HERE))
    heaped = np.where(rng.random(PEOPLE_HERE) < 0.3, np.rint(normal / 5) * 5, normal)
    return {
        AGES: heaped.clip(17, 90),
        YES: (rng.random(PEOPLE_HERE) < 0.3).astype(float),
        WAGES: np.round(rng.lognormal(2.1, 0.5, PEOPLE_HERE).clip(0, 50), 1),
        WIDE: rng.lognormal(10.5, 0.6, PEOPLE_HERE),
        COUNTED: np.rint(rng.lognormal(7, 1, PEOPLE_HERE)).clip(0, 1e6),
    }[name]


def asked(name, *shares):
    return Query(table="t", measure=Quantiles(Column(name), shares))


def held(name, values):
    numbers = {name: Values(np.asarray(values, dtype=np.float64), EVERYWHERE)}
    return table_from_columns(Rows(SPEC, numbers, len(values)), np.arange(len(values) + 1))


def told(query, table, sigma=MIN_SIGMA):
    return [line.figures[0] for line in measure(query, table).release(sigma, None).lines]


def true(values, share):
    """The smallest value with at least this share of the rows at or below it."""
    return float(np.sort(values)[max(0, math.ceil(share * len(values) - 1e-9) - 1)])


# Where a search can end


@pytest.mark.parametrize(
    ("lower", "upper", "steps"),
    [(0, 1, 1), (5, 5, 1), (0, 2, 2), (17, 90, 7), (-10, 60, 7), (0, 4095, 12), (0, 4096, 12), (0, 1e7, 12)],
)
def test_a_whole_number_column_needs_as_many_steps_as_tell_its_values_apart(lower, upper, steps):
    grid = Grid(lower=float(lower), upper=float(upper), decimals=0)
    assert grid.steps == steps <= MOST_STEPS
    assert len(grid.stops) == grid.cells - 1
    assert (np.diff(grid.stops) > 0).all()
    assert (grid.stops == np.rint(grid.stops)).all()
    assert (grid.half_cell == 0) == (upper - lower < MOST_CELLS)


def test_only_a_bare_column_of_whole_numbers_has_a_grid_of_its_own():
    assert grid_of(Column(AGES), SPEC).decimals == grid_of(Column(YES), SPEC).decimals == 0
    for other in (Column(WAGES), Binary("+", Column(AGES), Constant(1.0))):
        assert grid_of(other, SPEC).decimals is None
    huge = ColumnSpec(name=AGES, kind=Kind.INTEGER, lower=0.0, upper=1e18)
    table = TableSpec(name="t", subject="p", max_rows=1, columns={AGES: huge})
    assert grid_of(Column(AGES), table).decimals is None


def test_fewer_steps_cost_less():
    """Each step is a release at the full price."""
    releases = {name: design(asked(name, 0.5), SPEC).releases for name in SPEC.columns}
    assert releases == {AGES: 7, YES: 1, WAGES: 12, WIDE: 12, COUNTED: 12}
    assert design(asked(AGES, 0.1, 0.5, 0.9), SPEC).releases == 21
    assert most_releases(asked(AGES, 0.1, 0.5, 0.9)) == 36


class Quiet:
    """Counts without the pass over rows, so that every place can be asked for."""

    def __init__(self, values, stops):
        self.at_most, self.rows = np.searchsorted(np.sort(values), stops, side="right"), len(values)

    def signed_count(self, place, below, above):
        under = int(self.at_most[place])
        return under * below + (self.rows - under) * above


@pytest.mark.parametrize("cells", [2, 3, 5, 64, 65, 74, 100, 129, 3000, 4095, 4096])
def test_a_search_finds_every_value_of_a_column_within_its_steps(cells):
    grid = Grid(lower=0.0, upper=cells - 1.0, decimals=0)
    stops = grid.stops
    for value in {*range(0, cells, max(1, cells // 60)), cells - 1}:
        counts = Quiet(np.full(2000, float(value)), stops)
        steps = Counted(counts)
        found = search(grid, (ONE // 2, -ONE // 2), MIN_SIGMA, steps)
        assert (found.value, found.low, found.high) == (value, value, value)
        assert steps.taken <= grid.steps


class Counted:
    def __init__(self, counts):
        self.counts, self.taken = counts, 0

    def signed_count(self, *args):
        self.taken += 1
        return self.counts.signed_count(*args)


@pytest.mark.parametrize("name", [AGES, YES])
def test_with_little_noise_a_quantile_is_the_value_of_the_column(name):
    """The noise is an eighth of one row: no count on the way is as close to a tie."""
    values, shares = drawn(name), (0.1, 0.25, 0.5, 0.9)
    for share, figure in zip(shares, told(asked(name, *shares), held(name, values)), strict=True):
        assert figure.value == figure.low == figure.high == true(values, share)


def test_a_wide_column_of_whole_numbers_tells_whole_numbers():
    values = drawn(COUNTED)
    for figure in told(asked(COUNTED, 0.1, 0.5, 0.9), held(COUNTED, values)):
        assert all(each.is_integer() for each in (figure.value, figure.low, figure.high))
        assert figure.low <= figure.value <= figure.high
    grid = grid_of(Column(COUNTED), SPEC)
    (figure,) = told(asked(COUNTED, 0.5), held(COUNTED, values))
    assert abs(figure.value - true(values, 0.5)) <= grid.half_cell
    assert figure.low <= true(values, 0.5) <= figure.high


# Intervals


def searched(name, values, share, relative, times=TIMES):
    """Many searches at noise of this part of the rows: (grid, [SearchResult])."""
    grid = grid_of(Column(name), SPEC)
    table = held(name, values)
    ranks = Ranks(table.offsets, EVERYWHERE, table.rows.columns[name], grid.stops, ROW, EVERYWHERE)
    below, above = round((1 - share) * ROW), -round(share * ROW)
    sigma = round(relative * len(values) * ROW)
    return grid, [search(grid, (below, above), sigma, ranks) for _ in range(times)]


def at_least_95_in_100(hits):
    """A false alarm, where each hit has a probability of at least .95, is rarer than 1e-6."""
    return sum(hits) >= 0.95 * len(hits) - RARE * math.sqrt(0.95 * 0.05 * len(hits))


def half_at_zero(share):
    """A little more than half at the lower end, all others near the upper one: every stop is as close to a tie."""
    few = round(share * PEOPLE_HERE)
    return np.concatenate([np.zeros(few), np.full(PEOPLE_HERE - few, 49.0)])


TABLES = {
    "heaped ages": (AGES, drawn(AGES), 0.5, 0.003),
    "heaped ages, loud": (AGES, drawn(AGES), 0.9, 0.02),
    "wages": (WAGES, drawn(WAGES), 0.5, 0.003),
    "wages, the tail": (WAGES, drawn(WAGES), 0.9, 0.01),
    "wide bounds": (WIDE, drawn(WIDE), 0.25, 0.01),
    "wide bounds, whole": (COUNTED, drawn(COUNTED), 0.5, 0.01),
    "all the same": (AGES, np.full(PEOPLE_HERE, 40.0), 0.5, 0.01),
    "yes or no": (YES, drawn(YES), 0.5, 0.05),
    "half at zero": (WAGES, half_at_zero(0.5 + 2 * 0.01), 0.5, 0.01),
    "a tie": (AGES, np.repeat([20.0, 80.0], PEOPLE_HERE // 2), 0.5, 0.01),
}


@cache
def searched_in(table):
    return searched(*TABLES[table])


@pytest.mark.parametrize("table", TABLES)
def test_an_interval_holds_the_quantile_and_the_value_that_is_told(table):
    _, values, share, _ = TABLES[table]
    _, found = searched_in(table)
    assert at_least_95_in_100([each.low <= true(values, share) <= each.high for each in found])
    assert all(each.low <= each.value <= each.high for each in found)


@pytest.mark.parametrize("table", TABLES)
def test_the_error_told_before_holds_for_the_rank_beside_ties(table):
    """The share asked for lies between the ranks before and at what was told, or no further off than was said."""
    _, values, share, relative = TABLES[table]
    grid, found = searched_in(table)
    ordered, off = np.sort(values), []
    for each in found:
        half = grid.half_cell * (1 + 1e-9)
        before = np.searchsorted(ordered, each.value - half, side="left") / len(values)
        upto = np.searchsorted(ordered, each.value + half, side="right") / len(values)
        off.append(max(0.0, before - share, share - upto))
    assert at_least_95_in_100([each <= certain(grid.steps) * relative for each in off])


def test_the_usual_95_percent_of_one_step_would_not_hold_for_a_search():
    """With all stops as close to a tie as that, one of twelve steps goes wrong far more often."""
    _, found = searched(WAGES, half_at_zero(0.5 + 1.96 * 0.01), 0.5, 0.01)
    wrong = sum(each.value > 0.01 for each in found)
    assert wrong > 0.05 * TIMES + RARE * math.sqrt(0.95 * 0.05 * TIMES)


def test_intervals_are_not_much_wider_than_the_noise():
    """The middle of the bounds is where medians lie: what is told there is not lost between two far stops."""
    values = np.random.default_rng(5).uniform(0, 50, PEOPLE_HERE)
    _, found = searched(WAGES, values, 0.5, 0.003, times=50)
    assert np.median([each.high - each.low for each in found]) < 50 / 6
    exact = [found.high - found.low for found in searched(AGES, drawn(AGES), 0.5, 0.0005, times=50)[1]]
    assert max(exact) == 0


@pytest.mark.parametrize("steps", [1, 7, 12])
def test_all_steps_together_err_in_5_of_100_cases(steps):
    mpmath.mp.dps = 50
    z = mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.mpf("0.05") / steps)
    assert certain(steps) == pytest.approx(float(z), rel=1e-12)


def test_the_error_of_a_rank_is_that_of_all_steps_and_needs_a_public_size():
    query = asked(AGES, 0.5, 0.9)
    plan = design(query, SPEC)
    assert error_per_sigma(query, plan, None) is None
    assert error_per_sigma(query, plan, 1000) == pytest.approx(certain(7) * 0.9 / ONE / 1000)


# Nobody


def test_a_quantile_of_nobody_says_so():
    """A search of one step mistakes noise for a clear count with a probability of 6e-7."""
    (figure,) = told(asked(YES, 0.5), held(YES, np.ones(1)), sigma=20 * ONE)
    assert (figure.value, figure.low, figure.high) == (None, None, None)
    (figure,) = told(asked(YES, 0.5), held(YES, np.ones(PEOPLE_HERE)), sigma=20 * ONE)
    assert (figure.value, figure.low, figure.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("name", [AGES, WAGES])
def test_longer_searches_among_nobody_stand_clear_of_no_noise_either(name):
    """Twelve steps do once in 10^5 searches: twice in 100 is rarer than 1e-6."""
    _, found = searched(name, np.full(1, 40.0), 0.5, 1000.0, times=100)
    assert sum(each.clear >= CLEAR for each in found) < 2
    _, found = searched(name, np.full(PEOPLE_HERE, 40.0), 0.5, 0.01, times=100)
    assert all(each.clear >= CLEAR for each in found)


def test_values_are_kept_in_order_and_in_their_intervals():
    found = [
        SearchResult(value=v, low=v - 1, high=v + 1, clear=c)
        for v, c in ((5.0, 9), (3.0, 9), (4.0, CLEAR - 1), (2.0, 9))
    ]
    figures = [line.figures[0] for line in of_quantiles((0.9, 0.5, 0.4, 0.6), found).lines]
    assert [each.value for each in figures] == [5.0, 2.0, None, 3.0]
    assert [(each.low, each.high) for each in figures] == [(4.0, 6.0), (2.0, 4.0), (None, None), (1.0, 3.0)]


# The ledger


@pytest.fixture
def budget(db):
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=40)


def by_hand(line, purpose):
    """As somebody would who may switch triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        LedgerLine.objects.filter(pk=line.pk).update(purpose=purpose)
        cursor.execute("SET LOCAL session_replication_role = origin")


def spent(budget, text="SELECT MEDIAN(year) FROM wages"):
    by = budget.scientist
    quoted = questions.quote(budget, questions.read_sql(budget, text).query, by=by, epsilon=5.0)
    answer = questions.ask(budget, quoted, key=uuid4(), by=by, text=text)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    return answer


def test_a_search_is_charged_for_its_steps_and_the_ledger_agrees(budget):
    answer = spent(budget)
    assert (answer.state, answer.line.purpose["releases"]) == (Answer.State.RELEASED, answer.releases)
    assert answer.releases < MOST_STEPS
    assert faults(budget.promise) == []


def test_a_line_that_says_less_than_its_search_took_is_found(budget):
    line = spent(budget).line
    purpose = {**line.purpose, "releases": line.purpose["releases"] - 1}
    by_hand(line, purpose)
    assert any("other noise" in each for each in faults(budget.promise))


def test_lines_from_before_paid_for_twelve_steps(budget):
    """They do not say how many, and their search took twelve on every column."""
    answer = spent(budget)
    by_hand(answer.line, {k: v for k, v in answer.line.purpose.items() if k != "releases"})
    assert any("cost does not match its noise" in each for each in faults(budget.promise))
    answer = spent(budget, "SELECT MEDIAN(wage) FROM wages")
    assert answer.releases == MOST_STEPS
    by_hand(answer.line, {k: v for k, v in answer.line.purpose.items() if k != "releases"})
    assert not any(f"Line {answer.line_id} " in each for each in faults(budget.promise))
