"""Refusals of the wire form name a place, and no JSON value is too much to refuse."""

import json
import sys
from typing import Any

import pytest

from privacy.engine.language import wire
from privacy.engine.language.expressions import MAX_DEPTH, Column, Not
from privacy.engine.language.query import Count, Query, Sum
from privacy.engine.language.schema import QueryRefused
from privacy.engine.plan.designs import design
from tests.privacy.make_table import SPEC

WAGE = {"kind": "column", "name": "wage"}
COUNT = {"table": "wages", "measure": {"kind": "count"}}


def compared(left):
    missing = {"kind": "is_null", "column": "wage"}
    compare = {"kind": "compare", "op": "<", "left": left, "right": WAGE}
    return COUNT | {"where": {"kind": "and", "parts": [missing, compare]}}


PLACES = {
    "query": ([], ": expected an object."),
    "query.measure": ({"table": "t"}, " is missing."),
    "query.measure.kind": (COUNT | {"measure": {"kind": "max"}}, " must be one of count, "),
    "query.measure.of": (
        COUNT | {"measure": {"kind": "sum", "of": {"kind": "column", "name": "a", "nme": 1}}},
        ": unknown field “nme”. Remove it or check its spelling.",
    ),
    "query.where": (
        COUNT | {"where": {"kind": "or", "parts": []}},
        "AND and OR need at least one condition.",
    ),
    "query.where.parts[1].left.value": (
        compared({"kind": "constant", "value": "9"}),
        ": expected a finite number.",
    ),
    "query.where.parts[1].left.kind": (compared({"kind": "is_null", "column": "wage"}), " must be one of "),
    "query.where.parts": (COUNT | {"where": {"kind": "or", "parts": 1}}, ": expected a list"),
    "query.by[1]": (COUNT | {"by": ["region", 3]}, ": expected text of at most 200 characters."),
    "query.rows": (COUNT | {"rows": 1.5}, ": expected a whole number."),
    "query.measure.per_subject": (
        COUNT | {"measure": {"kind": "mean", "of": WAGE, "per_subject": 1}},
        ": expected true or false.",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_refusal_names_the_place_of_what_does_not_fit(place):
    value, told = PLACES[place]
    with pytest.raises(QueryRefused) as refused:
        wire.decode(value)
    assert refused.value.place == place
    assert told in str(refused.value)
    assert place in str(refused.value) or place == "query.where"


@pytest.mark.parametrize(
    "text", ["a\0b", "\ud800", "x\udfff"], ids=["NUL", "high surrogate", "low surrogate"]
)
@pytest.mark.parametrize(
    ("place", "ask"),
    [
        ("query.table", lambda text: COUNT | {"table": text}),
        ("query.by[0]", lambda text: COUNT | {"by": [text]}),
        (
            "query.where.values[1]",
            lambda text: COUNT | {"where": {"kind": "in", "column": "region", "values": ["north", text]}},
        ),
    ],
)
def test_a_character_that_cannot_be_stored_is_refused_at_its_place(place, ask, text):
    with pytest.raises(QueryRefused, match="invalid character") as refused:
        wire.decode(ask(text))
    assert refused.value.place == place
    str(refused.value).encode()


@pytest.mark.parametrize("name", ["\ud800", "x" * 10**6], ids=["surrogate", "long"])
def test_an_unknown_field_is_refused_in_words_that_can_be_sent(name):
    with pytest.raises(QueryRefused, match="unknown field") as refused:
        wire.decode(COUNT | {name: 1})
    assert len(str(refused.value).encode()) < 500


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), 1e301],
    ids=["NaN", "infinity", "-infinity", "400 digits", "-400 digits", "1e301"],
)
def test_a_number_that_floats_cannot_hold_is_refused(value):
    for part, told in (
        ({"kind": "constant", "value": value}, "finite number"),
        ({"kind": "power", "base": WAGE, "exponent": value}, "whole number"),
    ):
        asked = COUNT | {"measure": {"kind": "sum", "of": part}}
        with pytest.raises(QueryRefused, match=told) as refused:
            wire.decode(asked)
        assert refused.value.place in {"query.measure.of.value", "query.measure.of.exponent"}
        with pytest.raises(QueryRefused, match=told):
            wire.decode_text(json.dumps(asked))


def test_a_number_of_five_thousand_digits_is_refused_by_its_length():
    with pytest.raises(QueryRefused, match="too many digits"):
        wire.decode_text('{"table": "wages", "measure": {"kind": "count"}, "rows": %s}' % ("9" * 5000))


def nested(depth, kind):
    value: dict[str, Any] = {"kind": "is_null", "column": "wage"}
    for _ in range(depth):
        value = {"kind": "not", "of": value} if kind == "not" else {"kind": "and", "parts": [value]}
    return COUNT | {"where": value}


@pytest.mark.parametrize("kind", ["not", "and"])
@pytest.mark.parametrize("depth", [200, 10_000, 1_000_000])
def test_deep_values_are_refused_before_anything_recurses(depth, kind):
    asked = nested(depth, kind)
    with pytest.raises(QueryRefused, match="nested more than 120 levels") as refused:
        wire.decode(asked)
    assert refused.value.place == "query"
    while asked:  # taken apart step by step: freeing it at once would recurse as well
        asked = asked.pop("where", None) or asked.pop("of", None) or (asked.pop("parts", None) or [None])[0]


@pytest.mark.parametrize("text", ["[" * 50_000, '{"a":' * 15_000, '{"table": ' + "[" * 900 + "]" * 900 + "}"])
def test_deep_text_is_refused_in_words(text):
    with pytest.raises(QueryRefused, match="nested more than 120 levels"):
        wire.decode_text(text)


@pytest.mark.parametrize(
    "value",
    [
        [0] * 1_000_000,
        COUNT | {"by": ["a"] * 1_000_000},
        COUNT | {"where": {"kind": "and", "parts": [{"kind": "is_null", "column": "a"}] * 1_000_000}},
        COUNT | {str(k): k for k in range(1_000_000)},
    ],
    ids=["a list", "keys", "conditions", "fields"],
)
def test_a_million_parts_are_refused_by_their_number(value):
    with pytest.raises(QueryRefused, match="more than 50,000 parts") as refused:
        wire.decode(value)
    assert refused.value.place == "query"


@pytest.mark.parametrize("text", [b"\xff\xfe", b'{"table": "\xff"}', "nonsense", ""])
def test_bytes_that_are_no_json_are_refused(text):
    with pytest.raises(QueryRefused, match="not valid JSON"):
        wire.decode_text(text)


def test_what_can_be_decoded_is_measured_before_it_is_planned():
    """As deep as decoding allows: the planner refuses it without recursing into it."""
    where = wire.decode(nested(wire.MAX_DEPTH - 3, "not")).where
    assert isinstance(where, Not)
    with pytest.raises(QueryRefused, match=f"nested at most {MAX_DEPTH} levels deep"):
        design(Query(table="wages", measure=Count(), where=where), SPEC)


def test_decoding_as_deep_as_allowed_leaves_most_of_the_stack():
    limit, asked = sys.getrecursionlimit(), nested(wire.MAX_DEPTH - 3, "not")
    frames, frame = 0, sys._getframe()
    while frame is not None:
        frames, frame = frames + 1, frame.f_back  # type: ignore[assignment]
    sys.setrecursionlimit(frames + 500)
    try:
        assert wire.decode(asked).where is not None
    finally:
        sys.setrecursionlimit(limit)


def test_a_refusal_elsewhere_has_no_place():
    with pytest.raises(QueryRefused) as refused:
        design(Query(table="wages", measure=Sum(Column("nothing"))), SPEC)
    assert refused.value.place == ""
