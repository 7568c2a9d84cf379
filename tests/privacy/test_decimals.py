"""Quantiles of numbers of which is declared how many decimals they have: searched among these, and told as these."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import decimal_grid
from datasets import columns as stored
from datasets.reading import subject_order
from privacy.declarations import engine_table, plans_for
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.query import Count, Quantiles, Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Values
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.measure.ranks import Ranks
from privacy.engine.plan.designs import design
from privacy.engine.plan.searches import MOST_CELLS, SPREAD_CELLS, Grid, certain, grid_of, search
from privacy.engine.release import measure
from tests.privacy.engine.plan.test_searches import Quiet, at_least_95_in_100, true

ROWS = 3000
TIMES = 300
ROW = ONE // 2
PRICE = ColumnSpec(name="price", kind=Kind.NUMBER, lower=0.0, upper=40.0, decimals=2, nullable=False)
WIDE = replace(PRICE, name="wide", lower=-1000.0, upper=1_000_000.0)
TENTHS = replace(PRICE, name="tenths", lower=-1.5, upper=9.9, decimals=1)


def spec(column):
    return TableSpec(name="t", subject="person", columns={column.name: column}, max_rows=1)


def asked(column, *shares):
    return Query(table="t", measure=Quantiles(Column(column.name), shares))


def held(column, content, tmp_path):
    """A table with these values, stored as a worker stores it: one row a person."""
    source, folder = tmp_path / "rows.parquet", tmp_path / "columns"
    folder.mkdir()
    pq.write_table(pa.table({"person": pa.array(range(len(content))), column.name: content}), source)
    plans = plans_for(spec(column))
    subject_order.write(source, "person", plans, b"k" * 32, folder)
    stored.check(folder, plans, most_rows=len(content))
    return engine_table(stored.read(folder, plans), spec(column))


def told(column, table, *shares, sigma=MIN_SIGMA):
    lines = measure(asked(column, *shares), table).release(sigma, None).lines
    return [line.figures[0] for line in lines]


def prices():
    """As shops have them: many end in 9, and sums of them carry the errors of floats."""
    rng = np.random.default_rng(3)
    cents = np.rint(rng.lognormal(6.5, 0.6, ROWS)).clip(0, 3900)
    cents = np.where(rng.random(ROWS) < 0.4, np.floor(cents / 10) * 10 + 9, cents)
    halves = np.floor(cents / 2)
    return halves / 100 + (cents - halves) / 100, cents


# The grid


@pytest.mark.parametrize(
    ("lower", "upper", "decimals", "cells", "steps"),
    [
        (0, 40, 2, 4001, 12),
        (0, 0.63, 2, 64, 6),
        (-0.3, 0.3, 1, 7, 3),
        (0, 40.96, 2, SPREAD_CELLS, 12),
        (5, 5, 3, 2, 1),
        (0, 1, 6, SPREAD_CELLS, 12),
    ],
)
def test_as_many_steps_as_tell_its_values_apart(lower, upper, decimals, cells, steps):
    grid = Grid(lower=float(lower), upper=float(upper), decimals=decimals)
    assert (grid.cells, grid.steps) == (cells, steps)


bounded = st.integers(1, 6).flatmap(
    lambda decimals: st.tuples(
        st.just(decimals),
        st.integers(-(2**50), 2**50),
        st.integers(0, 3 * MOST_CELLS) | st.integers(0, 2**50),
    ).map(lambda drawn: (drawn[0], max(drawn[1] - drawn[2], -(2**50)), drawn[1]))
)


@given(bounded)
def test_every_number_lies_in_the_cell_that_its_place_says(drawn):
    """Places are whole numbers: what lies at or below a stop as a float does so as a fraction, also one step off."""
    decimals, first, last = drawn
    grid = Grid(
        lower=decimal_grid.at(float(first), decimals),
        upper=decimal_grid.at(float(last), decimals),
        decimals=decimals,
    )
    begins, ends = grid.edges
    values, stops = last - first + 1, grid.stops
    assert len(stops) == grid.cells - 1
    assert len(begins) == len(ends) == grid.cells
    assert (values <= MOST_CELLS) == (grid.half_cell == 0)
    if values == 1:
        return
    assert (np.diff(stops) > 0).all()
    for cell in {0, 1, grid.cells // 2, grid.cells - 1}:
        low, high = (decimal_grid.place(float(each), decimals) for each in (begins[cell], ends[cell]))
        assert low <= high
        middle = decimal_grid.place(grid.middle(float(begins[cell]), float(ends[cell])), decimals)
        assert middle == (low + high) // 2
        reach = round(grid.half_cell * 10**decimals)
        assert max(middle - low, high - middle) <= reach
        for k in (low, high):
            number = decimal_grid.at(float(k), decimals)
            computed = [math.nextafter(number, -math.inf), number, math.nextafter(number, math.inf)]
            found = np.searchsorted(stops, decimal_grid.nearest(np.array(computed), decimals), side="left")
            assert found.tolist() == [cell] * 3
        if cell + 1 < grid.cells:
            assert decimal_grid.place(float(begins[cell + 1]), decimals) == high + 1


@pytest.mark.parametrize("column", [PRICE, TENTHS], ids=lambda column: column.name)
def test_a_search_finds_every_value_of_a_column(column):
    grid = grid_of(Column(column.name), spec(column))
    first, last = (decimal_grid.place(end, column.decimals) for end in (column.lower, column.upper))
    for k in {*range(first, last, max(1, (last - first) // 60)), last}:
        value = decimal_grid.at(float(k), column.decimals)
        counts = Quiet(np.full(2000, value), grid.stops)
        found = search(grid, (ONE // 2, -ONE // 2), MIN_SIGMA, counts)
        assert (found.value, found.low, found.high) == (value, value, value)


def test_decimals_set_a_grid_where_they_are_declared_of_a_bare_column_and_its_bounds_have_them():
    assert grid_of(Column("price"), spec(PRICE)).decimals == 2
    for other in (replace(PRICE, decimals=None), replace(PRICE, upper=39.999), replace(PRICE, upper=2.0**44)):
        assert grid_of(Column("price"), spec(other)).decimals is None
    assert grid_of(Column("price"), spec(replace(PRICE, decimals=0))).cells == 41
    assert (
        design(asked(replace(PRICE, name="x"), 0.5), spec(replace(PRICE, name="x", decimals=0))).releases == 6
    )


# What is stored


def test_values_are_rounded_to_their_decimals_where_they_are_stored(tmp_path):
    content = pa.array([0.1 + 0.2, 1.005, 2.675, 39.999, 41.0, -3.0, None, float("nan"), 19.99 * 2])
    table = held(PRICE, content, tmp_path)
    found = table.rows.columns["price"]
    kept = sorted(found.numbers[found.valid])
    assert kept[:2] + kept[3:4] + kept[4:] == [0.0, 0.3, 2.68, 39.98, 40.0, 40.0]
    assert kept[2] in {1.0, 1.01}  # 1.005 as a float lies a hair below it
    where = Compare("=", Column("price"), Constant(0.3))
    (line,) = measure(Query(table="t", measure=Count(), where=where), table).release(MIN_SIGMA, None).lines
    assert line.figures[0].value == pytest.approx(1, abs=0.9)


@pytest.mark.parametrize(
    ("decimals", "kept"), [(None, [1.25, 3.75]), (0, [1, 4]), (1, [1.2, 3.8]), (2, [1.25, 3.75])]
)
def test_how_they_are_stored_follows_from_the_declarations(decimals, kept, tmp_path):
    table = held(replace(PRICE, decimals=decimals), pa.array([1.25, 3.75]), tmp_path)
    numbers = table.rows.columns["price"].numbers
    assert sorted(numbers) == kept
    assert numbers.dtype == (np.int8 if decimals == 0 else np.float64)


def test_a_file_with_more_decimals_than_declared_is_not_believed(tmp_path):
    held(replace(PRICE, decimals=None), pa.array([1.234]), tmp_path)
    with pytest.raises(ValueError, match="more decimals"):
        stored.check(tmp_path / "columns", plans_for(spec(PRICE)), most_rows=1)


# What is told


def test_a_median_is_told_to_the_cent(tmp_path):
    values, cents = prices()
    assert (values != decimal_grid.nearest(values, 2)).any(), "no sum carries an error of floats"
    shares = tuple(
        (rank + 0.5) / ROWS for rank in (300, 750, 1500, 2700)
    )  # between two ranks: no step is a tie
    table = held(PRICE, pa.array(np.tile(values, 8)), tmp_path)
    for share, figure in zip(shares, told(PRICE, table, *shares), strict=True):
        assert figure.value == figure.low == figure.high == true(cents, share) / 100


def test_wide_bounds_are_read_to_a_cell_of_cents(tmp_path):
    values, cents = prices()
    table, grid = held(WIDE, pa.array(values), tmp_path), grid_of(Column("wide"), spec(WIDE))
    (figure,) = told(WIDE, table, 0.5)
    assert all(decimal_grid.holds(each, 2) for each in (figure.value, figure.low, figure.high))
    assert abs(figure.value - true(cents, 0.5) / 100) <= grid.half_cell == 139.03
    assert figure.low <= true(cents, 0.5) / 100 <= figure.high


TABLES = {
    "prices": (PRICE, 0.5, 0.003),
    "prices, loud": (PRICE, 0.5, 0.02),
    "prices, the tail": (PRICE, 0.9, 0.01),
    "prices, wide bounds": (WIDE, 0.5, 0.01),
    "the lowest": (PRICE, 0.02, 0.01),
}


@cache
def searched(name):
    column, share, relative = TABLES[name]
    values = decimal_grid.nearest(prices()[0], 2)
    if name == "the lowest":
        values = np.where(np.arange(ROWS) < 0.04 * ROWS, 0.0, 40.0)
    grid = grid_of(Column(column.name), spec(column))
    ranks = Ranks(np.arange(ROWS + 1), EVERYWHERE, Values(values, EVERYWHERE), grid.stops, ROW, EVERYWHERE)
    signs = (round((1 - share) * ROW), -round(share * ROW))
    return grid, values, [search(grid, signs, round(relative * ROWS * ROW), ranks) for _ in range(TIMES)]


@pytest.mark.parametrize("name", TABLES)
def test_an_interval_holds_the_quantile(name):
    _, values, found = searched(name)
    right = true(values, TABLES[name][1])
    assert at_least_95_in_100([each.low <= right <= each.high for each in found])
    assert sum(each.low <= right <= each.high for each in found) >= 0.94 * TIMES
    assert all(each.low <= each.value <= each.high for each in found)


@pytest.mark.parametrize("name", TABLES)
def test_the_rank_is_no_further_off_than_was_said(name):
    grid, values, found = searched(name)
    _, share, relative = TABLES[name]
    ordered, off = np.sort(values), []
    for each in found:
        half = grid.half_cell + 0.001
        before = np.searchsorted(ordered, each.value - half, side="left") / ROWS
        upto = np.searchsorted(ordered, each.value + half, side="right") / ROWS
        off.append(max(0.0, before - share, share - upto))
    assert at_least_95_in_100([each <= certain(grid.steps) * relative for each in off])
