"""Plans of synthetic tables: parts of columns, weights, and what is refused, from declarations alone."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from privacy.engine.language.learning import MAX_SYNTHETIC_COLUMNS, SyntheticTable
from privacy.engine.language.query import Count, Query
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.plan import deadlines
from privacy.engine.plan.caps import is_capped
from privacy.engine.plan.designs import design
from privacy.engine.plan.mechanisms import mechanism_of, most_releases
from privacy.engine.plan.pricing import joined_sigma, offer_for_mu
from privacy.engine.plan.tables import FIRST, SECOND, TablePlan


def spec(*columns: ColumnSpec) -> TableSpec:
    return TableSpec(name="t", subject="person", columns={each.name: each for each in columns}, max_rows=3)


def column(kind: Kind, lower: float = 0.0, upper: float = 0.0, **rest) -> ColumnSpec:
    return ColumnSpec(
        **{"name": "x", "kind": kind, "lower": lower, "upper": upper, "nullable": False, **rest}
    )


def asked(*columns: str, **rest) -> Query:
    return Query(table="t", measure=SyntheticTable(columns=columns or ("x",), **rest))


def parts(declared: ColumnSpec, bins: int = 4):
    plan = design(asked(bins=bins), spec(declared)).tables
    return plan.columns[0]


@pytest.mark.parametrize(
    ("declared", "edges", "words"),
    [
        (column(Kind.INTEGER, 1, 3), (1, 2, 3, 3), ("1", "2", "3")),
        (
            column(Kind.INTEGER, 17, 26),
            (17, 20, 22, 25, 26),
            ("17 to 19", "20 to 21", "22 to 24", "25 to 26"),
        ),
        (column(Kind.INTEGER, -0.5, 1.5), (0, 1, 1), ("0", "1")),
        (column(Kind.NUMBER, 0, 10), (0, 2.5, 5, 7.5, 10), ("0 to 2.5", "2.5 to 5", "5 to 7.5", "7.5 to 10")),
        (column(Kind.NUMBER, 4, 4), (4, 4), ("4",)),
        (
            column(Kind.NUMBER, 0, 0.09, decimals=2),
            (0, 0.03, 0.05, 0.08, 0.09),
            ("0 to 0.02", "0.03 to 0.04", "0.05 to 0.07", "0.08 to 0.09"),
        ),
        (column(Kind.DATE, 0, 1), (0, 1, 1), ("1970-01-01", "1970-01-02")),
        (
            column(Kind.DATE, -1e9, -719_160),
            (-719_162, -719_161, -719_160, -719_160),
            ("0001-01-01", "0001-01-02", "0001-01-03"),
        ),
        (column(Kind.BOOLEAN, 0, 1, labels=("0", "1")), (), ("0", "1")),
        (column(Kind.CATEGORY, labels=("a", "b"), nullable=True), (), ("a", "b", "missing")),
    ],
)
def test_parts_hold_equally_many_values_or_are_equally_wide(declared, edges, words):
    found = parts(declared)
    assert (found.edges, found.words) == (edges, words)
    assert found.many == len(words)


@pytest.mark.parametrize(
    ("query", "why", "place"),
    [
        (asked("x", "text"), "“text” holds text", "query.measure.columns[1]"),
        (asked("times"), "dates with times", "query.measure.columns[0]"),
        (asked("person"), "identifies the person", "query.measure.columns[0]"),
        (asked("none"), "no whole number between", "query.measure.columns[0]"),
        (asked("never"), "no day between", "query.measure.columns[0]"),
        (asked("empty"), "without declared values", "query.measure.columns[0]"),
        (asked("x", "x"), "each column of a synthetic table once", "query.measure.columns"),
        (
            asked(*(f"c{k}" for k in range(200))),
            f"1 to {MAX_SYNTHETIC_COLUMNS} columns, not 200",
            "query.measure.columns",
        ),
        (replace(asked(), measure=SyntheticTable(columns=())), "not 0", "query.measure.columns"),
        (
            asked(*(f"c{k}" for k in range(40))),
            "have 798,720 cells, and at most 120,000",
            "query.measure.columns",
        ),
        (asked(bins=1), "2 to 32 parts", "query.measure.bins"),
        (
            asked("x", "c11", focus="c1"),
            "“c1” is not a column of this synthetic table. Did you mean “c11”",
            "query.measure.focus",
        ),
        (replace(asked(), by=("c1",)), "cannot be grouped", "query.by"),
        (replace(asked(), rows=1), "Each person counts with one row", "query.rows"),
    ],
)
def test_what_cannot_be_a_synthetic_table_is_refused_with_a_place(query, why, place):
    many = [column(Kind.CATEGORY, name=f"c{k}", labels=tuple(map(str, range(32)))) for k in range(200)]
    table = spec(
        column(Kind.INTEGER, 0, 5),
        column(Kind.TEXT, name="text"),
        column(Kind.OTHER, name="times"),
        column(Kind.INTEGER, 0.2, 0.8, name="none"),
        column(Kind.DATE, 0.2, 0.8, name="never"),
        column(Kind.CATEGORY, name="empty"),
        *many,
    )
    with pytest.raises(QueryRefused, match=why) as refused:
        design(query, table)
    assert refused.value.place == place


@pytest.mark.parametrize("columns", [1, 2, 3, 13, 40])
def test_weights_fill_the_clip_and_never_exceed_it(columns):
    plan = TablePlan(columns=(parts(column(Kind.INTEGER, 0, 3)),) * columns, focus=None)
    single, pair = plan.weights
    pairs = columns * (columns - 1) // 2
    assert ONE**2 * (1 - 1e-6) < columns * single**2 + pairs * pair**2 <= ONE**2
    for tables in (1, columns, max(1, columns - 1)):
        assert ONE**2 * (1 - 1e-6) < tables * plan.again(tables) ** 2 <= ONE**2
    assert len(plan.pairs) == pairs


@pytest.mark.parametrize("sigma", [MIN_SIGMA * 4, ONE, ONE + 1, 7 * ONE + 3, 2**45 + 1, 2**60])
def test_both_passes_together_cost_no_more_than_all_releases(sigma):
    first, second = joined_sigma(sigma, FIRST), joined_sigma(sigma, SECOND)
    assert Fraction(1, first**2) + Fraction(1, second**2) <= Fraction(FIRST + SECOND, sigma**2)
    assert (first - 1) ** 2 * FIRST < sigma**2
    assert (second - 1) ** 2 * SECOND < sigma**2


def test_a_price_leaves_noise_enough_for_the_second_pass():
    plan = design(asked(), spec(column(Kind.INTEGER, 0, 5)))
    assert joined_sigma(offer_for_mu(plan, 9.9, 20.0).sigma, SECOND) >= MIN_SIGMA
    with pytest.raises(QueryRefused, match="this precise"):
        offer_for_mu(plan, 10.0, 20.0)


def test_the_record_names_the_passes_and_a_line_pays_for_both():
    assert "in two passes" in mechanism_of(asked())
    assert most_releases(asked()) == FIRST + SECOND
    assert not is_capped(asked(), spec(column(Kind.INTEGER, 0, 5)))


def test_the_time_after_the_charge_follows_from_public_numbers():
    table = spec(column(Kind.INTEGER, 0, 5), column(Kind.INTEGER, 0, 5, name="y"))
    query, count = asked("x", "y"), Query(table="t", measure=Count())
    times = [
        deadlines.after_charge(design(query, table), people=people, rows_per_person=3)
        for people in (0, 10**5, 10**8)
    ]
    assert times[0] == deadlines.AFTER <= times[1] < times[2]
    assert all(math.isclose(each % deadlines.AFTER, 0) for each in times)
    assert deadlines.after_charge(design(count, table), people=10**8, rows_per_person=3) == 0.0
