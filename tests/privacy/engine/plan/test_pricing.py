"""Prices and cells follow from the query and the declarations; bounds enclose what rows can hold."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine.accounting import gdp_mu
from privacy.engine.language.bounds import bounds
from privacy.engine.language.expressions import (
    And,
    Binary,
    Clip,
    Column,
    Compare,
    Constant,
    In,
    Not,
    Or,
    Power,
    Unary,
)
from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Mean,
    Quantiles,
    Query,
    Regression,
    Sum,
    Variance,
)
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.measure.contributions import CAP, ONE, worst_case_units
from privacy.engine.measure.evaluate import Rows, Values, evaluate
from privacy.engine.plan.cells import domain_of, fits, touched
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import (
    Z95,
    error_per_sigma,
    offer_for_epsilon,
    offer_for_error,
    offer_for_mu,
    offer_for_share,
)
from tests.privacy.make_table import SPEC

WAGE = Column("wage")
PEOPLE = Query(table="wages", measure=CountSubjects())
BUDGET = gdp_mu(1, 1e-6)


def test_an_error_is_solved_for_its_price_and_back():
    plan = design(PEOPLE, SPEC)
    offer = offer_for_error(PEOPLE, plan, 50.0, BUDGET, None)
    assert offer.sigma * Z95 / ONE == pytest.approx(50.0)
    assert offer.share == pytest.approx((Z95 / 50 / BUDGET) ** 2, rel=1e-6)
    again = offer_for_mu(plan, offer.mu, BUDGET)
    assert again.sigma == pytest.approx(offer.sigma, abs=1)


def test_five_counts_with_a_spread_of_ten_fit_a_budget_of_one():
    plan = design(PEOPLE, SPEC)
    assert CAP // offer_for_error(PEOPLE, plan, 10 * Z95, BUDGET, None).units == 5
    assert CAP // offer_for_error(PEOPLE, plan, 50 * Z95, BUDGET, None).units == 140
    assert CAP // offer_for_error(PEOPLE, plan, 200 * Z95, BUDGET, None).units == 2241


def test_what_costs_more_moves_the_answer_more():
    """Multiplying a column by a million multiplies the noise, not the protection."""
    plain = Query(table="wages", measure=Sum(WAGE))
    scaled = Query(table="wages", measure=Sum(Binary("*", WAGE, Constant(1e6))))
    one, million = (design(q, SPEC) for q in (plain, scaled))
    assert million.clip == pytest.approx(1e6 * one.clip)
    at_error = [offer_for_error(q, d, 500.0, BUDGET, None) for q, d in ((plain, one),)]
    with pytest.raises(QueryRefused, match="No budget can pay for"):
        offer_for_error(scaled, million, 500.0, BUDGET, None)
    assert at_error[0].units > 0


def test_a_whole_budget_costs_the_whole_cap():
    offer = offer_for_epsilon(design(PEOPLE, SPEC), 1.0, 1e-6, BUDGET)
    assert offer.share == pytest.approx(1.0, rel=1e-6)
    assert offer.units <= CAP


def test_a_search_pays_for_each_of_its_steps():
    query = Query(table="wages", measure=Quantiles(WAGE, (0.25, 0.5)))
    offer = offer_for_mu(design(query, SPEC), 0.1, BUDGET)
    assert offer.releases == 24
    assert offer.units == 24 * offer.units_each
    assert offer.share == pytest.approx((0.1 / BUDGET) ** 2, rel=1e-4)


def test_the_error_of_a_mean_needs_a_public_size():
    query = Query(table="wages", measure=Mean(WAGE))
    plan = design(query, SPEC)
    assert error_per_sigma(query, plan, None) is None
    assert error_per_sigma(query, plan, 4000) == pytest.approx(
        Z95 * 8 * math.sqrt(1.5) / ONE * 50 / 4000 * math.sqrt(3)
    )
    variance = Query(table="wages", measure=Variance(WAGE))
    with pytest.raises(QueryRefused, match="depends on the data"):
        offer_for_error(variance, design(variance, SPEC), 1.0, BUDGET, 100)


SEVERAL = [
    PEOPLE,
    Query(table="wages", measure=Mean(WAGE)),
    Query(table="wages", measure=Quantiles(Column("hours"), (0.1, 0.5, 0.9))),
    Query(table="wages", measure=Quantiles(WAGE, (0.25, 0.5))),
]


@settings(max_examples=200)
@given(
    st.sampled_from(SEVERAL),
    st.floats(min_value=1e-9, max_value=1.0) | st.sampled_from([1.0, 0.5, 1 / CAP, 1e-8]),
    st.sampled_from([BUDGET, 0.01, 3.7]),
)
def test_a_share_buys_the_most_exact_answer_that_costs_no_more(query, share, budget):
    plan = design(query, SPEC)
    if share * CAP < plan.releases:
        with pytest.raises(QueryRefused, match="would say nothing"):
            offer_for_share(plan, share, budget)
        return
    offer = offer_for_share(plan, share, budget)
    assert 0 < offer.share <= share
    assert worst_case_units(offer.sigma, Fraction(budget) ** 2) == offer.units_each
    louder = worst_case_units(offer.sigma - 1, Fraction(budget) ** 2) * plan.releases
    assert louder / CAP > share


@settings(max_examples=200)
@given(st.sampled_from(SEVERAL), st.floats(min_value=0.001, max_value=0.9))
def test_the_share_of_an_offer_buys_as_much_again(query, part):
    plan = design(query, SPEC)
    offer = offer_for_mu(plan, BUDGET * part, BUDGET)
    again = offer_for_share(plan, offer.share, BUDGET)
    assert again.units == offer.units
    assert again.sigma <= offer.sigma


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.0000001, 2.0, float("nan"), float("inf"), -float("inf")])
def test_a_share_is_above_nothing_and_at_most_everything(bad):
    with pytest.raises(QueryRefused, match="above 0 and at most 1"):
        offer_for_share(design(PEOPLE, SPEC), bad, BUDGET)


def test_a_share_that_pays_for_no_unit_is_refused():
    with pytest.raises(QueryRefused, match="would say nothing"):
        offer_for_share(design(PEOPLE, SPEC), 1e-12, BUDGET)
    search = design(SEVERAL[3], SPEC)
    with pytest.raises(QueryRefused, match="would say nothing"):
        offer_for_share(search, (search.releases - 1) / CAP, BUDGET)
    assert offer_for_share(search, search.releases / CAP, BUDGET).units_each == 1


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_errors_and_losses_are_refused(bad):
    plan = design(PEOPLE, SPEC)
    with pytest.raises(QueryRefused):
        offer_for_error(PEOPLE, plan, bad, BUDGET, None)
    with pytest.raises(QueryRefused):
        offer_for_mu(plan, bad, BUDGET)
    with pytest.raises(QueryRefused):
        offer_for_epsilon(plan, bad, 1e-6, BUDGET)


DOMAIN = domain_of([SPEC])
NORTH = In("region", ("north",))
EXPENSIVE = Compare(">", WAGE, Constant(3))


def test_a_filter_on_a_constant_column_charges_its_cells_alone():
    assert DOMAIN.columns == ("region",)
    assert touched(NORTH, DOMAIN, SPEC).tolist() == [True, False, False, False]
    assert touched(Not(NORTH), DOMAIN, SPEC).tolist() == [False, True, True, True]
    assert touched(Or((NORTH, EXPENSIVE)), DOMAIN, SPEC).tolist() == [True] * 4
    assert touched(And((NORTH, EXPENSIVE)), DOMAIN, SPEC).tolist() == [True, False, False, False]
    assert touched(None, DOMAIN, SPEC).tolist() == [True] * 4


def test_a_value_that_came_later_charges_the_cell_for_all_else():
    assert touched(In("region", ("north", "west")), DOMAIN, SPEC).tolist() == [True, False, False, True]


def test_a_column_that_is_no_longer_constant_charges_every_cell():
    columns = {**SPEC.columns, "region": replace(SPEC.columns["region"], constant=False)}
    assert touched(NORTH, DOMAIN, replace(SPEC, columns=columns)).tolist() == [True] * 4


def test_disjoint_groups_share_one_budget_side_by_side():
    spent = np.zeros(4, dtype=np.int64)
    for region in ("north", "south", "east"):
        cells = touched(In("region", (region,)), DOMAIN, SPEC)
        assert fits(spent, cells, CAP)
        spent[cells] += CAP
    assert not fits(spent, touched(None, DOMAIN, SPEC), 1)


LEAVES = st.sampled_from([WAGE, Column("hours"), Column("union"), Constant(2.0), Constant(-3.5)])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda s: st.one_of(
        st.builds(Binary, st.sampled_from("+-*/"), s, s),
        st.builds(Unary, st.sampled_from(["-", "abs", "exp", "log", "sqrt"]), s),
        st.builds(Power, s, st.integers(2, 4)),
        st.builds(Clip, s, st.just(-2.0), st.just(5.0)),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(EXPRESSIONS, st.integers(0, 2**32 - 1))
def test_bounds_enclose_every_row_and_nothing_that_passes_is_undefined(node, seed):
    try:
        interval = bounds(node, SPEC)
    except QueryRefused:
        return
    rng = np.random.default_rng(seed)
    n = 64
    columns = {
        "wage": Values(rng.choice([0.0, 100.0, rng.uniform(0, 100)], n), np.ones(n, bool)),
        "hours": Values(rng.choice([-10.0, 60.0, 0.0, rng.uniform(-10, 60)], n), np.ones(n, bool)),
        "union": Values(rng.integers(0, 2, n).astype(float), np.ones(n, bool)),
    }
    found = evaluate(node, Rows(SPEC, columns, n))
    assert found.valid.all()
    slack = 1e-9 * max(1.0, interval.magnitude)
    assert interval.lower - slack <= found.numbers.min()
    assert found.numbers.max() <= interval.upper + slack


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_row_that_holds_no_number_counts_as_missing_or_at_its_bound(bad):
    columns = {"wage": Values(np.array([bad, 5.0]), np.array([math.isfinite(bad), True]))}
    found = evaluate(WAGE, Rows(SPEC, columns, 2))
    assert found.numbers.tolist() == [100.0 if bad == 1e300 else 0.0, 5.0]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (Query(table="other", measure=Count()), "no table"),
        (Query(table="wages", measure=Count(), rows=4097), "between 1 and 4,096"),
        (Query(table="wages", measure=Count(), rows=0), "between 1 and 4,096"),
        (Query(table="wages", measure=Count(), by=("region", "region")), "each once"),
        (Query(table="wages", measure=Count(), by=("person",)), "identifies the person in each row"),
        (Query(table="wages", measure=Quantiles(WAGE, ())), "Ask for 1 to 9 quantiles"),
        (Query(table="wages", measure=Quantiles(WAGE, (0.5,)), by=("region",)), "cannot be grouped"),
        (Query(table="wages", measure=Sum(Clip(WAGE, 5, 1))), "lower bound is above"),
        (Query(table="wages", measure=Sum(Constant(float("nan")))), "not a finite number"),
        (Query(table="wages", measure=Sum(Power(WAGE, 9))), "from 2 to 8"),
    ],
)
def test_a_query_the_declarations_forbid_is_refused(query, reason):
    with pytest.raises(QueryRefused, match=reason):
        design(query, SPEC)


def test_bounds_whose_squares_are_no_numbers_are_refused_before_anything_is_spent():
    for lower, upper in ((-1e200, 1e200), (0.0, 1e-300), (-1e300, 1e300)):
        column = ColumnSpec(name="x", kind=Kind.NUMBER, lower=lower, upper=upper)
        other = ColumnSpec(name="y", kind=Kind.NUMBER, lower=0.0, upper=1.0)
        spec = TableSpec(name="t", subject="p", max_rows=4, columns={"x": column, "y": other})
        for measure in (
            Variance(Column("x")),
            Regression(Column("y"), (Column("x"),), ("x",)),
            Correlation(Column("x"), Column("y")),
        ):
            with pytest.raises(QueryRefused, match="Limit it first"):
                design(Query(table="t", measure=measure), spec)


def test_an_error_past_all_noise_is_refused_and_not_rounded():
    query = Query(table="wages", measure=Sum(Column("wage")))
    with pytest.raises(QueryRefused, match="this much noise"):
        offer_for_error(query, design(query, SPEC), 1e300, 1.0, None)


@pytest.mark.parametrize("measure", [Mean(Column("wage")), Quantiles(Column("wage"), (0.5,))])
def test_without_a_number_of_rows_an_error_cannot_be_asked_for(measure):
    kept = Query(table="wages", measure=measure, where=In("region", ("north",)))
    assert error_per_sigma(kept, design(kept, SPEC), None) is None
    assert error_per_sigma(kept, design(kept, SPEC), 1000) is not None
    with pytest.raises(QueryRefused, match="Count them first"):
        offer_for_error(kept, design(kept, SPEC), 1.0, 1.0, None)


def test_a_mean_near_the_middle_of_its_bounds_costs_less():
    query = Query(table="wages", measure=Mean(WAGE))
    plan = design(query, SPEC)
    worst, middle = (offer_for_error(query, plan, 1.0, BUDGET, 4000, off).units for off in (1.0, 0.0))
    assert worst == pytest.approx(3 * middle, rel=1e-6)
