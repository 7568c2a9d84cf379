# ruff: noqa: S608 -- the texts are questions, run by DuckDB on figures made here
"""HAVING, ORDER BY and LIMIT: no part of the query, and applied to noisy figures as DuckDB applies them to a table."""

import json
from dataclasses import replace

import duckdb
import pytest

from privacy.engine.language.display import (
    EVERYTHING,
    LONGEST,
    MOST_CONDITIONS,
    MOST_LINES,
    MOST_ORDERS,
    Display,
    Order,
    lines_of,
)
from privacy.engine.language.expressions import And, Column, Compare, Constant, In, IsNull, Not
from privacy.engine.language.schema import QueryRefused
from privacy.engine.language.sql import Statement, parse, read
from privacy.engine.language.sql_text import write
from privacy.engine.language.wire import canonical, decode_display, encode
from privacy.presentation import display_in_words
from tests.privacy.make_table import SPEC

TABLE = replace(
    SPEC, columns={name: replace(spec, nullable=name == "wage") for name, spec in SPEC.columns.items()}
)
TABLES = {"wages": TABLE}
MEANS = "SELECT region, union, AVG(hours) AS m FROM wages GROUP BY region, union"
NOISY = {
    ("north", "0"): (3.5, 80.25),
    ("north", "1"): (None, -2.0),
    ("south", "0"): (1.0, 50.0),
    ("south", "1"): (7.25, 12.0),
    ("east", "0"): (3.5, 60.0),
    ("east", "1"): (None, 55.5),
}
LINES = [
    {
        "key": list(key),
        "figures": [
            {"name": "mean", "value": mean, "half_width": 1.0},
            {"name": "n", "value": rows, "half_width": 2.0},
        ],
    }
    for key, (mean, rows) in NOISY.items()
]
SHOWN = [
    "ORDER BY m DESC, region",
    "ORDER BY region, 2 DESC",
    "ORDER BY AVG(hours), COUNT(*)",
    "ORDER BY COUNT(hours) LIMIT 3",
    "ORDER BY 3 NULLS FIRST, 1 DESC, 2",
    "HAVING COUNT(*) > 50 ORDER BY COUNT(*)",
    "HAVING m >= 3.5 ORDER BY 1, 2",
    "HAVING NOT (m >= 3.5) ORDER BY 1, 2",
    "HAVING NOT m > 3 OR COUNT(*) > 55 ORDER BY region, union",
    "HAVING AVG(hours) BETWEEN 1 AND 4 AND 20 < COUNT(*) ORDER BY 1, 2 DESC LIMIT 2 OFFSET 1",
    "HAVING COUNT(*) <> -2 ORDER BY 1, 2 FETCH FIRST 3 ROWS ONLY",
    "HAVING COUNT(*) = 50.0",
    "HAVING COUNT(*) > 1000",
    "ORDER BY union DESC, COUNT(*) DESC OFFSET 4",
]


@pytest.fixture(scope="module")
def figures():
    connection = duckdb.connect()
    connection.execute('CREATE TABLE t (region TEXT, "union" INT, m DOUBLE, n DOUBLE)')
    rows = [(region, int(union), *values) for (region, union), values in NOISY.items()]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    yield connection
    connection.close()


@pytest.mark.parametrize("shown", SHOWN)
def test_the_noisy_lines_are_those_that_duckdb_selects(shown, figures):
    said = read(f"{MEANS} {shown}", TABLES)
    assert said.query == parse(MEANS, TABLE)
    found = [tuple(line["key"]) for line in lines_of(said.display, ("region", "union"), LINES)]
    plain = shown.replace("AVG(hours)", "m").replace("COUNT(*)", "n").replace("COUNT(hours)", "n")
    plain = plain.replace("HAVING", "WHERE").replace("union", '"union"')
    expected = figures.execute(f'SELECT region, "union", m FROM t {plain}').fetchall()
    assert found == [(region, str(union)) for region, union, _ in expected]


@pytest.mark.parametrize("shown", [*SHOWN, ""])
def test_a_display_is_written_as_json_and_as_sql_and_read_back(shown):
    said = read(f"{MEANS} {shown}", TABLES)
    assert decode_display(json.loads(json.dumps(encode(said.display)))) == said.display
    assert decode_display(canonical(said.display)) == said.display
    text = write(said.query, TABLE, said.display)
    assert read(text, TABLES) == Statement(said.query, said.display, text)


IN_WORDS = {
    "HAVING COUNT(*) > 50 ORDER BY COUNT(*) DESC LIMIT 10": (
        "Groups whose noisy number of rows is above 50, largest number of rows first, first 10."
    ),
    "HAVING m <= 3 AND NOT m = 2 ORDER BY m": (
        "Groups whose noisy mean is at most 3 and not (noisy mean is equal to 2), smallest mean first."
    ),
    "ORDER BY region DESC, union LIMIT 2 OFFSET 1": (
        "Groups, by region, descending, by union, after the first 1, first 2."
    ),
    "": "",
}


@pytest.mark.parametrize("shown", IN_WORDS)
def test_it_is_said_in_words(shown):
    assert display_in_words.sentence(read(f"{MEANS} {shown}", TABLES).display) == IN_WORDS[shown]


def test_labels_that_are_numbers_are_sorted_as_numbers():
    lines = [{"key": [key], "figures": []} for key in ("9", "10", "-1")]
    found = lines_of(Display(order=(Order("educ", is_key=True),)), ("educ",), lines)
    assert [line["key"][0] for line in found] == ["-1", "9", "10"]


WITH_ROWS = {
    "SELECT COUNT(*), AVG(hours) FROM wages": "SELECT AVG(hours) FROM wages",
    "SELECT AVG(wage) AS m, COUNT(wage) AS n FROM wages": "SELECT AVG(wage) FROM wages",
    "SELECT STDDEV(wage), COUNT(*) FROM wages WHERE wage IS NOT NULL": (
        "SELECT STDDEV(wage) FROM wages WHERE wage IS NOT NULL"
    ),
    "SELECT COVAR_POP(hours, union), COUNT(*) FROM wages": "SELECT COVAR_POP(hours, union) FROM wages",
}


@pytest.mark.parametrize("text", WITH_ROWS)
def test_the_number_of_rows_that_comes_with_a_mean_may_be_asked_for_beside_it(text):
    assert parse(text, TABLE) == parse(WITH_ROWS[text], TABLE)


REFUSED = {
    "SELECT COUNT(*), AVG(wage) FROM wages": "column 8: ask for exactly one aggregate",
    "SELECT COUNT(wage), AVG(COALESCE(wage, 0)) FROM wages": "column 8: ask for exactly one aggregate",
    "SELECT AVG(wage), COUNT(*) FROM wages WHERE union": "column 19: ask for exactly one aggregate",
    "SELECT SUM(hours), COUNT(*) FROM wages": "column 20: ask for exactly one aggregate",
    "SELECT region, COUNT(*) FROM wages GROUP BY region ORDER BY wage": "column 61: “wage” is not a column",
    "SELECT region, COUNT(*) FROM wages GROUP BY region ORDER BY AVG(wage)": "column 61: HAVING and ORDER",
    "SELECT region, COUNT(*) FROM wages GROUP BY region ORDER BY 3": "column 61: SELECT has no column number 3",
    "SELECT region, COUNT(*) FROM wages GROUP BY region HAVING region = 'east'": "column 59: HAVING compares figures",
    "SELECT region, COUNT(*) FROM wages GROUP BY region HAVING region > 3": "Put the condition on “region” into WHERE",
    "SELECT region, AVG(wage) FROM wages GROUP BY region HAVING COUNT(*) > 5": "those with a value: COUNT(wage).",
    "SELECT region, COUNT(*) FROM wages GROUP BY region LIMIT 0": "column 58: LIMIT takes a whole number",
    "SELECT region, COUNT(*) FROM wages GROUP BY region LIMIT 2.5": "LIMIT takes a whole number of groups",
    "SELECT region, COUNT(*) FROM wages GROUP BY region LIMIT 10%": "without PERCENT",
    "SELECT region, COUNT(*) FROM wages GROUP BY region LIMIT 2 OFFSET -1": "OFFSET takes a whole number of groups",
    "SELECT region, COUNT(*) FROM wages GROUP BY region LIMIT 2000000": "whole numbers from 1 to 1,000,000",
    "SELECT region, COUNT(*) FROM wages GROUP BY region HAVING COUNT(*) > 1e999": "up to 1e+300",
    "SELECT region, COUNT(*) n FROM wages GROUP BY region HAVING n > 1 OR n > 2 OR n > 3 OR n > 4 OR n > 5 OR n > 6 "
    "OR n > 7 OR n > 8 OR n > 9 OR n > 10 OR n > 11": "at most 10 comparisons",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_answer_does_not_hold_cannot_be_shown(text):
    with pytest.raises(QueryRefused) as refused:
        read(text, TABLES)
    assert REFUSED[text] in str(refused.value)


N = Column("n")


@pytest.mark.parametrize(
    "having",
    [
        IsNull("n"),
        In("n", ("1",)),
        Compare(">", N, N),
        Compare("~", N, Constant(1.0)),
        Not(And((Compare(">", N, Constant(1.0)), IsNull("n")))),
        Compare(">", N, Constant(float("inf"))),
        Compare(">", N, Constant(float("nan"))),
    ],
    ids=range(7),
)
def test_only_figures_and_numbers_are_compared(having):
    with pytest.raises(QueryRefused, match="HAVING compares figures"):
        Display(having=having)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "expected an object"),
        ({"limit": 0}, "whole numbers from 1"),
        ({"offset": -1}, "whole numbers from 1"),
        ({"order": [{"by": "n"}] * 11}, "at most 5"),
        ({"order": [{}]}, "display.order[0].by is missing"),
        ({"orders": []}, "unknown field “orders”"),
        ("{", "not valid JSON"),
        ("[" * 10_000, "nested"),
    ],
    ids=range(8),
)
def test_a_display_of_another_form_is_refused(value, why):
    with pytest.raises(QueryRefused) as refused:
        decode_display(value)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "display",
    [Display(order=(Order("sum"),)), Display(having=Compare(">", Column("x"), Constant(1.0)))],
    ids=range(2),
)
def test_a_display_of_another_answer_is_refused(display):
    with pytest.raises(QueryRefused, match="This answer has no"):
        lines_of(display, ("region", "union"), LINES)
    assert lines_of(display, ("value",), []) == []


def test_everything_is_shown_as_it_came():
    assert lines_of(EVERYTHING, ("region", "union"), LINES) == LINES


def test_the_longest_display_fits_into_an_address():
    name = "n" * 128
    most = Display(
        having=And(
            tuple(
                Compare(">=", Column(name), Constant(-1.2345678901234567e-300))
                for _ in range(MOST_CONDITIONS)
            )
        ),
        order=tuple(
            Order(name, is_key=True, descending=True, missing_first=True) for _ in range(MOST_ORDERS)
        ),
        limit=MOST_LINES,
        offset=MOST_LINES,
    )
    assert len(canonical(most)) <= LONGEST
    assert decode_display(canonical(most)) == most


def test_words_keep_the_names_of_columns():
    assert display_in_words.sentence(Display(order=(Order("EU", is_key=True),))) == "Groups, by EU."


def test_what_sql_has_no_words_for_is_left_out():
    said = read("SELECT region, COUNT(*) FROM wages GROUP BY region LIMIT 1 BY person", TABLES)
    assert write(said.query, TABLE, Display(limit=3)) == write(said.query, TABLE)
    other = Display(having=Compare(">", Column("median"), Constant(1.0)))
    assert write(said.query, TABLE, other) == write(said.query, TABLE)
