"""JSON: one value per key, finite numbers, bounded."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.gates import strict_json
from runner.gates.refusal import Refusal
from runner.plain_text import composed, hidden


def refusal(text: str | bytes) -> str:
    with pytest.raises(Refusal) as refused:
        strict_json.parse(text.encode() if isinstance(text, str) else text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', "The JSON contains NaN, which JSON does not allow. Write null instead."),
        ("[Infinity]", "The JSON contains Infinity, which JSON does not allow. Write null instead."),
        ("[-Infinity]", "The JSON contains -Infinity, which JSON does not allow. Write null instead."),
        ("1e999", "The JSON contains a number that is too large."),
        ('{"a": 1, "a": 2}', "The JSON has an object with the same key twice."),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', "The JSON has an object with the same key twice."),
        ("1" * 41, "The JSON contains an integer with more than 40 digits."),
        ("9" * 5000, "The JSON contains an integer with more than 40 digits."),
        ("[" * 21 + "]" * 21, "The JSON is nested more than 20 levels deep."),
        ("[" * 100_000 + "]" * 100_000, "The JSON is nested more than 20 levels deep."),
        ('{"__proto__": {}}', "The JSON uses the reserved key __proto__."),
        (json.dumps({"k" * 1001: 1}), "The JSON has a key with more than 1,000 characters."),
        (r'["\ud800"]', "The JSON contains half of a surrogate pair, which is not a character."),
        (r'{"\udc00": 1}', "The JSON contains half of a surrogate pair, which is not a character."),
        ('{"a": 1}\n{"b": 2}', "This is not valid JSON: Extra data (line 2, column 1)."),
        (
            "{'a': 1}",
            "This is not valid JSON: Expecting property name enclosed in double quotes (line 1, column 2).",
        ),
        ("[1,]", "This is not valid JSON: Expecting value (line 1, column 4)."),
        ("[01]", "This is not valid JSON: Expecting ',' delimiter (line 1, column 3)."),
        (b'{"a": "\xe9"}', "The JSON is not valid UTF-8 (at byte 7)."),
    ],
)
def test_what_is_refused(text, reason):
    assert refusal(text) == reason


def test_what_is_just_within_the_limits():
    assert strict_json.parse(b"[" * 20 + b"]" * 20) is not None
    assert strict_json.parse(b"1" * 40) == int("1" * 40)
    assert strict_json.parse(b'"' + b"," * 2_000_000 + b'"') == "," * 2_000_000


@pytest.mark.parametrize("text", ["[" + "1," * 1_000_000 + "1]", "[" + "[]," * 500_000 + "[]]"])
def test_crowds_are_refused_before_anything_is_built(text):
    assert refusal(text) == "The JSON has more than 1,000,000 items. Save tables as CSV or Parquet."


def test_the_spelling_is_made_plain():
    assert (
        strict_json.canonical(b'{ "a" :\t\t1,\n\n"b":[ 1.50 ] }')
        == b'{\n  "a": 1,\n  "b": [\n    1.5\n  ]\n}\n'
    )
    assert strict_json.canonical('"Ämelie"'.encode()) == '"Ämelie"\n'.encode()


def test_missing_values_of_python_become_null_and_numbers_beyond_floats_are_refused():
    assert (
        strict_json.canonical(b'{"sd": NaN, "n": [Infinity, -Infinity]}')
        == b'{\n  "sd": null,\n  "n": [\n    null,\n    null\n  ]\n}\n'
    )
    with pytest.raises(Refusal, match="too large"):
        strict_json.canonical(b"[1e999]")


def test_hidden_characters_are_spelled_out():
    assert strict_json.canonical('"a\u202eb"'.encode()) == b'"a\\u202eb"\n'


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**38), 10**38)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])).map(composed),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5).map(composed), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_every_plain_value_survives(value):
    data = json.dumps(value).encode()
    again = strict_json.canonical(data)
    assert json.loads(again) == value
    assert strict_json.canonical(again) == again
    assert not hidden(again.decode())


@given(
    st.binary(max_size=200)
    | st.text(alphabet='[]{}",:0123456789.eE+-\\untrfalsNI \n', max_size=60).map(str.encode)
)
def test_anything_else_is_refused_and_nothing_raises(data):
    with contextlib.suppress(Refusal):
        value = strict_json.parse(data)
        assert not isinstance(value, float) or math.isfinite(value)
        json.dumps(value, allow_nan=False)


@pytest.mark.parametrize(
    "text",
    [
        "," * 1_000_001 + '"' + '\\"' * 3_000_000,
        "," * 1_000_001 + '"' * 3_000_001,
        "," * 1_000_001 + "\\" * 3_000_001 + '"',
    ],
    ids=["escapes", "quotes", "backslashes"],
)
def test_texts_made_to_keep_the_reader_busy_are_refused_at_once(text):
    assert refusal(text) == "The JSON has more than 1,000,000 items. Save tables as CSV or Parquet."
