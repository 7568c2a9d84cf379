"""JSON from outside, limited to what Postgres can store."""

import json
import math
from typing import Any

DEPTH = 130
"""The most levels of nested lists and objects: a few more than the deepest question has."""

FAULTS = {
    "Expecting property name": "a name in double quotes is expected here",
    "Expecting value": "a value is expected here, such as a number or a text in double quotes",
    "Expecting ',' delimiter": "a comma is missing before this",
    "Expecting ':' delimiter": "a colon is missing before this",
    "Extra data": "there is more text after the end of the value",
    "Illegal trailing comma": "this comma is one too many",
    "Invalid": "a text contains a character that has to be written with a backslash, or a wrong one after a backslash",
    "Unterminated string": "the text that begins here has no closing quote",
}
"""What Python's messages say, in the words of somebody who writes JSON by hand."""


def loads(text: str | bytes) -> Any:
    """Parse a JSON text. Raises ValueError, which says where, also for what Python reads and Postgres cannot store."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as bad:
        what = next(
            (words for start, words in FAULTS.items() if bad.msg.startswith(start)), "this cannot be read"
        )
        raise ValueError(f"line {bad.lineno}, column {bad.colno}: {what}") from bad
    except RecursionError as deep:
        raise ValueError(f"it has more than {DEPTH} levels") from deep
    check(value)
    return value


def check(value: object) -> None:
    """Raise ValueError for NaN, infinity, lone surrogates, NUL characters, or too many levels. Without recursion."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"it has more than {DEPTH} levels")
        for each in level:
            _check_leaf(each)
        level = [item for each in level for item in _items(each)]


def is_text(text: str) -> bool:
    """Whether Postgres can store every character: there is neither a NUL nor a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def _check_leaf(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it contains NaN or infinity")
    if isinstance(value, str) and not is_text(value):
        raise ValueError(
            "it contains an invalid character, such as \\u0000 or one half of a pair like \\ud83d"
        )


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple) else []
