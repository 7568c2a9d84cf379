"""Reading what comes from outside, strictly: whatever two programs could read in two ways is refused."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from weir.errors import WeirError

LONGEST_NUMBER = 400
"""Digits. Longer ones take a time that grows with their square."""
LONGEST_SHOWN = 120
HASH = 32
"""Bytes of a hash, and of a salt."""
HEX = re.compile(r"[0-9a-f]*")


class Malformed(WeirError, ValueError):
    """A text or a file does not have the form that it should have. The sentence says what is wrong."""


def parsed(content: bytes | str, what: str, *, most: int | None = None) -> Any:
    """Return the JSON of a text in UTF-8. `what`: what it is, for the sentence.

    `most`: how many characters there may be outside strings, and how many strings: small objects take far more memory
    and time than their text. Raises Malformed for more, for what is no JSON, for a name that occurs twice in an object,
    for NaN and infinities (1e999 is one), for numbers of more than `LONGEST_NUMBER` digits, and for what is nested too
    deeply.
    """
    try:
        text = content if isinstance(content, str) else content.decode()
        if most is not None and not _is_simple(text, most):
            raise Malformed(f"{what} has more parts than it can need.")
        return json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number, parse_int=_whole, parse_float=_number
        )
    except Wrong as bad:
        raise Malformed(f"{what} is not read: {bad}") from None
    except UnicodeDecodeError:
        raise Malformed(f"{what} is not text in UTF-8.") from None
    except json.JSONDecodeError as bad:
        raise Malformed(f"{what} is not JSON: {bad.msg} in line {bad.lineno}.") from None
    except RecursionError:
        raise Malformed(f"{what} is nested too deeply.") from None


def fields(found: Any, names: set[str], what: str) -> dict[str, Any]:
    """Return an object that has these fields and no others. Raises Malformed."""
    if not isinstance(found, Mapping):
        raise Malformed(f"{what} is not an object.")
    missing, unknown = sorted(names - set(found)), sorted(map(str, set(found) - names))
    if missing:
        raise Malformed(f"{what} has no “{missing[0]}”.")
    if unknown:
        raise Malformed(f"{what} has “{shown(unknown[0])}”, which this version does not know.")
    return dict(found)


def text(found: Any, what: str) -> str:
    """Return a text that UTF-8 can write. Raises Malformed."""
    if not isinstance(found, str) or not _is_unicode(found):
        raise Malformed(f"{what} is not a text.")
    return found


def whole(found: Any, most: int, what: str) -> int:
    """Return a whole number from 0 to `most`. Raises Malformed."""
    if type(found) is not int or not 0 <= found <= most:
        raise Malformed(f"{what} is not a whole number from 0 to {most}.")
    return found


def several(found: Any, most: int, what: str) -> list[Any]:
    """Return a list of at most so many things. Raises Malformed."""
    if not isinstance(found, list | tuple) or len(found) > most:
        raise Malformed(f"{what} is not a list of at most {most}.")
    return list(found)


def hash_of_hex(found: Any, what: str) -> bytes:
    """Return the bytes of a hash or a salt in 64 hex digits, of which letters are small. Raises Malformed."""
    if not isinstance(found, str) or len(found) != 2 * HASH or not HEX.fullmatch(found):
        raise Malformed(f"{what} is not {2 * HASH} hex digits.")
    return bytes.fromhex(found)


def hash_of_base64(found: Any, what: str) -> bytes:
    """Return the bytes of a hash in base64. Raises Malformed."""
    data = decoded(found) if isinstance(found, str) else b""
    if len(data) != HASH:
        raise Malformed(f"{what} is not a hash of {HASH} bytes in base64.")
    return data


def encoded(data: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(data).decode("ascii")


def decoded(text: str) -> bytes:
    """Return the bytes of a base64 text; b"" for what is none, or is written in another way than `encoded` writes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if encoded(data) == text else b""


def shown(text: object) -> str:
    """Return a text from outside as it may be printed: its beginning, without what moves a terminal's cursor."""
    found = str(text)
    short = found if len(found) <= LONGEST_SHOWN else f"{found[: LONGEST_SHOWN - 1]}…"
    return printable(short)


def printable(text: str) -> str:
    """Return a text without what moves a terminal's cursor."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Wrong(Exception):
    """Why JSON is refused while it is read."""


def _is_simple(text: str, most: int) -> bool:
    """Return whether a JSON text has at most so many strings, and characters outside them."""
    plain = text.replace("\\\\", "").replace(
        '\\"', ""
    )  # each quotation mark that is left begins or ends a string
    if plain.count('"') > 2 * most:
        return False
    return sum(map(len, plain.split('"')[::2])) <= most


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Wrong(f"“{shown(name)}” occurs twice in one object.")
        found[name] = value
    return found


def _no_number(name: str) -> Any:
    raise Wrong(f"{name} is not a number.")


def _whole(digits: str) -> int:
    return int(_short(digits))


def _number(digits: str) -> float:
    number = float(_short(digits))
    if math.isinf(number):
        raise Wrong("A number is too large.")
    return number


def _short(digits: str) -> str:
    if len(digits) > LONGEST_NUMBER:
        raise Wrong(f"A number has more than {LONGEST_NUMBER} digits.")
    return digits
