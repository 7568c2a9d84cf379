"""Reads the Table Schema of Frictionless Data: a schema, a resource, or a data package with several resources.

https://datapackage.org/standard/table-schema/
"""

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from common import plain_json
from common.errors import Refused
from datasets.codebooks.cells import type_of
from datasets.codebooks.entries import MOST_CATEGORIES, Codebook, ColumnEntry, codebook, listed

FORMAT = "Table Schema"
USED = frozenset(
    {"name", "title", "description", "type", "constraints", "categories", "missingValues", "unit", "units"}
)
CONSTRAINTS = frozenset({"minimum", "maximum", "enum", "required"})


def read(text: str, *, table: str) -> Codebook:
    """Read a schema. Raises Refused if it is none."""
    try:
        value = plain_json.loads(text)
    except ValueError as bad:
        raise Refused(f"This is not JSON that the portal reads: {bad}.") from bad
    schema = _schema(value, table)
    notes: list[str] = []
    missing = _missing(schema.get("missingValues"))
    lines = _Lines(text)
    fields = schema["fields"]
    entries = [_entry(each, lines, missing) for each in fields if _is_field(each, notes)]
    unused = sorted({key for each in fields if isinstance(each, dict) for key in each} - USED)
    if unused:
        notes.append(f"Not used of this codebook: {listed(unused)}.")
    return codebook(FORMAT, entries, notes)


def _schema(value: Any, table: str) -> dict[str, Any]:
    """Return what has the fields: the value itself, its schema, or that of the resource named like the table."""
    if isinstance(value, list):
        value = {"fields": value}
    if isinstance(value, dict) and isinstance(value.get("resources"), list):
        value = _resource([each for each in value["resources"] if isinstance(each, dict)], table)
    if isinstance(value, dict) and "fields" not in value and "schema" in value:
        value = value["schema"]
        if isinstance(value, str):
            raise Refused(f"The schema is in another file: upload {value[:100]}.")
    if not isinstance(value, dict) or not isinstance(value.get("fields"), list):
        raise Refused("This JSON is not a Table Schema: it has no list “fields”.")
    return value


def _resource(resources: list[dict[str, Any]], table: str) -> dict[str, Any]:
    names = [str(each.get("name") or each.get("path") or "") for each in resources]
    if len(resources) == 1:
        return resources[0]
    for each, name in zip(resources, names, strict=True):
        stem = PurePosixPath(str(each.get("path") or "")).name.partition(".")[0]
        if table.casefold() in {name.casefold(), stem.casefold()}:
            return each
    raise Refused(
        f"This data package describes several tables ({listed(names)}), and none is called “{table}”. Upload the "
        "schema of one table."
    )


def _is_field(value: Any, notes: list[str]) -> bool:
    if isinstance(value, dict) and isinstance(value.get("name"), str) and value["name"].strip():
        return True
    notes.append("A field without a name was not taken.")
    return False


def _entry(field: dict[str, Any], lines: "_Lines", missing: tuple[str, ...]) -> ColumnEntry:
    notes: list[str] = []
    given = field.get("constraints")
    constraints: dict[str, Any] = given if isinstance(given, dict) else {}
    if others := sorted(set(constraints) - CONSTRAINTS):
        notes.append(f"The portal has no such constraint: {listed(others)}.")
    word = _text(field.get("type"))
    type_ = "" if word in {"", "any"} else type_of(word)
    if type_ is None:
        notes.append(f"The type “{word[:60]}” is not known.")
    listed_values = field.get("categories") or constraints.get("enum") or []
    if isinstance(listed_values, dict):
        listed_values = listed_values.get("categories") or []
    values = listed_values[: MOST_CATEGORIES + 1] if isinstance(listed_values, list) else []
    if listed_values and not values:
        notes.append("Its categories are not a list.")
    required = constraints.get("required")
    own_missing = _missing(field.get("missingValues"))
    return ColumnEntry(
        name=field["name"].strip(),
        line=lines.of(field["name"]),
        type=type_ or "",
        description=_described(_text(field.get("title")), _text(field.get("description"))),
        unit=_text(field.get("unit")) or _text(field.get("units")),
        lower=_text(constraints.get("minimum")),
        upper=_text(constraints.get("maximum")),
        categories=tuple(_category(each) for each in values),
        nullable=None if not isinstance(required, bool) else not required,
        missing=own_missing or missing,
        notes=tuple(notes),
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _described(title: str, description: str) -> str:
    if not title or not description or title == description:
        return description or title
    return description if description.casefold().startswith(title.casefold()) else f"{title}: {description}"


def _category(value: Any) -> tuple[str, str]:
    if isinstance(value, dict):
        return _text(value.get("value")), _text(value.get("label"))
    return _text(value), ""


def _missing(value: Any) -> tuple[str, ...]:
    """Return the codes that mean missing, besides the empty cell."""
    given = value if isinstance(value, list) else []
    return tuple(code for each in given[:MOST_CATEGORIES] if (code := _category(each)[0]))


class _Lines:
    """Finds the line of each field: names come in the order of the text."""

    def __init__(self, text: str) -> None:
        self._found: Iterator[re.Match[str]] = re.finditer(r'"name"\s*:\s*("(?:[^"\\]|\\.)*")|\n', text)
        self._line = 1

    def of(self, name: str) -> int:
        for match in self._found:
            if match[1] is None:
                self._line += 1
            elif match[1] == json.dumps(name, ensure_ascii=False) or _is_spelt(match[1], name):
                return self._line
        return 0


def _is_spelt(written: str, name: str) -> bool:
    try:
        return bool(json.loads(written) == name)
    except ValueError:
        return False
