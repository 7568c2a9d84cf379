"""Questions in words: expressions written out in short, and units where they are certain."""

import pytest

from privacy import shares
from privacy.engine.language.expressions import Binary, Column, Compare, Constant, Power
from privacy.engine.language.query import (
    Correlation,
    Covariance,
    Histogram,
    Mean,
    Measure,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    Sum,
    Variance,
)
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.language.sql import parse
from privacy.presentation import expressions_in_words, words

TABLE = TableSpec(
    name="flats",
    subject="person",
    max_rows=4,
    columns={
        name: ColumnSpec(name=name, kind=Kind.NUMBER, lower=0, upper=3000, unit=unit)
        for name, unit in (
            ("price", "€"),
            ("rent", "€"),
            ("area", "m²"),
            ("built", "year"),
            ("score", ""),
            ("fee", "€ a month"),
        )
    },
)

SAID = {
    "SUM(LEAST(price, 1000))": ("Sum of price (at most 1,000)", "€"),
    "AVG(LEAST(GREATEST(price, 100), 1000))": ("Mean of price (100 to 1,000)", "€"),
    "SUM(GREATEST(price - rent, -50))": ("Sum of (price − rent) (at least −50)", "€"),
    "SUM(price * 2)": ("Sum of price × 2", ""),
    "SUM(-ABS(price))": ("Sum of −abs(price)", "€"),
    "SUM(price + area)": ("Sum of price + area", ""),
    "VAR_POP(price)": ("Variance of price", "€²"),
    "STDDEV(price)": ("Standard deviation of price", "€"),
    "CORR(LEAST(price, 1000), area / 10)": ("Correlation of price (at most 1,000) and area / 10", ""),
    "SUM(CASE WHEN built >= 1990 THEN price ELSE 0 END)": (
        "Sum of price if built ≥ 1990, else 0",
        "",
    ),
    "AVG(price * price * price * price * price * price * price * price)": ("Mean of an expression", ""),
    "MEDIAN(price)": ("Median of price", "€"),
    "COVAR_POP(price, rent)": ("Covariance of price and rent", "€²"),
    "COVAR_POP(price, area)": ("Covariance of price and area", "€·m²"),
    "COVAR_POP(price, fee)": ("Covariance of price and fee", ""),
    "COVAR_POP(price, score)": ("Covariance of price and score", ""),
    "HISTOGRAM(price, 0, 1500, 3000)": ("Histogram of price in 2 bins from 0 to 3,000", "rows"),
    "HISTOGRAM(built, 1990, 2000)": ("Histogram of built in 1 bin from 1990 to 2000", "rows"),
    "QUANTILE(price, 0.9)": ("Quantiles of price at 0.9", "€"),
}


@pytest.mark.parametrize("aggregate", SAID)
def test_an_expression_is_written_out_in_short_and_keeps_a_certain_unit(aggregate):
    query = parse(f"SELECT {aggregate} FROM flats", TABLE)  # noqa: S608
    assert (words.say(query), words.unit(query, TABLE)) == SAID[aggregate]


def test_numbers_have_commas_and_years_have_none():
    told = [expressions_in_words.plain(value) for value in (1985, 2999, 3000, 30_000, 0.25, -5, -5000)]
    assert told == ["1985", "2999", "3,000", "30,000", "0.25", "−5", "−5,000"]
    assert (
        expressions_in_words.condition(Compare(">=", Column("price"), Constant(50_000.0))) == "price ≥ 50,000"
    )


def test_bounds_have_commas_unless_both_can_be_years():
    def said(lower, upper, unit=""):
        return words.bounds(ColumnSpec(name="x", kind=Kind.NUMBER, lower=lower, upper=upper, unit=unit))

    assert said(0, 3000, "€") == "0 to 3,000 €"
    assert said(0, 2500) == "0 to 2,500"
    assert said(1985, 2024) == "1985 to 2024"
    assert said(-1000, 0.5) == "−1,000 to 0.5"


@pytest.mark.parametrize(
    ("measure", "name", "unit"),
    [
        (Mean(Column("price")), "mean", "€"),
        (Mean(Column("price")), "n", ""),
        (Quantiles(Column("price"), (0.5, 0.9)), "quantile", "€"),
        (PersonQuantiles(None, (0.5,)), "quantile", "rows"),
        (Sum(Binary("*", Column("price"), Column("area"))), "sum", ""),
        (Variance(Column("area")), "variance", ""),
        (Correlation(Column("price"), Column("area")), "correlation", ""),
        (Covariance(Column("rent"), Column("area")), "covariance", "€·m²"),
        (Covariance(Column("rent"), Column("area")), "n", ""),
        (Histogram(Column("rent"), (0.0, 9.0)), "count", "rows"),
    ],
)
def test_a_figure_has_the_unit_of_what_it_is_about(measure: Measure, name, unit):
    assert words.figure_unit(name, Query(table="flats", measure=measure), TABLE) == unit


def test_figures_of_a_regression_are_told_per_unit_of_the_feature():
    features = (Column("area"), Column("score"), Power(Column("built"), 2))
    query = Query(table="flats", measure=Regression(Column("price"), features, ("area", "score", "squared")))
    names = ("intercept", "area", "score", "squared")
    assert [words.figure_unit(name, query, TABLE) for name in names] == ["€", "€ per m²", "€", "€"]
    of_score = Query(table="flats", measure=Regression(Column("score"), (Column("area"),), ("area",)))
    assert words.figure_unit("area", of_score, TABLE) == "per m²"


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.0, "0 % of your budget"),
        (0.00001, "less than 0.01 % of your budget"),
        (0.034, "3.4 % of your budget"),
        (1.0, "100 % of your budget"),
        (1.01, "more than your whole budget"),
        (1.5, "1.5 times your budget"),
        (9.96, "10 times your budget"),
        (322.2693, "322 times your budget"),
    ],
)
def test_what_nobody_can_spend_is_told_in_budgets(share, told):
    assert shares.of_budget(share) == told
