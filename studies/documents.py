"""The document of a study: what its portals have agreed on, word for word. Pure.

It is canonical JSON, so that its SHA-256 names the agreement. Numbers that may have decimals are text as Python's
`repr` writes them, the one form of each.
"""

import hashlib
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common import decimal_grid
from network import cards
from network.documents import Fields, canonical, read_canonical
from privacy.engine.language.schema import (
    LARGEST_VALUE,
    MAX_ROWS_PER_SUBJECT,
    ColumnSpec,
    Kind,
    TableSpec,
)

FEWEST_PORTALS, MOST_PORTALS = 2, 10
"""Of a study, and of a question in it."""
LONGEST_ADDRESS = 200
MOST_COLUMNS, MOST_LABELS = 40, 200
LONGEST_TITLE, LONGEST_PURPOSE, LONGEST_LABEL = 200, 2_000, 200
MOST_BYTES = 100_000
"""Of a document: written as a text of another one, it still fits into a call."""
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SUBJECT = "person"
"""The name by which questions count people. No column of a study has it."""
KINDS = (Kind.INTEGER, Kind.NUMBER, Kind.CATEGORY, Kind.BOOLEAN)
BOOLEAN_LABELS = ("0", "1")
FIELDS = ("v", "id", "name", "title", "purpose", "founder", "portals", "table")
TABLE_FIELDS = ("name", "max_rows", "columns")
COLUMN_FIELDS = ("name", "kind", "lower", "upper", "labels", "unit", "nullable", "decimals")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDocument:
    """A study as its document declares it. `table`: what its queries are checked against; no column is constant, so a
    question charges all public cells of each portal's promise."""

    id: UUID
    name: str
    title: str
    purpose: str
    founder: str
    """The address of the portal that founded it, one of `portals`."""
    portals: tuple[str, ...]
    table: TableSpec
    text: str
    """The document itself."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def write_study(  # noqa: PLR0913 -- the fields of a document
    *,
    id: UUID,  # noqa: A002 -- its name in the document
    name: str,
    title: str,
    purpose: str,
    founder: str,
    portals: Collection[str],
    table: TableSpec,
) -> str:
    """Write a study's document. Raises ValueError, a sentence, for what `read_study` would not read."""
    columns = [_written(column) for column in table.columns.values()]
    document = {
        "v": 1,
        "id": str(id),
        "name": name,
        "title": title,
        "purpose": purpose,
        "founder": founder,
        "portals": sorted(portals),
        "table": {"name": table.name, "max_rows": table.max_rows, "columns": columns},
    }
    text = canonical(document).decode()
    try:
        _read(text)
    except ValueError as bad:
        raise ValueError(f"A study cannot be declared so: {bad}.") from bad
    return text


def read_study(text: str) -> StudyDocument:
    """Read a study's document. Raises ValueError, which says in a sentence what is wrong with it."""
    try:
        return _read(text)
    except ValueError as bad:
        raise ValueError(f"The study's document cannot be read: {bad}.") from bad


def number(text: Any) -> float:
    """Read a number from the one text that `repr` writes for it. Raises ValueError."""
    if not isinstance(text, str) or len(text) > 30:
        raise ValueError("a number is not written as text, such as “1.5”")
    value = float(text)
    if repr(value) != text or not math.isfinite(value):
        raise ValueError(f"“{text}” is not a number as documents write it, such as “1.5”")
    return value


def _read(text: str) -> StudyDocument:
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes; use fewer or shorter categories")
    fields = Fields(read_canonical(text), FIELDS)
    fields.number("v", 1, 1)
    portals = fields.many("portals", address_of, FEWEST_PORTALS, MOST_PORTALS)
    founder = address_of(fields.take("founder", str))
    if list(portals) != sorted(set(portals)):
        raise ValueError("its portals are not in order, or one is there twice")
    if founder not in portals:
        raise ValueError("its founder is not one of its portals")
    return StudyDocument(
        id=id_of(fields.take("id", str)),
        name=_named(fields.take("name", str), NAME, "small letters, digits and hyphens"),
        title=fields.text("title", 1, LONGEST_TITLE),
        purpose=_lines(fields.take("purpose", str)),
        founder=founder,
        portals=portals,
        table=_table(fields.take("table", dict)),
        text=text,
    )


def _table(value: Any) -> TableSpec:
    fields = Fields(value, TABLE_FIELDS)
    columns = fields.many("columns", _column, 1, MOST_COLUMNS)
    by_name = {column.name: column for column in columns}
    if len(by_name) < len(columns):
        raise ValueError("two of its columns have the same name")
    if SUBJECT in by_name:
        raise ValueError(f"a column is called “{SUBJECT}”, by which questions count people")
    return TableSpec(
        name=_named(fields.take("name", str), TABLE_NAME, "small letters, digits and underscores"),
        subject=SUBJECT,
        columns=by_name,
        max_rows=fields.number("max_rows", 1, MAX_ROWS_PER_SUBJECT),
    )


def _column(value: Any) -> ColumnSpec:
    fields = Fields(value, COLUMN_FIELDS)
    name = fields.text("name", 1, 128)
    kind = next((each for each in KINDS if each == fields.take("kind", str)), None)
    if kind is None:
        raise ValueError(f"“{name}” is not of a kind that studies have: {', '.join(KINDS)}")
    labels = fields.many("labels", _label, 0, MOST_LABELS)
    if len(set(labels)) < len(labels) or bool(labels) != (kind == Kind.CATEGORY):
        raise ValueError(f"the categories of “{name}” are missing, repeated, or not expected")
    column = ColumnSpec(
        name=name,
        kind=kind,
        lower=number(fields.take("lower", str)),
        upper=number(fields.take("upper", str)),
        labels=BOOLEAN_LABELS if kind == Kind.BOOLEAN else labels,
        nullable=fields.take("nullable", bool),
        unit=fields.text("unit", 0, 40),
        decimals=None
        if fields.take("decimals", int | None) is None
        else fields.number("decimals", 0, decimal_grid.MOST_DECIMALS),
    )
    _check_bounds(column)
    return column


def _check_bounds(column: ColumnSpec) -> None:
    """Raise ValueError unless both bounds are values that the column could have."""
    ends = {Kind.CATEGORY: (0.0, 0.0), Kind.BOOLEAN: (0.0, 1.0)}.get(column.kind)
    bounds = column.lower, column.upper
    if (ends and bounds != ends) or max(map(abs, bounds)) > LARGEST_VALUE or column.lower > column.upper:
        raise ValueError(f"the bounds of “{column.name}” are not in order, too large, or not expected")
    if column.decimals is not None and column.kind != Kind.NUMBER:
        raise ValueError(f"“{column.name}” has decimals, but is not a number that may have any")
    if column.lattice is None and (column.kind == Kind.INTEGER or column.decimals is not None):
        raise ValueError(
            f"the bounds of “{column.name}” have more decimals than its values, or are too large"
        )


def _written(column: ColumnSpec) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": str(column.kind),
        "lower": repr(float(column.lower)),
        "upper": repr(float(column.upper)),
        "labels": list(column.labels) if column.kind == Kind.CATEGORY else [],
        "unit": column.unit,
        "nullable": column.nullable,
        "decimals": column.decimals,
    }


def address_of(value: Any) -> str:
    """Read the address of a portal. Raises ValueError."""
    if not isinstance(value, str) or len(value) > LONGEST_ADDRESS or not cards.is_address(value):
        raise ValueError("it names a portal that has no address of one")
    return value


def id_of(text: str) -> UUID:
    """Read an id in its one spelling. Raises ValueError."""
    found = UUID(text)
    if str(found) != text:
        raise ValueError("its id is not written as ids are")
    return found


def _named(text: str, form: re.Pattern[str], words: str) -> str:
    if not form.fullmatch(text):
        raise ValueError(f"“{text[:100]}” is not a name of {words} that begins with a letter")
    return text


def _label(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_LABEL or not value.isprintable():
        raise ValueError("a category is not a text, too long, or has characters that cannot be seen")
    return value


def _lines(text: str) -> str:
    if (
        not 1 <= len(text) <= LONGEST_PURPOSE
        or not text.replace("\n", " ").isprintable()
        or text != text.strip()
    ):
        raise ValueError("its purpose has the wrong length, or characters that cannot be seen")
    return text
