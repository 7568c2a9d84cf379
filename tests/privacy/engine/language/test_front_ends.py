# ruff: noqa: S608 -- the texts are parsed here, never executed
"""Both front ends make the same frozen query, and refuse the rest from the text and the declarations alone."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.engine.language.expressions import And, Column, In, Not
from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import (
    Count,
    CountSubjects,
    Distribution,
    Mean,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    Sum,
)
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused
from privacy.engine.language.sql import parse
from privacy.engine.language.sql_text import write
from privacy.engine.language.wire import canonical, decode, decode_text, encode
from privacy.engine.plan.designs import design
from tests.privacy.engine.test_engine import QUERIES
from tests.privacy.make_table import SPEC

# Of quantiles, several at once.
WITHOUT_SQL = (Quantiles, PersonQuantiles, Distribution, Regression, Fit, SyntheticTable)

REFUSED = {
    "select wage from wages": "column 8: “wage” must be in GROUP BY",
    "select region from wages group by region": "column 8: add one aggregate",
    "select 1, count(*) from wages": "column 8: only columns of GROUP BY and one aggregate",
    "select count(*) from wages where wage > 'x'": "column 34: “wage” is a number",
    "select count(*) from wages where exists (select 1 from wages)": "column 34: subqueries are not supported",
    "select mode() within group (order by wage) from wages": "column 8: WITHIN GROUP is supported with PERCENTILE_CONT",
    "select region, count(*) from wages group by region having count(*) in (1, 2)": "column 59: HAVING compares",
    "select count(*) from '/etc/passwd'": "no table “/etc/passwd”",
    "select count(*) from wages, wages": "column 29: joins are not supported",
    "select count(*) from wages where wage > (select avg(wage) from wages)": "column 49: subqueries are not supported",
    "select sum(1/(wage-5)) from wages": "divisor can be 0",
    "select count(*) from wages; drop table wages": "one SELECT",
    "select sum(row_number() over ()) from wages": "window functions are not supported",
    "select count(*) from wages limit 1 by wage": "column 39: to set how many rows count per person",
    "select count(*) from wages limit 1 by person, wage": "write LIMIT n BY person",
    "select count(*) from wages limit 1.5 by person": "number of rows per person must be a whole number",
    "select count(*) from wages limit 10% by person": "number of rows per person must be a whole number",
    "select count(*) from wages limit 1 by person offset 2": "OFFSET is not supported",
    "select sum(person) from wages": "identifies the person in each row",
    "select count(*) from wages where region = 'mars'": "not a declared value",
    "select count(*) from wages where region > 'a'": "can only be compared with = and <>",
    "select count(*) from read_csv('x')": "one table after FROM",
    "select sum(wage), count(*) from wages": "ask for exactly one aggregate",
    "select count(*) from wages tablesample 10%": "without schema or sampling",
    "select sum(wage) from wages where random() < 0.1": "RAND is not supported",
    "select sum(wage) from wages group by all": "GROUP BY takes column names only",
    "select avg(distinct wage) from wages": "DISTINCT is not supported",
    "select sum(pow(wage, 2.5)) from wages": "whole number from 2 to 8",
    "select sum(ln(hours)) from wages": "argument of a logarithm must be above 0 but can be -10",
    "select sum(sqrt(hours)) from wages": "argument of a square root must not be negative but can be -10",
    "select sum(exp(wage * 100)) from wages": "argument of exp() can be as large as",
    "select sum(1e999 * wage) from wages": "not a finite number",
    "select count(*) from wages where wage < 1e305": "1e+305 is too large. Use numbers up to 1e+300",
    "select sum(greatest(wage, -1e301)) from wages": "-1e+301 is too large",
    "select sum(region) from wages": "is not a number",
    "select sum(wage * 1e290) from wages": "This sum can become too large",
    "select percentile_cont(0.9) within group (order by wage desc) from wages": "exactly one number, ascending",
    "select percentile_cont(0.9) within group (order by wage, hours) from wages": "exactly one number",
    "select count(*) from wages where wage between symmetric 9 and 1": "SYMMETRIC is not supported",
    "select count(distinct 'person') from wages": "a column name is expected here",
    "select count(distinct other.person) from wages": "“other” is not the table after FROM",
    "select count(distinct region) from wages": "COUNT(DISTINCT person)",
    "select count(*) from wages group by wage": "WHERE wage BETWEEN 40 AND 50; or count rows by range, with HISTOGRAM",
    "select count(*) from wages where region = north": "“north” in wages. If it is text, put it in quotes: 'north'.",
    'select count(*) from wages where region in ("it\'s")': "If it is text, put it in quotes: 'it''s'.",
    "select max(wage) from wages": "one person alone determines it: ask for QUANTILE(x, 0.99).",
    "select mode(wage) from wages": "count the rows of each value, with GROUP BY",
    "select geomean(wage) from wages": "use COUNT(*), COUNT(DISTINCT person), SUM, AVG,",
    "select count(*) from wages where nosuch = 1": "no column “nosuch”",
    "select quantile(wage, 1.5) from wages": "each above 0 and below 1",
    "select sum(wage / clip(hours, 1, 9)) from wages": "CLIP is not supported",
    "select sum(wage / hours) from wages": "with GREATEST or LEAST",
    "select count(*) from wages where hours = '3'": "compare it with numbers, without quotes",
    "select count(*) from wages where region = 3": "“3” is not a declared value of “region”",
    "select count(*) from wages where region >= 3": "have no order",
    "selec": "one SELECT",
    "select ((((": "SQL cannot be parsed",
    "(" * 10_000: "nested more than",
    "select " + "not " * 2000 + "true": "",
    "x" * 10_000_000: "longer than",
    "": "one SELECT",
    "select count(*) from wages where " + " and ".join(["wage > 1"] * 400): "too many parts",
    "select sum(" + "-".join(["wage"] * 300) + ") from wages": "too complex",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda t: t[:50])
def test_what_is_outside_the_subset_is_refused_with_the_reason(text):
    with pytest.raises(QueryRefused) as refused:
        design(parse(text, SPEC), SPEC)
    assert REFUSED[text] in str(refused.value)
    assert len(str(refused.value)) < 500


def test_sql_and_form_make_the_same_query():
    sql = "SELECT AVG(wage) FROM wages WHERE union = 1 AND region IN ('north') GROUP BY region"
    where = And((In("union", ("1",)), In("region", ("north",))))
    assert parse(sql, SPEC) == Query(table="wages", measure=Mean(Column("wage")), where=where, by=("region",))


CODED = {
    "educ = 3": In("educ", ("3",)),
    "3 <> educ": Not(In("educ", ("3",))),
    "educ in (1, '2')": In("educ", ("1", "2")),
    "educ not in (10)": Not(In("educ", ("10",))),
    "2 < educ": In("educ", ("3", "10")),
    "educ = -9": In("educ", ("-9",)),
    "educ <> -9": Not(In("educ", ("-9",))),
    "-9 >= educ": In("educ", ("-9",)),
    "educ between -9 and 1": And((In("educ", ("-9", "1", "2", "3", "10")), In("educ", ("-9", "1")))),
    "educ between 2 and 3": And((In("educ", ("2", "3", "10")), In("educ", ("-9", "1", "2", "3")))),
}


@pytest.mark.parametrize("condition", CODED)
def test_a_category_that_is_kept_as_whole_numbers_is_compared_with_them(condition):
    educ = ColumnSpec(name="educ", kind=Kind.CATEGORY, labels=("-9", "1", "2", "3", "10"))
    spec = replace(SPEC, columns={**SPEC.columns, "educ": educ})
    query = parse(f"select count(*) from wages where {condition}", spec)
    assert query.where == CODED[condition]
    assert design(query, spec).clip == SPEC.max_rows
    with pytest.raises(QueryRefused, match="“4” is not a declared value"):
        design(parse("select count(*) from wages where educ = 4", spec), spec)
    with pytest.raises(QueryRefused, match="No declared value of “educ” is > 10"):
        parse("select count(*) from wages where educ > 10", spec)


WRITTEN = {
    "select avg(wage) from wages where union = true group by region": (
        "SELECT region, AVG(wage)\nFROM wages\nWHERE union = TRUE\nGROUP BY region"
    ),
    "select count(distinct person) from wages where union <> 1 and (wage < 3 or not hours is null)": (
        "SELECT COUNT(DISTINCT person)\nFROM wages\nWHERE union <> TRUE AND (wage < 3 OR NOT hours IS NULL)"
    ),
    "select quantile(least(greatest(wage, 2), 50.5), 0.9) from wages where region in ('north', 'east')": (
        "SELECT QUANTILE(LEAST(GREATEST(wage, 2), 50.5), 0.9)\nFROM wages\nWHERE region IN ('north', 'east')"
    ),
    "select sum(case when wage > 3 then ln(wage + 1) else abs(-hours) end) from wages": (
        "SELECT SUM(CASE WHEN wage > 3 THEN LN((wage + 1)) ELSE ABS((-hours)) END)\nFROM wages"
    ),
    "select count(*) from wages where union = 1 limit 20 by person": (
        "SELECT COUNT(*)\nFROM wages\nWHERE union = TRUE\nLIMIT 20 BY person"
    ),
    "select corr(wage, power(hours, 2)) from wages": "SELECT CORR(wage, POWER(hours, 2))\nFROM wages",
    "select var_pop(sqrt(exp(wage))) from wages where not (region = 'east')": (
        "SELECT VAR_POP(SQRT(EXP(wage)))\nFROM wages\nWHERE region <> 'east'"
    ),
}


@pytest.mark.parametrize("text", WRITTEN, ids=lambda t: t[:50])
def test_a_query_is_written_as_the_sql_that_asks_it(text):
    query = parse(text, SPEC)
    assert write(query, SPEC) == WRITTEN[text]
    assert parse(WRITTEN[text], SPEC) == query


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: type(q.measure).__name__)
def test_what_sql_cannot_say_is_not_written_otherwise(query):
    text = write(query, SPEC)
    assert not text or parse(text, SPEC) == query
    assert bool(text) == (not isinstance(query.measure, WITHOUT_SQL)) or (
        getattr(query.measure, "per_subject", False)
    )


def test_a_column_called_like_a_word_of_sql_keeps_positions_true():
    with pytest.raises(QueryRefused, match="Line 1, column 48: text can only be compared"):
        parse("SELECT COUNT(*) FROM wages WHERE union = 1 AND region > 'a'", SPEC)
    with pytest.raises(QueryRefused):
        parse("SELECT COUNT(*) FROM wages UNION SELECT 1", SPEC)


def test_people_are_counted_by_the_subject_column():
    assert parse("SELECT COUNT(DISTINCT person) FROM wages", SPEC).measure == CountSubjects()
    assert parse("SELECT count(*) FROM wages", SPEC).measure == Count()


def test_between_case_and_clip_are_understood():
    sql = (
        "SELECT SUM(CASE WHEN wage BETWEEN 1 AND 9 THEN least(greatest(hours, 0), 10) ELSE 0 END) FROM wages"
    )
    plan = design(parse(sql, SPEC), SPEC)
    assert plan.clip == 80.0


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: type(q.measure).__name__)
def test_a_query_survives_the_wire(query):
    assert decode_text(canonical(query)) == query


BAD_JSON = {
    "[]": "expected an object",
    "{}": "query.table is missing",
    '{"table": "wages", "measure": {"kind": "steal"}}': "measure.kind must be one of",
    '{"table": "wages", "measure": {"kind": ["sum"]}}': "measure.kind must be one of",
    '{"table": "wages", "measure": "count"}': 'Example: {"kind": "count"}',
    '{"table": "wages", "measure": {"kind": "sum", "of": "admitted"}}': '"kind": "column", "name": "admitted"',
    '{"table": "wages", "measure": {"kind": "sum", "of": "a b"}}': '"kind": "column", "name": "wage"',
    '{"table": "wages", "measure": {"kind": "count"}, "rows": 1.5}': "rows: expected a whole number",
    '{"table": "wages", "measure": {"kind": "count"}, "also": 1}': "unknown field “also”",
    '{"table": "wages", "measure": {"kind": "sum", "of": {"kind": "constant", "value": NaN}}}': "finite",
    '{"table": "wages", "measure": {"kind": "sum", "of": {"kind": "constant", "value": true}}}': "finite",
    '{"table": "wages", "measure": {"kind": "count"}, "where": {"kind": "and", "parts": []}}': "at least one",
    '{"table": ' + "[" * 50_000: "nested more than 120 levels",
    "nonsense": "not valid JSON",
}


@pytest.mark.parametrize("text", BAD_JSON, ids=lambda t: t[:60])
def test_json_that_is_no_query_is_refused_at_its_place(text):
    with pytest.raises(QueryRefused, match=BAD_JSON[text]):
        decode_text(text)


def test_deep_json_is_refused_before_it_is_built():
    node: dict[str, Any] = {"kind": "is_null", "column": "wage"}
    for _ in range(500):
        node = {"kind": "not", "of": node}
    with pytest.raises(QueryRefused, match="nested"):
        decode({"table": "wages", "measure": {"kind": "count"}, "where": node})


NAMES = st.sampled_from(["kind", "table", "measure", "of", "where", "by"])
ATOMS = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    ATOMS, lambda s: st.lists(s, max_size=4) | st.dictionaries(NAMES, s, max_size=4), max_leaves=12
)


@given(JSON)
def test_no_json_value_raises_anything_but_a_refusal(value):
    try:
        query = decode(value)
    except QueryRefused:
        return
    assert decode(json.loads(json.dumps(encode(query)))) == query


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_a_refusal(text):
    try:
        query = parse(f"select sum(wage) from wages where {text}", SPEC)
    except QueryRefused:
        return
    assert query.measure == Sum(Column("wage"))
