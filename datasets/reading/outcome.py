"""The outcome of reading a file: a table with its profile for the owner, or a reason why it cannot be read."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from datasets.reading import found

MAX_COLUMNS = 1000
MAX_NAME = 128
VALUES_SHOWN = 500
VALUE_LENGTH = 80
NOTE_LENGTH = 1000
STORED = frozenset({"int64", "double", "string", "bool", "date32", "timestamp"})
REMEDIES = frozenset({"text", "leave_out"})
"""What can be done about some columns of a file, so that it can be read."""
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class Unreadable(Exception):
    """The portal cannot read the file. The text is for the owner; `remedy` contains options for a retry.

    `final`: no options would help, so the file need not be kept.
    """

    def __init__(self, why: str, /, *, final: bool = False, **remedy: object) -> None:
        super().__init__(why)
        self.remedy = remedy
        self.final = final


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRead:
    """One column as it was read. Only the owner may see more of it than name and type."""

    name: str
    stored: str
    empty: int = 0
    lowest: float | None = None
    highest: float | None = None
    distinct: int = 0
    values: tuple[str | int, ...] = ()
    """All different values, if there are few."""
    formulas: int = 0
    first_formula: int | None = None
    label: str = ""
    """What a file of a statistics program says of the column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRead:
    """A table as it was read, complete."""

    rows: int
    columns: tuple[ColumnRead, ...]
    notes: tuple[str, ...] = field(default=())
    found: Mapping[str, Any] = field(default_factory=dict)
    """How the file was read, see datasets.reading.found."""


def to_json(reading: TableRead) -> dict[str, Any]:
    return asdict(reading)


def from_json(value: dict[str, Any], *, most_rows: int) -> TableRead:
    """Validate the answer of a parser that the file may have taken over.

    Raises ValueError, TypeError or KeyError if any part is malformed.
    """
    rows = _count(value["rows"], most_rows)
    columns = tuple(_column(each, rows) for each in _listed(value["columns"], MAX_COLUMNS))
    try:
        check_names([column.name for column in columns])
    except Unreadable as bad:
        raise ValueError(str(bad)) from bad
    if not rows or not columns:
        raise ValueError("an empty table")
    notes = tuple(_text(note, NOTE_LENGTH) for note in _listed(value["notes"], 3 * MAX_COLUMNS))
    return TableRead(rows=rows, columns=columns, notes=notes, found=found.from_json(value["found"]))


def reason_from_json(value: dict[str, Any]) -> Unreadable:
    """Validate a parser's reason for not reading a file. Raises like from_json()."""
    remedy = {
        name: [_text(each, MAX_NAME) for each in _listed(columns, MAX_COLUMNS)]
        for name, columns in value["remedy"].items()
    }
    if not isinstance(value["final"], bool) or not remedy.keys() <= REMEDIES:
        raise ValueError("an invalid remedy")
    return Unreadable(_text(value["unreadable"], NOTE_LENGTH), final=value["final"], **remedy)


def _column(value: dict[str, Any], rows: int) -> ColumnRead:
    stored = value["stored"]
    if stored not in STORED:
        raise ValueError("an unknown stored type")
    whole = stored == "int64"
    first = value["first_formula"]
    return ColumnRead(
        name=_text(value["name"], MAX_NAME),
        stored=stored,
        empty=_count(value["empty"], rows),
        lowest=_number(value["lowest"]),
        highest=_number(value["highest"]),
        distinct=_count(value["distinct"], 2**40),
        values=tuple(
            _count(each, 2**63, -(2**63)) if whole else _text(each, VALUE_LENGTH)
            for each in _listed(value["values"], VALUES_SHOWN)
        ),
        formulas=_count(value["formulas"], rows),
        first_formula=None if first is None else _count(first, rows),
        label=_text(value["label"], 500),
    )


def _count(value: object, most: int, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError("an invalid count")
    return value


def _number(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("an invalid bound")
    return float(value)


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise ValueError("an invalid text")
    return value


def _listed(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("an invalid list")
    return value


def check_names(names: list[str]) -> None:
    """Raise Unreadable unless every column has a unique name that is safe in code and on pages."""
    if len(names) > MAX_COLUMNS:
        raise Unreadable(f"This file has {len(names):,} columns. Reduce them to at most {MAX_COLUMNS:,}.")
    seen: dict[str, int] = {}
    for position, name in enumerate(names, 1):
        if why := bad_name(name):
            raise Unreadable(f"The name of column {position} {why}. Choose another name.")
        alike = unicodedata.normalize("NFKC", name).casefold()
        if first := seen.get(alike):
            same = names[first - 1].casefold() == name.casefold()
            how = f"are both named “{name}”" if same else f"look alike (“{names[first - 1]}” and “{name}”)"
            raise Unreadable(f"Columns {first} and {position} {how}. Rename one of them.")
        seen[alike] = position


def bad_name(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if len(name) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters"
    if name != name.strip() or not name.isprintable():
        return "begins or ends with a space, or contains invisible characters"
    if name.startswith(("=", "+", "-", "@")):
        return "begins with a character that makes it a formula in spreadsheets"
    if any(sign in name for sign in "\"'`\\;<>{}"):
        return "contains a quote, a bracket, a semicolon or a backslash"
    return None


def too_many_rows(rows: int, most: int) -> Unreadable:
    return Unreadable(
        f"This file has {rows:,} rows. This portal takes at most {most:,} in one table. "
        "Split it into several tables, or ask an admin to allow more."
    )
