"""Strict JSON: UTF-8, finite numbers, unique keys, bounded depth and number of items."""

import json
import math
from collections.abc import Callable
from typing import NoReturn

from runner.contract import CloseCode
from runner.gates.refusal import Refusal
from runner.plain_text import composed, replaced

MAX_DEPTH = 20
MAX_ITEMS = 1_000_000
MAX_INTEGER_DIGITS = 40
MAX_KEY = 1_000
SMALL = 2**18
"""Values whose text is at most this long are indented."""
RESERVED = frozenset({"__proto__"})

TOO_LARGE = 10**MAX_INTEGER_DIGITS


def parse(data: bytes) -> object:
    """Return the value in `data`. Raises Refusal, saying what is wrong and where."""
    return _parsed(data, _refused)


def _parsed(data: bytes, constant: Callable[[str], None]) -> object:
    text = _text(data)
    _refuse_crowds(text)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=constant)
    except json.JSONDecodeError as bad:
        raise Refusal(f"This is not valid JSON: {bad.msg} (line {bad.lineno}, column {bad.colno}).") from bad
    except RecursionError as bad:
        raise Refusal(_too_deep()) from bad
    except ValueError as bad:  # Python itself refuses integers with thousands of digits
        raise Refusal(_too_long(), CloseCode.OUTPUT_TOO_BIG) from bad
    _walk(value)
    return value


def canonical(data: bytes) -> bytes:
    """Return the same value in its one canonical spelling, so that nothing hides between tokens or in characters.

    NaN and the infinities, which Python writes although JSON has none, become null.
    """
    value = _parsed(data, _null)
    text = spelling(value)
    if not text.isascii() and composed(text) != text:
        text = spelling(_composed(value))
    return text.encode("utf-8") + b"\n"


def spelling(value: object, *, wide: bool = False) -> str:
    """Return the one text of a value, with invisible characters escaped. Small values are indented; `wide` indents
    all."""
    text = "" if wide else json.dumps(value, allow_nan=False, ensure_ascii=False)
    if len(text) <= SMALL:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, indent=2)
    return replaced(text, _escaped)


def _composed(value: object) -> object:
    """Return the value with all texts composed. Two keys that then look the same count as a duplicate key."""
    if isinstance(value, str):
        return composed(value)
    if isinstance(value, list):
        return [_composed(item) for item in value]
    if isinstance(value, dict):
        return _object([(composed(key), _composed(item)) for key, item in value.items()])
    return value


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise Refusal(f"The JSON is not valid UTF-8 (at byte {bad.start:,}).") from bad


def _refuse_crowds(text: str) -> None:
    """Bound the number of items before parsing."""
    if _items(text) > MAX_ITEMS and _items(_outside_strings(text)) > MAX_ITEMS:
        raise Refusal(
            f"The JSON has more than {MAX_ITEMS:,} items. Save tables as CSV or Parquet.",
            CloseCode.OUTPUT_TOO_BIG,
        )


def _outside_strings(text: str) -> str:
    """Return the text outside strings, in linear time: a regular expression could backtrack."""
    return "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])


def _items(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Refusal("The JSON has an object with the same key twice.")
    return value


def _refused(name: str) -> NoReturn:
    raise Refusal(f"The JSON contains {name}, which JSON does not allow. Write null instead.")


def _null(name: str) -> None:
    """Return the value of a constant that JSON does not have."""


def _too_deep() -> str:
    return f"The JSON is nested more than {MAX_DEPTH} levels deep."


def _too_long() -> str:
    return f"The JSON contains an integer with more than {MAX_INTEGER_DIGITS} digits."


def _walk(value: object) -> None:
    """Check depth, keys, strings and numbers, without recursion."""
    stack: list[tuple[object, int]] = [([value], 0)]
    while stack:
        container, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise Refusal(_too_deep())
        for item in _children(container):
            if isinstance(item, float):
                _refuse_infinite(item)
            elif isinstance(item, str):
                _refuse_surrogates(item)
            elif isinstance(item, int):
                _refuse_long(item)
            elif item is not None:
                stack.append((item, depth + 1))


def _children(container: object) -> list[object]:
    if isinstance(container, dict):
        for key in container:
            _refuse_key(key)
        return list(container.values())
    return container if isinstance(container, list) else []


def _refuse_key(key: str) -> None:
    if len(key) > MAX_KEY:
        raise Refusal(f"The JSON has a key with more than {MAX_KEY:,} characters.", CloseCode.OUTPUT_TOO_BIG)
    if key in RESERVED:
        raise Refusal(f"The JSON uses the reserved key {key}.")
    _refuse_surrogates(key)


def _refuse_infinite(number: float) -> None:
    if not math.isfinite(number):
        raise Refusal("The JSON contains a number that is too large.")


def _refuse_long(number: int) -> None:
    if not -TOO_LARGE < number < TOO_LARGE:
        raise Refusal(_too_long(), CloseCode.OUTPUT_TOO_BIG)


def _refuse_surrogates(text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Refusal("The JSON contains half of a surrogate pair, which is not a character.")
