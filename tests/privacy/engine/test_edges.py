"""The edges of the engine: what its checks refuse, and what a caller must not mix up. No database."""

import inspect
import json
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from privacy.engine.figures import of_vector
from privacy.engine.language import sql, wire
from privacy.engine.language.bounds import bounds, check_filter
from privacy.engine.language.expressions import (
    And,
    Binary,
    Column,
    Compare,
    Constant,
    In,
    IsNull,
    Not,
    Or,
    Power,
    Predicate,
    Unary,
)
from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Distribution,
    KeyCounts,
    Query,
    Regression,
)
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.language.sql_text import write
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.measure.mechanisms import threshold
from privacy.engine.plan.cells import MAX_DOMAIN, domain_of
from privacy.engine.plan.designs import design
from privacy.engine.release import Measured, table_from_columns
from privacy.engine.trials import TRIES, Trial, Tried
from tests.privacy.make_table import SPEC, table

WIDE = TableSpec(
    name="wide",
    subject="person",
    max_rows=1,
    columns={
        "note": ColumnSpec(name="note", kind=Kind.TEXT),
        "code": ColumnSpec(
            name="code", kind=Kind.CATEGORY, labels=tuple(str(n) for n in range(101)), constant=True
        ),
        "place": ColumnSpec(
            name="place", kind=Kind.CATEGORY, labels=tuple(str(n) for n in range(101)), constant=True
        ),
    },
)
HUGE = ColumnSpec(name="huge", kind=Kind.NUMBER, lower=-1e300, upper=1e300)
FAR = TableSpec(name="far", subject="person", max_rows=1, columns={"huge": HUGE})


@pytest.mark.parametrize(
    "of", [Binary("%", Column("wage"), Constant(2.0)), Unary("tan", Column("wage"))], ids=["binary", "unary"]
)
def test_arithmetic_that_there_is_not_is_refused(of):
    with pytest.raises(QueryRefused, match=r"“(%|tan)”"):
        bounds(of, SPEC)


def test_a_comparison_that_there_is_not_is_refused():
    with pytest.raises(QueryRefused, match="“~”"):
        check_filter(Compare("~", Column("wage"), Constant(1.0)), SPEC)


@pytest.mark.parametrize(
    "of", [Binary("*", Column("huge"), Column("huge")), Power(Column("huge"), 8)], ids=["product", "power"]
)
def test_what_can_grow_past_a_number_is_refused(of):
    with pytest.raises(QueryRefused, match="too large for a floating-point number"):
        bounds(of, FAR)


@pytest.mark.parametrize("values", [(), tuple(str(n) for n in range(20_000))], ids=["none", "too many"])
def test_a_list_of_values_is_neither_empty_nor_endless(values):
    with pytest.raises(QueryRefused, match="List between 1 and"):
        check_filter(In("region", values), SPEC)


@pytest.mark.parametrize("kind", [And, Or])
def test_a_filter_has_a_condition(kind):
    with pytest.raises(QueryRefused, match="at least one condition"):
        kind(())


def test_groups_are_not_endless():
    with pytest.raises(QueryRefused, match="groups"):
        design(Query(table="wide", measure=Count(), by=("code", "place")), WIDE)


@pytest.mark.parametrize(
    ("measure", "by", "told"),
    [
        (KeyCounts("code"), (), "not a text column"),
        (KeyCounts("note"), ("code",), "cannot be grouped"),
        (KeyCounts("note", keys=0), (), "with 1 to 100 of their values"),
        (KeyCounts("note", keys=101), (), "with 1 to 100 of their values"),
    ],
)
def test_undeclared_values_are_counted_of_texts_alone(measure, by, told):
    with pytest.raises(QueryRefused, match=told):
        design(Query(table="wide", measure=measure, by=by), WIDE)


@pytest.mark.parametrize("bins", [1, 1_000_000])
def test_a_distribution_has_some_bins_and_not_too_many(bins):
    with pytest.raises(QueryRefused, match="bins"):
        design(Query(table="wages", measure=Distribution(Column("wage"), bins=bins)), SPEC)


@pytest.mark.parametrize("count", [0, 9])
def test_a_regression_has_features_and_not_too_many(count):
    names = tuple(f"x{n}" for n in range(count))
    measure = Regression(Column("wage"), tuple(Column("hours") for _ in names), names)
    with pytest.raises(QueryRefused, match="needs 1 to 8 explaining columns"):
        design(Query(table="wages", measure=measure), SPEC)


@pytest.mark.parametrize("names", [("x", "x"), ("x",)], ids=["twice", "too few"])
def test_each_column_of_a_regression_has_a_name_of_its_own(names):
    measure = Regression(Column("wage"), (Column("hours"), Column("union")), names)
    with pytest.raises(QueryRefused, match="a different name"):
        design(Query(table="wages", measure=measure), SPEC)


@pytest.mark.parametrize(
    "measure",
    [
        Regression(Column("wage"), (Column("hours"),), ("hours",)),
        Correlation(Column("wage"), Column("hours")),
    ],
    ids=["regression", "correlation"],
)
def test_regressions_and_correlations_have_no_groups(measure):
    with pytest.raises(QueryRefused, match="cannot be grouped"):
        design(Query(table="wages", measure=measure, by=("region",)), SPEC)
    assert design(Query(table="wages", measure=measure), SPEC).groups == ()


def test_columns_that_would_make_too_many_cells_are_left_out_of_them():
    labels = tuple(str(n) for n in range(MAX_DOMAIN // 2))
    columns = {
        name: ColumnSpec(name=name, kind=Kind.CATEGORY, labels=labels, constant=True) for name in ("a", "b")
    }
    spec = TableSpec(name="t", subject="person", max_rows=1, columns=columns)
    assert domain_of([spec]).columns == ("a",)


def test_a_column_without_gaps_has_its_validity_spelt_out():
    rows = Rows(SPEC, {"hours": Values(np.array([1.0, 2.0]), np.array([], dtype=bool))}, 2)
    assert rows.column("hours").valid.tolist() == [True, True]


def test_rows_and_offsets_have_to_agree():
    whole = table(subjects=3)
    for offsets in (whole.offsets[:-1], whole.offsets[1:], whole.offsets[::-1]):
        with pytest.raises(ValueError, match="cover the rows"):
            table_from_columns(whole.rows, offsets.copy())


@pytest.mark.parametrize("rows", [0, 10**9])
def test_a_person_has_some_rows_and_not_too_many(rows):
    with pytest.raises(ValueError, match="max_rows"):
        TableSpec(name="t", subject="person", columns={}, max_rows=rows)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, math.nan])
def test_a_threshold_needs_a_probability(delta):
    with pytest.raises(ValueError, match="delta"):
        threshold(100, 1, delta)


def test_squared_norms_and_charges_are_not_mixed_up():
    spent = np.array([1, 2], dtype=np.int64)
    charges, norms = (SimpleNamespace(priced=priced, spent=spent) for priced in (True, False))
    assert Measured.charges.fget(charges) is spent  # type: ignore[attr-defined]
    assert Measured.squares.fget(norms) is spent  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="holds charges"):
        Measured.squares.fget(charges)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="holds squared norms"):
        Measured.charges.fget(norms)  # type: ignore[attr-defined]


def test_a_trial_comes_out_where_more_than_half_of_its_tries_do():
    told = [
        Tried(key=(), name=str(often), released=often, half_width=None)
        for often in (0, TRIES // 2, TRIES // 2 + 1, TRIES)
    ]
    trial = Trial(rows=10, rows_each=1.0, figures=tuple(told))
    assert [each.released for each in trial.coming_out] == [TRIES // 2 + 1, TRIES]
    assert not told[1].comes_out


# The two front ends

MEAN = {"kind": "mean", "of": {"kind": "column", "name": "wage"}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT COUNT(wage * 2) FROM wages", r"COUNT\(\*\)"),
        ("SELECT COUNT(*) FROM wages WHERE region IN ()", "values in brackets"),
        ("SELECT SUM(GREATEST(LEAST(wage, 'ten'), 0)) FROM wages", "a number is expected"),
        ('SELECT COUNT(*) FROM "wages', "SQL cannot be parsed"),
    ],
)
def test_sql_that_is_refused_says_why(text, told):
    with pytest.raises(QueryRefused, match=told):
        sql.parse(text, SPEC)


def test_a_long_sum_is_refused_where_the_stack_has_no_room_for_it():
    limit = sys.getrecursionlimit()
    text = "SELECT SUM(wage" + " + 1" * 600 + ") FROM wages"
    sys.setrecursionlimit(len(inspect.stack()) + 300)
    try:
        with pytest.raises(QueryRefused, match="nested too deeply"):
            sql.parse(text, SPEC)
    finally:
        sys.setrecursionlimit(limit)


def test_a_value_may_stand_on_either_side_of_a_comparison():
    assert sql.parse("SELECT COUNT(*) FROM wages WHERE 'north' = region", SPEC) == sql.parse(
        "SELECT COUNT(*) FROM wages WHERE region = 'north'", SPEC
    )


@pytest.mark.parametrize(
    "where",
    [
        IsNull("wage"),
        Not(Compare("<", Column("wage"), Constant(3.0))),
        Not(And((IsNull("wage"), IsNull("hours")))),
    ],
    ids=["missing", "not less", "not both missing"],
)
def test_a_filter_written_as_sql_reads_as_itself(where):
    query = Query(table="wages", measure=CountSubjects(), where=where)
    assert sql.parse(write(query, SPEC), SPEC) == query


def test_undeclared_values_are_written_by_their_column():
    query = sql.parse("SELECT note, COUNT(DISTINCT person) FROM wide GROUP BY note", WIDE)
    assert query.measure == KeyCounts("note")
    assert sql.parse(write(query, WIDE), WIDE) == query


def test_what_sql_cannot_say_is_not_written():
    where: Predicate = IsNull("wage")
    for _ in range(60):
        where = Not(And((where,)))
    assert write(Query(table="wages", measure=Count(), where=where), SPEC) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (" " * (wire.MAX_BYTES + 1), "longer than"),
        (b" " * (wire.MAX_BYTES + 1), "longer than"),
        ('{"table": "t", "measure": {"kind": "count"}, "by": "region"}', "a list of at most"),
        (json.dumps({"table": "t", "measure": MEAN | {"per_subject": 1}}), "true or false"),
    ],
)
def test_json_that_is_refused_says_why(text, told):
    with pytest.raises(QueryRefused, match=told):
        wire.decode_text(text)


def test_only_sums_make_figures_of_sums():
    query = Query(table="wide", measure=KeyCounts("note"))
    with pytest.raises(TypeError, match="KeyCounts"):
        of_vector(query, design(query, WIDE), np.zeros(1, dtype=np.int64), 1)
