"""What is declared in public about a table: all that queries are parsed, checked and priced from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from common import decimal_grid

MAX_ROWS_PER_SUBJECT = 4096
"""Rows of a subject that can count. Tables are stored with no more of them (datasets.columns)."""


class QueryRefused(ValueError):
    """A query that the engine does not answer. The text depends on the query and on public declarations only."""


def check_text(text: str) -> None:
    """QueryRefused when a text holds what no database keeps: NUL, or half of a pair of surrogates."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise QueryRefused("This text contains an invalid character. Remove it.")


class Kind(StrEnum):
    """What a column holds, as far as the engine cares."""

    INTEGER = "integer"
    NUMBER = "number"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATE = "date"
    TEXT = "text"
    OTHER = "other"


NUMERIC = frozenset({Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN})
KEPT_AS_NUMBERS = NUMERIC | {Kind.DATE}
"""Between bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """One column. Numbers have bounds, and so have dates, in days since 1970; categories have their list. `constant`
    says it never differs within a subject, `rows_per_value` that a subject has at most so many rows for each value,
    `decimals` that numbers have at most so many."""

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
    def lattice(self) -> int | None:
        """All values are numbers with at most so many decimals, as both bounds are; None where that is not declared, or
        where floats do not tell such numbers apart."""
        places = self.decimals if self.kind == Kind.NUMBER else 0
        if places is None or self.kind not in KEPT_AS_NUMBERS:
            return None
        if (
            self.kind == Kind.DATE
            and not decimal_grid.FIRST_DAY <= self.lower <= self.upper <= decimal_grid.LAST_DAY
        ):
            return None
        return places if all(decimal_grid.holds(end, places) for end in (self.lower, self.upper)) else None

    @property
    def is_key(self) -> bool:
        """Whether one can group by it: its values are public."""
        return self.kind in {Kind.CATEGORY, Kind.BOOLEAN}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """One table. A subject has at most `max_rows` rows that count (1 to 4096)."""

    name: str
    subject: str
    columns: Mapping[str, ColumnSpec]
    max_rows: int

    def __post_init__(self) -> None:
        if not 1 <= self.max_rows <= MAX_ROWS_PER_SUBJECT:
            raise ValueError(f"max_rows must lie between 1 and {MAX_ROWS_PER_SUBJECT}.")

    def column(self, name: str) -> ColumnSpec:
        """The column of that name; QueryRefused when it is not declared or tells subjects apart."""
        if name == self.subject:
            raise QueryRefused(
                f"“{name}” identifies the person in each row, so questions cannot read it. Choose another column."
            )
        if name not in self.columns:
            known = ", ".join(sorted(self.columns)[:12]) + (", …" if len(self.columns) > 12 else "")
            raise QueryRefused(
                f"There is no column “{str(name)[:100]}” in {self.name}. Its columns: {known}."
            )
        return self.columns[name]
