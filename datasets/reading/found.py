"""How a file was read, as plain data: the options in force, also those that were guessed. Pure."""

from collections.abc import Mapping
from typing import Any

KINDS = ("csv", "excel", "json", "stata", "spss", "sas", "xport", "parquet")
MOST_COLUMNS = 1000
LONGEST = 128
MOST_LISTED = 200
TEXTS = ("encoding", "delimiter", "quote", "decimal", "thousands", "zone", "sheet")
TRUTHS = ("header", "trim", "labels", "number_people")
COLUMN_TEXTS = ("source", "name", "type", "format")


def from_json(value: Any) -> dict[str, Any]:
    """Validate what a parser says about how it has read a file. Raises ValueError, TypeError or KeyError."""
    if not isinstance(value, Mapping):
        raise TypeError("no mapping")
    if not value:
        return {}
    if value["kind"] not in KINDS:
        raise ValueError("an unknown kind of file")
    skip = value.get("skip", 0)
    if not isinstance(skip, int) or not 0 <= skip < 2**40:
        raise ValueError("an invalid number")
    return {
        "kind": value["kind"],
        "skip": skip,
        **{name: _text(value[name]) for name in TEXTS if name in value},
        **{name: _truth(value[name]) for name in TRUTHS if name in value},
        "missing": _texts(value.get("missing", [])),
        "sheets": _texts(value.get("sheets", [])),
        "columns": [_column(each) for each in _listed(value["columns"], MOST_COLUMNS)],
    }


def _column(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: _text(value[name]) for name in COLUMN_TEXTS},
        "leave_out": _truth(value["leave_out"]),
        "missing": _texts(value["missing"]),
    }


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or "\0" in value:
        raise ValueError("an invalid text")
    return value


def _texts(value: Any) -> list[str]:
    return [_text(each) for each in _listed(value, MOST_LISTED)]


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value


def _listed(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("an invalid list")
    return value
