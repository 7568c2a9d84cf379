# ruff: noqa: S608 -- the texts are questions, run by DuckDB on a table made here
"""SQL as analysts write it: read as the question it means, and answered (but for noise) as DuckDB answers it."""

from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from privacy.engine import release
from privacy.engine.figures import of_vector
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused
from privacy.engine.language.sql import parse
from privacy.engine.plan.designs import design
from tests.privacy.make_table import REGIONS, SPEC, table

READ = {
    "COUNT(wage)": "COUNT(*) | NOT wage IS NULL",
    "COUNT(1)": "COUNT(*)",
    "COUNT(person)": "COUNT(*)",
    "COUNT(*) | union": "COUNT(*) | union = 1",
    "COUNT(*) | NOT union AND hours > 3": "COUNT(*) | union <> 1 AND hours > 3",
    "COUNT(*) | union IS FALSE": "COUNT(*) | NOT union IS NULL AND union <> 1",
    "COUNT(*) | union IS NOT TRUE": "COUNT(*) | NOT (NOT union IS NULL AND union = 1)",
    "COUNT(*) FILTER (WHERE union)": "COUNT(*) | union = 1",
    "COUNT_IF(hours > 3) | region = 'east'": "COUNT(*) | region = 'east' AND hours > 3",
    "COUNT(CASE WHEN hours > 3 THEN 1 END)": "COUNT(*) | hours > 3",
    "COUNT(CASE WHEN hours > 3 THEN wage END)": "COUNT(*) | hours > 3 AND NOT wage IS NULL",
    "COUNT(DISTINCT CASE WHEN union THEN person END)": "COUNT(DISTINCT person) | union = 1",
    "SUM(CASE WHEN hours > 3 THEN 1 END)": "SUM(1) | hours > 3",
    "AVG(CASE WHEN hours > 3 THEN wage ELSE NULL END)": "AVG(wage) | hours > 3",
    "AVG(CASE WHEN hours > 30 THEN 3 WHEN union THEN 2 END)": (
        "AVG(CASE WHEN hours > 30 THEN 3 ELSE 2 END) | hours > 30 OR union = 1"
    ),
    "SUM(CASE region WHEN 'east' THEN wage WHEN 'north' THEN 1 ELSE 0 END)": (
        "SUM(CASE WHEN region = 'east' THEN wage ELSE CASE WHEN region = 'north' THEN 1 ELSE 0 END END)"
    ),
    "SUM(IF(hours > 3, hours, 0))": "SUM(CASE WHEN hours > 3 THEN hours ELSE 0 END)",
    "AVG(IF(hours > 3, hours, NULL))": "AVG(hours) | hours > 3",
    "AVG(NULLIF(hours, 0)) | union": "AVG(hours) | union = 1 AND NOT (hours = 0)",
    "AVG(COALESCE(wage, hours, 0))": (
        "AVG(CASE WHEN wage IS NULL THEN CASE WHEN hours IS NULL THEN 0 ELSE hours END ELSE wage END)"
    ),
    "SUM(IFNULL(wage, 0))": "SUM(CASE WHEN wage IS NULL THEN 0 ELSE wage END)",
    "AVG(CAST(hours AS DOUBLE) + wage::REAL)": "AVG(hours + wage)",
    "SUM(hours::INT)": "SUM(hours)",
    "AVG(wages.Wage) | WAGES.union": "AVG(wage) | union = 1",
    "VAR_POP(wage)": "VAR_POP(wage)",
    "STDDEV_POP(wage)": "STDDEV_POP(wage)",
}
SAMPLES = {
    "VARIANCE(wage)": "VAR_POP(wage)",
    "VAR_SAMP(wage)": "VAR_POP(wage)",
    "STDDEV(wage)": "STDDEV_POP(wage)",
    "STDDEV_SAMP(wage)": "STDDEV_POP(wage)",
}
MEANT = READ | SAMPLES
PRIVATE = table()


def sql(short, source="wages"):
    """Return `aggregate | condition` as a SELECT."""
    aggregate, _, condition = short.partition(" | ")
    return f"SELECT {aggregate} FROM {source}" + (f" WHERE {condition}" if condition else "")


@pytest.mark.parametrize("short", MEANT)
def test_it_is_read_as_the_question_it_means(short):
    query = parse(sql(short), SPEC)
    assert query == parse(sql(MEANT[short]), SPEC)
    design(query, SPEC)


@pytest.fixture(scope="module")
def database():
    """The private rows in DuckDB."""
    subjects = np.repeat(np.arange(PRIVATE.subjects), np.diff(PRIVATE.offsets))
    columns = {name: (each.numbers, ~each.valid) for name, each in PRIVATE.rows.columns.items()}
    numbers, missing = columns.pop("region")
    arrays = {name: pa.array(values, mask=mask) for name, (values, mask) in columns.items()}
    arrays["union"] = arrays["union"].cast(pa.bool_())
    arrays["region"] = pa.array(np.array(REGIONS)[numbers], mask=missing)
    connection = duckdb.connect()
    connection.register("wages", pa.table({"person": subjects, **arrays}))
    yield connection
    connection.close()


@pytest.mark.parametrize("short", READ)
def test_duckdb_answers_the_same(short, database):
    query = parse(sql(short), SPEC)
    (line,) = of_vector(query, design(query, SPEC), release.exact_sums(query, PRIVATE), 1).lines
    ((expected,),) = database.execute(sql(short).replace("union", '"union"')).fetchall()
    assert expected
    assert line.figures[0].value == pytest.approx(float(expected), rel=1e-6)


GROUPS = "SELECT region, AVG(wage) FROM wages WHERE union = 1 GROUP BY region"


@pytest.mark.parametrize(
    "text",
    [
        "select Region, avg(Wage) from WAGES where Union = 1 group by REGION",
        "SELECT w.region, AVG(w.wage) AS mean FROM wages AS w WHERE w.union = 1 GROUP BY w.region",
        "SELECT region AS where_they_live, AVG(wage) FROM wages W WHERE union GROUP BY where_they_live",
        "SELECT region, AVG(wage) FROM wages WHERE wages.union GROUP BY 1",
    ],
)
def test_names_are_read_in_any_case_behind_aliases_and_by_position(text):
    assert parse(text, SPEC) == parse(GROUPS, SPEC)


REFUSED = {
    "SELECT AVG(other.wage) FROM wages": "column 18: “other” is not the table after FROM",
    "SELECT AVG(a.wages.wage) FROM wages": "“wages” is not the table after FROM",
    "SELECT region, AVG(wage) FROM wages GROUP BY 3": "SELECT has no column number 3",
    "SELECT region, AVG(wage) FROM wages GROUP BY 2": "a column name is expected here",
    "SELECT AVG(wage) AS mean FROM wages GROUP BY mean": "a column name is expected here",
    "SELECT COUNT(wage + 1) FROM wages": "COUNT(column)",
    "SELECT COUNT(wage, hours) FROM wages": "COUNT takes one column",
    "SELECT COUNT(wages.*) FROM wages": "a column name is expected here",
    "SELECT COUNT(DISTINCT person, wage) FROM wages": "can only count people",
    "SELECT COUNT(born) FROM wages": "“born” holds dates",
    "SELECT COUNT(*) FROM wages WHERE hours IS 3": "IS takes NULL, TRUE or FALSE",
    "SELECT COUNT(*) FROM wages WHERE hours": "“hours” is not a yes/no column: compare it with a value",
    "SELECT COUNT(*) FROM wages WHERE hours IS TRUE": "“hours” is not a yes/no column",
    "SELECT SUM(1 + CASE WHEN union THEN 1 END) FROM wages": "write ELSE number",
    "SELECT SUM(COALESCE(wage + 1, 0)) FROM wages": "COALESCE takes columns",
    "SELECT SUM(CAST(wage AS INTEGER)) FROM wages": "this CAST would change numbers",
    "SELECT SUM(wage::DECIMAL(9, 1)) FROM wages": "this CAST would change numbers",
    "SELECT SUM(hours::VARCHAR) FROM wages": "this CAST would change numbers",
    "SELECT SUM(hours::BIT) FROM wages": "this CAST would change numbers",
    "SELECT SUM(wage::DECIMAL32) FROM wages": "this CAST would change numbers",
    "SELECT AVG(1 + NULLIF(wage, 0)) FROM wages": "NULLIF is not supported",
    # Where the second is missing, DuckDB returns the first; a condition that they differ would be unknown.
    "SELECT AVG(NULLIF(hours, wage)) FROM wages": "NULLIF compares with a value",
    "SELECT COUNT(NULLIF(hours, wage + 1)) FROM wages": "NULLIF compares with a value",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_would_mean_something_else_is_refused(text):
    born = ColumnSpec(name="born", kind=Kind.DATE, lower=0.0, upper=9000.0)
    with pytest.raises(QueryRefused) as refused:
        parse(text, replace(SPEC, columns={**SPEC.columns, "born": born}))
    assert REFUSED[text] in str(refused.value)


def test_a_name_in_two_cases_is_told_apart():
    both = {**SPEC.columns, "WAGE": SPEC.columns["hours"]}
    spec = type(SPEC)(name="wages", subject="person", columns=both, max_rows=8)
    assert parse("SELECT AVG(WAGE) FROM wages", spec) != parse("SELECT AVG(wage) FROM wages", spec)
    with pytest.raises(QueryRefused, match="no column “Wage”"):
        parse("SELECT AVG(Wage) FROM wages", spec)
