"""JSON from outside, limited to what Postgres can store."""

import json
import math
from typing import Any

DEPTH = 130
"""The most levels of nested lists and objects: a few more than the deepest question has."""


def loads(text: str | bytes) -> Any:
    """Parse a JSON text. Raises ValueError also for what Python can read and Postgres cannot store."""
    try:
        value = json.loads(text)
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
        raise ValueError("it contains an invalid character")


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple) else []
