"""The public declarations of a table, as plain data. Pure: nothing here can open a file."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from common import decimal_grid

EPOCH = date(1970, 1, 1)
UNITS = {"date": "days", "datetime": "seconds"}
BOUNDED = frozenset({"integer", "number", "date", "datetime"})
PLAIN = frozenset({"text", "boolean"})
"""Types of columns with neither bounds nor categories."""
OFFERED = {
    "int64": ("integer", "number", "category"),
    "double": ("number",),
    "string": ("category", "text"),
    "bool": ("boolean",),
    "date32": ("date",),
    "timestamp": ("datetime",),
}
"""The types that a column may be declared as, by the type that it is stored as."""
COUNTED = frozenset({"integer", "category", "boolean"})
"""Types for which a number of rows per value can be declared."""
MOCK_CELLS = 20_000_000
TYPE_WORDS = {
    "integer": "whole number",
    "number": "number",
    "category": "category",
    "boolean": "yes or no",
    "date": "date",
    "datetime": "date and time",
    "text": "text",
}
SUBJECT_KINDS = frozenset({"int64", "string"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSchema:
    """The declarations of one column. Bounds of dates are in days, of times in seconds, since 1970 (UTC)."""

    name: str
    type: str
    stored: str
    description: str = ""
    unit: str = ""
    is_subject: bool = False
    nullable: bool = True
    lower: float | None = None
    upper: float | None = None
    categories: tuple[str | int, ...] = ()
    rows_per_value: int | None = None
    """The most rows of one person with the same value."""
    decimals: int | None = None
    """The most decimals of its numbers, which are stored rounded to them."""
    constant: bool = False
    """The same in all rows of a person. Mock data keeps to it; answers rely on the promise alone."""

    @property
    def needs_bounds(self) -> bool:
        return self.type in BOUNDED and not self.is_subject

    @property
    def needs_categories(self) -> bool:
        return self.type == "category" and not self.is_subject

    @property
    def type_parts(self) -> dict[str, object]:
        """Whether cells may be empty and, for text, the categories. Categories that are numbers stay numbers."""
        listed = self.needs_categories and self.stored == "string"
        return {"nullable": self.nullable, **({"categories": list(self.categories)} if listed else {})}

    @property
    def type_text(self) -> str:
        return TYPE_WORDS[self.type]

    @property
    def range_text(self) -> str:
        """The bounds or categories as text for pages."""
        if self.needs_categories:
            return ", ".join(str(value) for value in self.categories)
        if self.lower is None or self.upper is None or self.is_subject:
            return ""
        return f"{bound_shown(self.type, self.lower)} to {bound_shown(self.type, self.upper)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """The declarations of one table, with the size of its mock data."""

    name: str
    columns: tuple[ColumnSchema, ...]
    description: str = ""
    mock_rows: int = 400
    rows_per_subject: int = 4
    about_people: bool = True

    @property
    def mock_cells(self) -> int:
        return self.mock_rows * len(self.columns)

    @property
    def column_types(self) -> dict[str, dict[str, object]]:
        """Return what the types of columns in submitted code depend on: the same for mock and private data."""
        return {column.name: column.type_parts for column in self.columns}

    @property
    def subject(self) -> ColumnSchema | None:
        return next((column for column in self.columns if column.is_subject), None)

    @property
    def has_repeats(self) -> bool:
        """Whether a person may have several rows."""
        return self.subject is not None and self.rows_per_subject > 1


def constants_of(tables: Iterable[TableSchema]) -> frozenset[str]:
    """Return the names of columns that are constant wherever a person may have several rows, as declared."""
    columns = [column for table in tables if table.has_repeats for column in table.columns]
    varying = {column.name for column in columns if not column.constant}
    return frozenset(column.name for column in columns) - varying


def to_json(tables: Iterable[TableSchema]) -> dict[str, Any]:
    """Return the public schema of a revision as JSON, as it is stored and shown."""
    return {"tables": [asdict(table) for table in tables]}


def from_json(value: dict[str, Any]) -> tuple[TableSchema, ...]:
    return tuple(_table(table) for table in value.get("tables", []))


def _table(value: dict[str, Any]) -> TableSchema:
    columns = [ColumnSchema(**{**each, "categories": tuple(each["categories"])}) for each in value["columns"]]
    return TableSchema(**{**value, "columns": tuple(columns)})


def bound_text(type_: str, value: float) -> str:
    """Format a bound for an input; a date that Python's calendar does not have is shown as a bare number."""
    if type_ in {"date", "datetime"}:
        try:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(**{UNITS[type_]: value})
        except OverflowError:
            return repr(value)
        if type_ == "date":
            return moment.date().isoformat()
        precise = "microseconds" if moment.microsecond else "seconds" if moment.second else "minutes"
        return moment.replace(tzinfo=None).isoformat(" ", precise)
    is_plain = float(value).is_integer() and (type_ == "integer" or abs(value) < 1e15)
    return str(int(value)) if is_plain else repr(float(value))


def bound_shown(type_: str, value: float) -> str:
    """Format a bound for reading: large numbers in groups of three digits, years as they are."""
    if type_ in {"date", "datetime"} or abs(value) < 10_000:
        return bound_text(type_, value)
    return f"{value:,.10g}"


def parse_bound(type_: str, text: str) -> float:
    """Return a written bound as a number. Raises ValueError if it cannot be parsed."""
    text = text.strip()
    if type_ == "date":
        return float((date.fromisoformat(text) - EPOCH).days)
    if type_ == "datetime":
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if type_ == "integer":
        return float(int(text))
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("A bound must be a finite number.")
    return value


def misplaced(type_: str, decimals: int | None, bound: float) -> str:
    """Return why a column cannot have this bound, or "". A bound has to be a value that the column can have."""
    if type_ == "date" and not (
        float(bound).is_integer() and decimal_grid.FIRST_DAY <= bound <= decimal_grid.LAST_DAY
    ):
        return f"it is not a date from {date.min} to {date.max}."
    if type_ != "number" or decimals is None or decimal_grid.holds(bound, decimals):
        return ""
    if abs(bound) > decimal_grid.largest(decimals):
        most = math.floor(decimal_grid.largest(decimals))
        return f"with {_decimals(decimals)}, it has to be between -{most:,} and {most:,}."
    return f"it has more than the {_decimals(decimals)} that you declare for this column."


def misplaced_bounds(column: ColumnSchema) -> list[str]:
    """List which bounds this column cannot have, and why."""
    bounds = {"lower": column.lower, "upper": column.upper}
    return [
        f"{name} bound: {why}"
        for name, bound in bounds.items()
        if bound is not None and (why := misplaced(column.type, column.decimals, bound))
    ]


def _decimals(decimals: int) -> str:
    return f"{decimals} decimal{'' if decimals == 1 else 's'}"


def gaps(table: TableSchema, confirmed: Iterable[str]) -> list[str]:
    """List what is still missing before this table can be published, as sentences for its owner."""
    known = set(confirmed)
    needs_subject = table.about_people and table.subject is None
    missing = (
        [f"{table.name}: choose the column that identifies the person a row is about."]
        if needs_subject
        else []
    )
    if table.mock_cells > MOCK_CELLS:
        most = MOCK_CELLS // len(table.columns)
        missing.append(f"{table.name}: with this many columns, choose at most {most:,} rows of mock data.")
    for column in table.columns:
        missing += [f"{table.name}.{column.name}: {gap}" for gap in _column_gaps(column, known)]
    return missing


def _column_gaps(column: ColumnSchema, confirmed: set[str]) -> list[str]:
    if column.type not in OFFERED[column.stored]:
        return ["choose a type that fits the stored values."]
    if column.is_subject and column.stored not in SUBJECT_KINDS:
        return ["only whole numbers or text can identify a person. Choose another column."]
    lacking = [
        name for name, bound in (("a lower", column.lower), ("an upper", column.upper)) if bound is None
    ]
    if column.needs_bounds and lacking:
        return [f"give {' and '.join(lacking)} bound."]
    if column.needs_bounds and (why := misplaced_bounds(column)):
        return why
    if column.needs_categories and not column.categories:
        return ["list the categories."]
    if column.name not in confirmed:
        return [f"confirm that its {_read_off(column)} may be public."]
    return []


def _read_off(column: ColumnSchema) -> str:
    """Name the declarations of a column that may have been proposed from the data."""
    if column.needs_bounds or column.needs_categories:
        return "bounds or categories"
    return "type, and whether cells may be empty,"


def carry_over(old: Sequence[ColumnSchema], new: ColumnSchema) -> ColumnSchema | None:
    """Return the earlier column with the same name and stored type, or None."""
    return next((each for each in old if each.name == new.name and each.stored == new.stored), None)
