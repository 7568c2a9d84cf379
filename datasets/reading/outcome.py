"""What reading a file leads to: a table with what the owner needs to know of it, or a reason in words."""

from dataclasses import asdict, dataclass, field
from typing import Any

MAX_COLUMNS = 1000
MAX_NAME = 128
MAX_ROWS = 200_000_000
VALUES_SHOWN = 60
VALUE_LENGTH = 80
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class Unreadable(Exception):
    """The file is not what the portal reads. The text is for the owner; a remedy names options to try again with."""

    def __init__(self, why: str, /, **remedy: object) -> None:
        super().__init__(why)
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRead:
    """One column as it was found. Apart from name and kind all of it is for the owner's eyes only."""

    name: str
    stored: str
    empty: int = 0
    lowest: float | None = None
    highest: float | None = None
    distinct: int = 0
    values: tuple[str | int, ...] = ()
    """All different values, when there are few."""
    formulas: int = 0
    first_formula: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A table that was read to its end."""

    rows: int
    columns: tuple[ColumnRead, ...]
    source_sha256: str
    notes: tuple[str, ...] = field(default=())


def to_json(reading: Reading) -> dict[str, Any]:
    return asdict(reading)


def from_json(value: dict[str, Any]) -> Reading:
    columns = tuple(ColumnRead(**{**each, "values": tuple(each["values"])}) for each in value["columns"])
    return Reading(**{**value, "columns": columns, "notes": tuple(value["notes"])})


def check_names(names: list[str]) -> None:
    """Unreadable unless every column has a name of its own that code and pages can bear."""
    if len(names) > MAX_COLUMNS:
        raise Unreadable(f"This file has {len(names):,} columns; the most that are read is {MAX_COLUMNS:,}.")
    seen: dict[str, int] = {}
    for position, name in enumerate(names, 1):
        if why := _bad_name(name):
            raise Unreadable(f"The name of column {position} {why}. Rename it in the first line of the file.")
        if first := seen.get(name.casefold()):
            raise Unreadable(f"Columns {first} and {position} are both called “{name}”. Rename one of them.")
        seen[name.casefold()] = position


def _bad_name(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if len(name) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters"
    if name != name.strip() or not name.isprintable():
        return "begins or ends with a space, or holds characters that cannot be seen"
    if name.startswith(("=", "+", "-", "@")):
        return "begins with a sign that spreadsheets take for a formula"
    if any(sign in name for sign in "\"'`\\;<>{}"):
        return "holds a quote, a bracket, a semicolon or a backslash"
    return None
