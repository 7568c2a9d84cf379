"""The JSON Schema of the wire form: what can be asked validates, and what validates can be decoded."""

import copy
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from privacy.engine.language import wire
from privacy.engine.language.expressions import (
    MAX_DEPTH,
    Clip,
    Column,
    Expression,
    IsNull,
    Not,
    Predicate,
)
from privacy.engine.language.json_schema import DIALECT, LIMITS, document
from privacy.engine.language.query import Count, Query, Sum
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.language.sql import parse
from privacy.engine.plan.designs import design
from tests.privacy.engine.test_engine import QUERIES
from tests.privacy.make_table import SPEC
from tests.privacy.services import test_every_query_runs as random

ROOT = Path(__file__).resolve().parents[4]
SCHEMA = document()
VALIDATOR = Draft202012Validator(SCHEMA)
WAGES = TableSpec(
    name="wages",
    subject="person",
    max_rows=2,
    columns={
        "region": ColumnSpec(name="region", kind=Kind.CATEGORY, labels=("east", "west")),
        "wage": ColumnSpec(name="wage", kind=Kind.NUMBER, lower=0.0, upper=9.0),
        "year": ColumnSpec(name="year", kind=Kind.INTEGER, lower=1980.0, upper=1990.0),
    },
)


def is_valid(query):
    return VALIDATOR.is_valid(json.loads(wire.canonical(query)))


def test_the_schema_is_a_schema_of_its_dialect():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == DIALECT == Draft202012Validator.META_SCHEMA["$id"]


def test_every_kind_is_described_with_all_its_fields():
    for family, kinds in wire.FAMILIES.items():
        assert SCHEMA["$defs"][family]["properties"]["kind"]["enum"] == list(kinds)
        for kind, cls in kinds.items():
            found = SCHEMA["$defs"][kind]
            assert list(found["properties"]) == ["kind", *(field.name for field in fields(cls))]
            assert found["description"].endswith((".", "?"))
    for cls, name in LIMITS:
        assert name in {field.name for field in fields(cls)}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query.measure).__name__)
def test_every_query_of_the_engines_tests_validates(query):
    assert is_valid(query)


def test_every_query_in_the_docs_validates():
    texts = [path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))]
    asked = [sql for text in texts for sql in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)]
    assert len(asked) >= 1
    for sql in asked:
        assert is_valid(parse(sql, WAGES))


@settings(max_examples=300)
@given(random.queries)
def test_every_query_that_can_be_planned_for_a_table_validates(query):
    try:
        design(query, TableSpec(name="t", subject="person", columns=COLUMNS, max_rows=5))
    except QueryRefused:
        return
    assert is_valid(query)


COLUMNS = {
    name: ColumnSpec(name=name, kind=kind, lower=0.0, upper=1.0, labels=random.LABELS)
    for name, kind in zip(
        random.NAMES, [Kind.NUMBER, Kind.INTEGER, Kind.CATEGORY, Kind.TEXT, Kind.DATE], strict=True
    )
}


WAGE = {"kind": "column", "name": "wage"}
MISSING = {"kind": "is_null", "column": "wage"}
UNKNOWN = {"kind": "binary", "op": "%", "left": WAGE, "right": WAGE}
NINTH = {"kind": "power", "base": WAGE, "exponent": 9}
LARGE = {"kind": "constant", "value": 1e301}
INVALID: dict[str, Any] = {
    "no object": lambda _: [],
    "no table": lambda query: query.pop("table") and query,
    "no measure": lambda query: query.pop("measure") and query,
    "another field": lambda query: query | {"also": 1},
    "a kind of its own": lambda query: query | {"kind": "query"},
    "an unknown measure": lambda query: query | {"measure": {"kind": "max", "of": WAGE}},
    "a measure without a kind": lambda query: query | {"measure": {"of": WAGE}},
    "an unknown operator": lambda query: query | {"measure": {"kind": "sum", "of": UNKNOWN}},
    "a name for an expression": lambda query: query | {"measure": {"kind": "sum", "of": "wage"}},
    "a filter for an expression": lambda query: query | {"measure": {"kind": "sum", "of": MISSING}},
    "an expression for a filter": lambda query: query | {"where": WAGE},
    "an exponent of 9": lambda query: query | {"measure": {"kind": "sum", "of": NINTH}},
    "no conditions": lambda query: query | {"where": {"kind": "and", "parts": []}},
    "no values": lambda query: query | {"where": {"kind": "in", "column": "a", "values": []}},
    "too many values": lambda query: query | {"where": {"kind": "in", "column": "a", "values": ["x"] * 1001}},
    "too many rows": lambda query: query | {"rows": 4097},
    "half a row": lambda query: query | {"rows": 1.5},
    "rows as text": lambda query: query | {"rows": "2"},
    "true for a number": lambda query: query | {"rows": True},
    "too many keys": lambda query: query | {"by": ["a", "b", "c", "d", "e"]},
    "a key twice": lambda query: query | {"by": ["a", "a"]},
    "one key without a list": lambda query: query | {"by": "a"},
    "a long name": lambda query: query | {"table": "t" * 201},
    "a large number": lambda query: query | {"measure": {"kind": "sum", "of": {**LARGE}}},
    "quantile at 1": lambda query: query | {"measure": {"kind": "quantiles", "of": WAGE, "at": [1.0]}},
    "ten quantiles": lambda query: query | {"measure": {"kind": "quantiles", "of": WAGE, "at": [0.5] * 10}},
    "one bin": lambda query: query | {"measure": {"kind": "distribution", "of": WAGE, "bins": 1}},
}


@pytest.mark.parametrize("name", INVALID)
def test_what_the_engine_refuses_does_not_validate(name):
    asked = INVALID[name](wire.encode(Query(table="wages", measure=Sum(Column("wage")))))
    assert not VALIDATOR.is_valid(json.loads(json.dumps(asked)))
    with pytest.raises(QueryRefused):
        design(wire.decode(asked), SPEC)


def test_a_whole_number_may_be_written_with_a_point():
    asked = {"table": "wages", "measure": {"kind": "count"}, "rows": 2.0}
    assert VALIDATOR.is_valid(asked)
    assert wire.canonical(wire.decode(asked)) == wire.canonical(Query(table="wages", measure=Count(), rows=2))


def places(value, at=()):
    """Every place in a JSON value, as the keys that lead to it."""
    found = [at]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        found += places(part, (*at, key))
    return found


def changed(value, at, put):
    """The value with another part at a place; without the part if `put` is LEFT_OUT."""
    if not at:
        return value if put is LEFT_OUT else put
    made = copy.deepcopy(value)
    inside = made
    for key in at[:-1]:
        inside = inside[key]
    if put is LEFT_OUT:
        del inside[at[-1]]
    else:
        inside[at[-1]] = put
    return made


LEFT_OUT = object()
PARTS = [
    LEFT_OUT, None, True, 0, 1, 2.0, -1, 1.5, 10**10, "", "a", "=", "+", "sum", "and", "x" * 201, [], [1], ["a", "a"],
    {}, {"kind": "column", "name": "a"}, {"kind": "is_null", "column": "a"}, {"kind": "count"},
]  # fmt: skip


@settings(max_examples=500)
@given(random.queries, st.data())
def test_whatever_validates_can_be_decoded(query, data):
    """Mostly: one part of a valid question is changed."""
    value = wire.encode(query)
    value = changed(value, data.draw(st.sampled_from(places(value))), data.draw(st.sampled_from(PARTS)))
    if VALIDATOR.is_valid(value):
        assert wire.decode(value).table == value["table"]
        return
    try:
        design(wire.decode(value), TableSpec(name="t", subject="person", columns=COLUMNS, max_rows=5))
    except QueryRefused:
        return
    raise AssertionError(f"This can be asked but does not validate: {value}")


def test_nested_expressions_are_validated_in_linear_time():
    """A validator that tried one kind after another would take 2 ** 38 steps for the limits alone."""
    of: Expression = Column("wage")
    where: Predicate = IsNull("wage")
    for _ in range(MAX_DEPTH - 2):
        of, where = Clip(of, 0.0, 1.0), Not(where)
    assert VALIDATOR.is_valid(wire.encode(Query(table="t", measure=Sum(of), where=where)))
