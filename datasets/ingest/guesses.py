"""Proposed declarations of a column. Pure. Nothing that is proposed becomes public before the owner confirms it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from datasets.declarations.schema import ColumnSchema, TableSchema, carry_over
from datasets.reading.outcome import ColumnRead, TableRead

FEW = 30
SUBJECT_NAMES = re.compile(
    r"(^|_)(id|nr|pid|person|patient|subject|participant|respondent|individual|member|case)(_?(id|nr|no|number))?$",
    re.IGNORECASE,
)


def propose(column: ColumnRead, earlier: TableSchema | None) -> ColumnSchema:
    """Propose the declarations of the same column in the earlier table, or a type alone."""
    fresh = ColumnSchema(
        name=column.name,
        type=_type(column),
        stored=column.stored,
        nullable=column.empty > 0,
        description=column.label,
    )
    old = carry_over(earlier.columns, fresh) if earlier else None
    return fresh if old is None else replace(old, nullable=old.nullable or fresh.nullable)


def numbered(reading: TableRead) -> str:
    """Return the name of the column in which the portal has numbered people, or ""."""
    return reading.columns[0].name if reading.found.get("number_people") else ""


def person(column: ColumnSchema, number: str) -> ColumnSchema:
    """Return a column as it is declared beside a column of numbers that the portal gave to people."""
    if column.name != number:
        return replace(column, is_subject=False)
    words = "Each row is another person. The portal has numbered them."
    return replace(column, is_subject=True, nullable=False, description=column.description or words)


def renamed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Return the new names of columns, by their names in an earlier reading of the same file."""
    names = {each["source"]: each["name"] for each in after.get("columns", [])}
    return {
        each["name"]: names[each["source"]] for each in before.get("columns", []) if each["source"] in names
    }


def _type(column: ColumnRead) -> str:
    if column.stored == "string":
        return "category" if 0 < len(column.values) <= FEW else "text"
    return {
        "double": "number",
        "int64": "integer",
        "bool": "boolean",
        "date32": "date",
        "timestamp": "datetime",
    }[column.stored]


def may_be_subject(name: str) -> bool:
    """Whether a column's name suggests that it identifies people."""
    return SUBJECT_NAMES.search(name) is not None


def table_name(file_name: str, taken: set[str]) -> str:
    """Make a table's name from the name of its file, different from those in `taken`."""
    stem = re.sub(r"[^a-z0-9]+", "_", file_name.rpartition(".")[0].lower() or file_name.lower()).strip("_")
    name = (stem if stem[:1].isalpha() else f"t_{stem}".rstrip("_"))[:50]
    return next(each for each in (name, *(f"{name}_{n}" for n in range(2, 1000))) if each not in taken)
