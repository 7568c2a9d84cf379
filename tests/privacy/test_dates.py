"""Columns of dates: quantiles among whole days, told as dates; everything else is refused with what can be asked."""

import datetime as dt
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import columns as stored
from datasets.reading import subject_order
from privacy import dates
from privacy.declarations import engine_table, plans_for
from privacy.engine.language import sql, sql_text, wire
from privacy.engine.language.expressions import Binary, Clip, Column, Compare, Constant, In, IsNull, Where
from privacy.engine.language.query import (
    Correlation,
    Count,
    Distribution,
    KeyCounts,
    Mean,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    Sum,
    Variance,
)
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Values
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.measure.ranks import Ranks
from privacy.engine.plan.designs import design
from privacy.engine.plan.searches import SPREAD_CELLS, certain, grid_of, search
from privacy.engine.release import measure
from privacy.presentation import query_form, words
from privacy.presentation.query_form import Line
from tests.privacy.engine.plan.test_searches import at_least_95_in_100, true

EPOCH = dt.date(1970, 1, 1)
ROWS, TIMES, ROW = 3000, 300, ONE // 2


def day(text):
    return float((dt.date.fromisoformat(text) - EPOCH).days)


IN = ColumnSpec(name="admitted", kind=Kind.DATE, lower=day("2015-01-01"), upper=day("2024-12-31"))
BORN = ColumnSpec(name="born", kind=Kind.DATE, lower=day("1900-01-01"), upper=day("2024-12-31"))
TABLE = TableSpec(
    name="stays",
    subject="person",
    max_rows=3,
    columns={
        "admitted": IN,
        "born": BORN,
        "seen": ColumnSpec(name="seen", kind=Kind.OTHER),
        "ward": ColumnSpec(name="ward", kind=Kind.CATEGORY, labels=("a", "b")),
        "age": ColumnSpec(name="age", kind=Kind.INTEGER, lower=0, upper=120),
    },
)


def asked(name, *shares):
    return Query(table="stays", measure=Quantiles(Column(name), shares))


# The grid, and what is stored


def test_days_are_told_apart_where_there_are_few():
    grid = grid_of(Column("admitted"), TABLE)
    assert (grid.cells, grid.steps, grid.half_cell) == (3653, 12, 0.0)
    assert words.read_to(asked("admitted", 0.5), TABLE) == ""
    wide = grid_of(Column("born"), TABLE)
    assert (wide.cells, wide.half_cell) == (SPREAD_CELLS, 6.0)
    assert words.read_to(asked("born", 0.5), TABLE) == "± 6 days"
    month = replace(IN, upper=IN.lower + 30)
    assert design(asked("admitted", 0.5), replace(TABLE, columns={"admitted": month})).releases == 5


@pytest.mark.parametrize(
    ("lower", "upper"), [(0.5, 10.0), (0.0, 10.25), (-1e6, 0.0), (0.0, 1e7), (5.0, 4.0), (0.0, float("inf"))]
)
def test_bounds_that_are_no_days_are_refused(lower, upper):
    table = replace(TABLE, columns={"admitted": replace(IN, lower=lower, upper=upper)})
    with pytest.raises(QueryRefused, match="not calendar dates"):
        design(asked("admitted", 0.5), table)


@pytest.mark.parametrize(
    ("lower", "upper", "kind"),
    [
        ("1900-01-01", "2050-12-31", np.int16),
        ("1970-01-01", "1970-03-31", np.int8),
        ("1000-01-01", "2024-12-31", np.int32),
    ],
)
def test_days_are_stored_in_the_smallest_type_of_their_bounds(lower, upper, kind, tmp_path):
    """Whatever the rows hold: dates outside are moved to the bounds, missing ones are missing."""
    column = replace(IN, lower=day(lower), upper=day(upper))
    content = [
        dt.date.fromisoformat(lower),
        None,
        dt.date(1, 1, 1),
        dt.date(9999, 12, 31),
        dt.date.fromisoformat(upper),
    ]
    table = held(column, content, tmp_path)
    found = table.rows.columns["admitted"]
    assert found.numbers.dtype == kind
    assert sorted(found.numbers[found.valid]) == [day(lower), day(lower), day(upper), day(upper)]


def held(column, content, tmp_path):
    """A table of one row a person, stored as a worker stores it."""
    spec = replace(TABLE, columns={column.name: column}, max_rows=1)
    folder = tmp_path / "columns"
    folder.mkdir()
    values = {"person": pa.array(range(len(content))), column.name: pa.array(content, pa.date32())}
    pq.write_table(pa.table(values), tmp_path / "rows.parquet")
    plans = plans_for(spec)
    subject_order.write(tmp_path / "rows.parquet", "person", plans, b"k" * 32, folder)
    stored.check(folder, plans, most_rows=len(content))
    return engine_table(stored.read(folder, plans), spec)


# What is told


def admissions():
    """More in winter, and a heap on one day."""
    rng = np.random.default_rng(7)
    days = np.rint(rng.beta(2, 3, ROWS) * (IN.upper - IN.lower)) + IN.lower
    return np.where(rng.random(ROWS) < 0.2, day("2019-03-04"), days)


def told(query, table, sigma=MIN_SIGMA):
    answer = measure(query, table).release(sigma, None)
    return [line["figures"][0] for line in dates.as_result(answer, query, TABLE)["lines"]]


def test_a_median_is_told_to_the_day(tmp_path):
    values = admissions()
    content = [EPOCH + dt.timedelta(days=int(each)) for each in np.tile(values, 8)] + [None] * 50
    shares = tuple((rank + 0.5) / ROWS for rank in (300, 1500, 2700))
    query = asked("admitted", *shares)
    for share, figure in zip(shares, told(query, held(IN, content, tmp_path)), strict=True):
        right = (EPOCH + dt.timedelta(days=int(true(values, share)))).isoformat()
        assert (figure["value"], figure["low"], figure["high"], figure["half_width"]) == (
            right,
            right,
            right,
            None,
        )


def test_dates_that_noise_drowns_are_not_told(tmp_path):
    query = asked("admitted", 0.5)
    (figure,) = told(query, held(IN, [dt.date(2020, 1, 1)], tmp_path), sigma=10**6 * ONE)
    assert (figure["value"], figure["low"], figure["high"]) == (None, None, None)


TABLES = {
    "admissions": (IN, admissions(), 0.5, 0.003),
    "admissions, loud": (IN, admissions(), 0.5, 0.02),
    "the heap": (IN, np.full(ROWS, day("2019-03-04")), 0.5, 0.01),
    "the first day": (IN, np.where(np.arange(ROWS) < 0.54 * ROWS, IN.lower, IN.upper), 0.5, 0.01),
    "births, bounds of 125 years": (BORN, admissions() - 12_000, 0.25, 0.01),
}


@cache
def searched(name):
    column, values, share, relative = TABLES[name]
    grid = grid_of(Column(column.name), TABLE)
    kept = Values(values.astype(np.int16), EVERYWHERE)
    ranks = Ranks(np.arange(ROWS + 1), EVERYWHERE, kept, grid.stops, ROW, EVERYWHERE)
    signs = (round((1 - share) * ROW), -round(share * ROW))
    return grid, [search(grid, signs, round(relative * ROWS * ROW), ranks) for _ in range(TIMES)]


@pytest.mark.parametrize("name", TABLES)
def test_an_interval_holds_the_quantile(name):
    _, values, share, _ = TABLES[name]
    _, found = searched(name)
    hits = [each.low <= true(values, share) <= each.high for each in found]
    assert at_least_95_in_100(hits)
    assert sum(hits) >= 0.94 * TIMES
    for each in found:
        assert each.low <= each.value <= each.high
        assert all(end.is_integer() for end in (each.low, each.value, each.high))


@pytest.mark.parametrize("name", TABLES)
def test_the_rank_is_no_further_off_than_was_said(name):
    _, values, share, relative = TABLES[name]
    grid, found = searched(name)
    ordered, off = np.sort(values), []
    for each in found:
        before = np.searchsorted(ordered, each.value - grid.half_cell, side="left") / ROWS
        upto = np.searchsorted(ordered, each.value + grid.half_cell, side="right") / ROWS
        off.append(max(0.0, before - share, share - upto))
    assert at_least_95_in_100([each <= certain(grid.steps) * relative for each in off])


# What can be asked


@pytest.mark.parametrize(
    "text",
    [
        "SELECT MEDIAN(admitted) FROM stays",
        "SELECT QUANTILE(admitted, 0.9) FROM stays WHERE ward = 'a' AND age > 40",
        "SELECT PERCENTILE_CONT(0.1) WITHIN GROUP (ORDER BY admitted) FROM stays LIMIT 1 BY person",
    ],
)
def test_sql_json_and_the_form_ask_for_quantiles_of_dates(text):
    query = sql.parse(text, TABLE)
    assert design(query, TABLE).grid is not None
    assert dates.is_in_dates(query, TABLE)
    assert wire.decode_text(wire.canonical(query)) == query
    assert sql.parse(sql_text.write(query, TABLE), TABLE) == query
    fields, lines = query_form.fields_of(query, TABLE) or ({}, [])
    assert query_form.query_of(fields, lines, TABLE) == query
    assert words.unit(query, TABLE) == ""


DAY = Column("admitted")
ABOVE = Compare(">", DAY, Constant(0.0))


@pytest.mark.parametrize(
    "query",
    [
        Query(table="stays", measure=each)
        for each in (
            Sum(DAY),
            Mean(DAY),
            Mean(DAY, per_subject=True),
            Variance(DAY),
            PersonQuantiles(DAY),
            Distribution(DAY),
            Correlation(Column("age"), DAY),
            Regression(Column("age"), (DAY,), ("x",)),
            KeyCounts("admitted"),
            Quantiles(Binary("-", DAY, Column("born")), (0.5,)),
            Quantiles(Clip(DAY, 0, 9), (0.5,)),
            Quantiles(Where(IsNull("admitted"), Constant(0.0), Constant(1.0)), (0.5,)),
        )
    ]
    + [
        Query(table="stays", measure=Count(), where=each)
        for each in (ABOVE, In("admitted", ("2020-01-01",)), IsNull("admitted"))
    ]
    + [Query(table="stays", measure=Count(), by=("admitted",))],
    ids=str,
)
def test_nothing_else_can_be_asked_of_a_date(query):
    with pytest.raises(
        QueryRefused, match="Ask only for quantiles of the column itself, with MEDIAN or QUANTILE"
    ):
        design(query, TABLE)


@pytest.mark.parametrize(
    "condition",
    [
        "admitted > '2020-01-01'",
        "admitted = '2020-01-01'",
        "admitted >= DATE '2020-01-01'",
        "admitted BETWEEN '2020-01-01' AND '2020-12-31'",
        "admitted IN ('2020-01-01')",
        "admitted IS NOT NULL",
        "age > 3 AND YEAR(admitted) = 2020",
        "admitted - born > 3",
    ],
)
def test_conditions_in_sql_say_what_can_be_asked_of_dates(condition):
    with pytest.raises(
        QueryRefused, match=r"^Line 1, column \d+: .* holds dates. Ask only for quantiles of the column"
    ):
        sql.parse(f"SELECT COUNT(*) FROM stays WHERE {condition}", TABLE)  # noqa: S608 -- never run


@pytest.mark.parametrize("op", ["is", ">", "between", "missing", "in"])
def test_conditions_in_the_form_say_it_too(op):
    with pytest.raises(QueryRefused, match="Ask only for quantiles"):
        query_form.query_of({"measure": "count"}, [Line("admitted", op, "2020-01-01")], TABLE)


def test_quantiles_of_dates_are_not_grouped_either():
    with pytest.raises(QueryRefused, match="cannot be grouped"):
        design(replace(asked("admitted", 0.5), by=("ward",)), TABLE)


def test_dates_with_times_are_refused_as_what_they_are():
    for query in (asked("seen", 0.5), Query(table="stays", measure=Count(), where=IsNull("seen"))):
        with pytest.raises(
            QueryRefused, match="“seen” holds dates with times, which questions do not support yet"
        ):
            design(query, TABLE)
    with pytest.raises(QueryRefused, match=r"Line 1.*dates with times"):
        sql.parse("SELECT COUNT(*) FROM stays WHERE seen > '2020-01-01'", TABLE)
