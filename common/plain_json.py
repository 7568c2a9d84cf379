"""JSON from outside, as the database can keep it."""

import json
import math
from typing import Any

DEPTH = 50
"""Levels of lists and objects within one another."""


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError also for what Python reads and Postgres does not keep."""
    try:
        value = json.loads(text)
    except RecursionError as deep:
        raise ValueError(f"it has more than {DEPTH} levels") from deep
    check(value)
    return value


def check(value: object) -> None:
    """Refuse NaN and infinity, half characters, null characters, and too many levels. Without recursion."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"it has more than {DEPTH} levels")
        for each in level:
            _check_leaf(each)
        level = [item for each in level for item in _items(each)]


def is_text(text: str) -> bool:
    """Whether every character can be written and kept: no null, no half of a pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def _check_leaf(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and infinity are no numbers in JSON")
    if isinstance(value, str) and not is_text(value):
        raise ValueError("it holds a character that is no text")


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple) else []
