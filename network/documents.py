"""What portals say to each other, as JSON: objects, lists, texts, integers, true, false and null. No other numbers.

The canonical form has sorted names, no spaces, and ASCII only, so that whoever writes the same document signs the same
bytes.
"""

import base64
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from common import plain_json

T = TypeVar("T")
MOST = 2**63 - 1
"""The largest integer, and the smallest if it is negative."""
DEPTH = 32


def canonical(document: Mapping[str, Any]) -> bytes:
    """Write a document. Raises ValueError for what `read` would not read."""
    try:
        _check(document)
        return _written(document)
    except TypeError as bad:
        raise ValueError(f"a document cannot contain this: {bad}") from bad


def read(text: bytes | str) -> dict[str, Any]:
    """Read a document. Raises ValueError, which says what is wrong with it."""
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except RecursionError as deep:
        raise ValueError(f"it has more than {DEPTH} levels") from deep
    if not isinstance(document, dict):
        raise ValueError("it is not an object")
    _check(document)
    return document


def read_canonical(text: str) -> dict[str, Any]:
    """Read a document in its canonical form alone. Raises ValueError."""
    document = read(text)
    if _written(document) != text.encode(errors="replace"):
        raise ValueError("it is not written in the canonical form")
    return document


def encoded(data: bytes) -> str:
    """Return bytes as a document holds them: in base64."""
    return base64.b64encode(data).decode("ascii")


class Fields:
    """An object with a closed list of names, read one by one. Every method raises ValueError."""

    def __init__(self, value: Any, names: Collection[str]) -> None:
        if not isinstance(value, Mapping) or set(value) != set(names):
            raise ValueError(f"a part of it has to have the fields {', '.join(sorted(names))}, and no others")
        self._value = value

    def take(self, name: str, kind: Any) -> Any:
        """Return a value of this type. A truth value is no integer."""
        value = self._value[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"its field “{name}” has the wrong type")
        return value

    def number(self, name: str, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        value = int(self.take(name, int))
        if not low <= value <= high:
            raise ValueError(f"its field “{name}” is not between {low} and {high}")
        return value

    def text(self, name: str, shortest: int, longest: int) -> str:
        """Return a line of text without control characters, or spaces around it."""
        value = str(self.take(name, str))
        if not shortest <= len(value) <= longest or not value.isprintable() or value != value.strip():
            raise ValueError(f"its field “{name}” has the wrong length, or characters that cannot be seen")
        return value

    def octets(self, name: str, length: int) -> bytes:
        """Return bytes of this length, from their one form in base64."""
        text = self.take(name, str)
        try:
            value = base64.b64decode(text, validate=True)
        except ValueError as bad:
            raise ValueError(f"its field “{name}” is not base64") from bad
        if len(value) != length or encoded(value) != text:
            raise ValueError(f"its field “{name}” is not base64 of {length} bytes")
        return value

    def many(self, name: str, each: Callable[[Any], T], fewest: int, most: int) -> tuple[T, ...]:
        """Return a list of `fewest` to `most` parts, each read by `each`."""
        values = self.take(name, list)
        if not fewest <= len(values) <= most:
            raise ValueError(f"its field “{name}” has not between {fewest} and {most} parts")
        return tuple(map(each, values))


def _written(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it names something twice")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"it contains {text[:20]}, and only integers are read")


def _check(value: object) -> None:
    plain_json.check(value)
    level: list[object] = [value]
    for _ in range(DEPTH):
        for each in level:
            _check_leaf(each)
        level = [item for each in level for item in _items(each)]
        if not level:
            return
    raise ValueError(f"it has more than {DEPTH} levels")


def _check_leaf(value: object) -> None:
    if isinstance(value, float):
        raise ValueError(f"it contains {value}, and only integers are read")
    if isinstance(value, int) and not -MOST <= value <= MOST:
        raise ValueError("it contains an integer that is too large")
    if isinstance(value, Mapping) and not all(isinstance(name, str) for name in value):
        raise ValueError("it contains a name that is no text")


def _items(value: object) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
