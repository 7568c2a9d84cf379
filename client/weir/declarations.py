"""What an owner declares in public about a table: names, kinds, bounds and values. All that a question rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from weir.errors import NotOffered

EPOCH = date(1970, 1, 1)
FIRST_DAY, LAST_DAY = ((each - EPOCH).days for each in (date.min, date.max))
MOST_ROWS = 4096
"""The most rows of a person that can count in any table."""
MOST_WHOLE_GROUPS = 500
"""The most whole numbers between a column's bounds that questions can group by."""


class Kind(str, Enum):
    """What a column holds."""

    INTEGER = "integer"
    NUMBER = "number"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATE = "date"
    TEXT = "text"
    OTHER = "other"


NUMERIC = frozenset({Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN})


@dataclass(frozen=True)
class ColumnSpec:
    """The declarations of one column.

    Numbers have bounds, dates too (in days since 1970); categories and yes/no columns have their `labels`. `constant`:
    never changes for the same person. `rows_per_value`: the most rows of a person with the same value.
    """

    name: str
    kind: Kind
    lower: float = 0.0
    upper: float = 0.0
    labels: tuple[str, ...] = ()
    nullable: bool = True
    constant: bool = False
    unit: str = ""
    rows_per_value: int | None = None
    decimals: int | None = None

    @property
    def is_numeric(self) -> bool:
        return self.kind in NUMERIC

    @property
    def is_key(self) -> bool:
        """Whether each of its values is declared, in `labels`."""
        return self.kind in {Kind.CATEGORY, Kind.BOOLEAN}

    @property
    def groups(self) -> tuple[str, ...]:
        """The values that questions can group by: declared ones, or the few whole numbers between the bounds."""
        if self.is_key:
            return self.labels
        many = self.upper - self.lower + 1
        if self.kind not in {Kind.INTEGER, Kind.NUMBER} or self.lattice != 0 or many > MOST_WHOLE_GROUPS:
            return ()
        return tuple(str(int(self.lower) + k) for k in range(int(many)))

    @property
    def lattice(self) -> int | None:
        """How many decimals all values and both bounds have at most; None if that is not known."""
        places = self.decimals if self.kind == Kind.NUMBER else 0
        if places is None or not (self.is_numeric or self.kind == Kind.DATE):
            return None
        if self.kind == Kind.DATE and not FIRST_DAY <= self.lower <= self.upper <= LAST_DAY:
            return None
        return places if all(has_decimals(end, places) for end in (self.lower, self.upper)) else None

    @property
    def range_text(self) -> str:
        """Bounds or values, for people."""
        if self.labels:
            return listed(self.labels)
        if self.kind == Kind.DATE:
            return f"{day_text(self.lower)} to {day_text(self.upper)}"
        return (
            f"{self.lower:g} to {self.upper:g}{f' {self.unit}' if self.unit else ''}"
            if self.is_numeric
            else ""
        )


@dataclass(frozen=True)
class TableSpec:
    """The declarations of one table. At most `max_rows` rows of a person count, unless a question says otherwise."""

    name: str
    subject: str
    columns: Mapping[str, ColumnSpec]
    max_rows: int
    description: str = ""

    def column(self, name: str) -> ColumnSpec:
        """Return a column's declarations. Raises NotOffered with the names that there are."""
        if name in self.columns:
            return self.columns[name]
        if self.subject and name == self.subject:
            raise NotOffered(
                f"“{name}” says which person a row is about, so questions cannot read it. "
                "To count people, use count_people()."
            )
        raise NotOffered(
            f"{self.name} has no column “{str(name)[:100]}”.{nearest(str(name), self.columns)} "
            f"Its columns are {listed(self.columns)}."
        )


def table_from_json(value: Mapping[str, Any]) -> TableSpec:
    """Build a table's declarations from the portal's JSON. Fields that this version does not know are ignored."""
    person = next((each["name"] for each in value["columns"] if each.get("is_person")), "")
    person = str(value.get("person") or person)
    columns = [column_from_json(each) for each in value["columns"] if each["name"] != person]
    return TableSpec(
        name=str(value["name"]),
        subject=person,
        columns={column.name: column for column in columns},
        max_rows=min(int(value.get("rows_per_person") or 1), MOST_ROWS),
        description=str(value.get("description") or ""),
    )


def column_from_json(value: Mapping[str, Any]) -> ColumnSpec:
    """Build a column's declarations from the portal's JSON: as a budget shows them, or as the public schema does."""
    known = {kind.value for kind in Kind}
    kind_text = value.get("kind") or value.get("type")
    kind = Kind(kind_text) if kind_text in known else Kind.OTHER
    lower, upper = (
        _bound(each) for each in (value.get("bounds") or (value.get("lower"), value.get("upper")))
    )
    if kind == Kind.BOOLEAN:
        lower, upper = 0.0, 1.0
    values = value.get("values") or value.get("categories") or ()
    labels = ("0", "1") if kind == Kind.BOOLEAN else tuple(str(each) for each in values)
    return ColumnSpec(
        name=str(value["name"]),
        kind=kind,
        lower=lower,
        upper=upper,
        labels=labels,
        nullable=bool(value.get("nullable", True)),
        constant=bool(value.get("constant", False)),
        unit=str(value.get("unit") or ""),
        rows_per_value=value.get("rows_per_value"),
        decimals=value.get("decimals"),
    )


def _bound(value: object) -> float:
    """Return a bound as a number; dates come as ISO text."""
    if isinstance(value, str):
        return float((date.fromisoformat(value) - EPOCH).days)
    return float(value) if isinstance(value, int | float) else 0.0


def day_text(days: float) -> str:
    """Return the ISO date of a day since 1970."""
    return (
        date.fromordinal(EPOCH.toordinal() + int(days)).isoformat()
        if FIRST_DAY <= days <= LAST_DAY
        else f"{days:g}"
    )


def has_decimals(number: float, decimals: int) -> bool:
    """Return whether a number has at most so many decimals, and floats can tell such numbers apart."""
    largest = 2.0**53 if decimals == 0 else 2.0**50 / 10**decimals
    if not math.isfinite(number) or abs(number) > largest:
        return False
    return float(round(number * 10.0**decimals)) / 10.0**decimals == number


def listed(names: Iterable[str], most: int = 12) -> str:
    """Write names as a list, shortened."""
    every = list(names)
    return ", ".join(every[:most]) + (", …" if len(every) > most else "")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean …?" for a name that was probably misspelt, otherwise nothing."""
    import difflib  # noqa: PLC0415 -- it is needed for mistakes alone

    found = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean “{found[0]}”?" if found else ""
