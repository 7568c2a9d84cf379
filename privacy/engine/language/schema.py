"""Public declarations of a table: the only input for parsing, checking and pricing queries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from common import decimal_grid

MAX_ROWS_PER_SUBJECT = 4096
"""The most rows of a subject that can count. Tables are stored with no more of them (datasets.columns)."""

MAX_WHOLE_GROUPS = 500
"""The most whole numbers between a column's bounds that questions can group by: as many as a category can have."""

MAX_NUMBER = 1e300
"""The largest number in a question: what is twice or ten times as large is still a float."""
LARGEST_VALUE = 1e30
"""Squares and ratios of values up to this, and of widths down to its inverse, stay finite with any noise."""
MAX_TEXT = 200
"""The most characters of a name or value in a question."""


class QueryRefused(ValueError):
    """The engine does not answer this query. The message depends only on the query and on public declarations.

    `place`: where in the question's wire form the reason is, such as `query.where.parts[1].left`; empty if unknown.
    `line`: the line of the question's code, if the reason is on one.
    """

    def __init__(self, message: str, *, place: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.place, self.line = place, line


def check_text(text: str) -> None:
    """Raise QueryRefused for text that the database cannot store: NUL, or a lone surrogate."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise QueryRefused("This text contains an invalid character. Remove it.")


LISTED = 40
"""The most names that a refusal lists."""


def listed(names: Iterable[str], *, quotes: bool = False) -> str:
    """Return names as a list in a sentence, which says how many are left out."""
    every = [f"'{name[:60]}'" if quotes else name[:60] for name in names]
    more = f" and {len(every) - LISTED:,} more" if len(every) > LISTED else ""
    return ", ".join(every[:LISTED]) + more


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ` Did you mean “wage”?` if one of the names is written like this, or an empty string."""
    known = {each.casefold(): each for each in names}
    found = get_close_matches(name[:100].casefold(), known, n=1, cutoff=0.6)
    return f" Did you mean “{known[found[0]][:100]}”?" if found else ""


class Kind(StrEnum):
    """What a column holds, as far as the engine distinguishes it."""

    INTEGER = "integer"
    NUMBER = "number"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATE = "date"
    TEXT = "text"
    OTHER = "other"


NUMERIC = frozenset({Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN})
KEPT_AS_NUMBERS = NUMERIC | {Kind.DATE}
"""Kinds that are stored as numbers between bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """One column.

    Numbers and dates have bounds (dates in days since 1970), categories have their list of `labels`. `constant`: never
    changes for the same subject. `rows_per_value`: the most rows of a subject with the same value. `decimals`: the most
    decimals of a number.
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
    def lattice(self) -> int | None:
        """The number of decimals that all values and both bounds have at most.

        None if that is not declared, or if floats cannot distinguish such numbers.
        """
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
        """Whether each value is declared, in `labels`."""
        return self.kind in {Kind.CATEGORY, Kind.BOOLEAN}

    @property
    def groups(self) -> tuple[str, ...]:
        """The values that queries can group by, in order: declared ones, or all whole numbers between the bounds.

        They are public, whatever the rows hold. Empty if there are none, or more than MAX_WHOLE_GROUPS numbers. Rows
        are stored rounded and within the bounds, so each row with a value is in exactly one group.
        """
        if self.is_key:
            return self.labels
        many = self.upper - self.lower + 1
        if self.kind not in {Kind.INTEGER, Kind.NUMBER} or self.lattice != 0 or many > MAX_WHOLE_GROUPS:
            return ()
        return tuple(str(int(self.lower) + k) for k in range(int(many)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """One table. At most `max_rows` rows of a subject count (1 to 4096). Raises ValueError outside that range."""

    name: str
    subject: str
    columns: Mapping[str, ColumnSpec]
    max_rows: int

    def __post_init__(self) -> None:
        if not 1 <= self.max_rows <= MAX_ROWS_PER_SUBJECT:
            raise ValueError(f"max_rows must lie between 1 and {MAX_ROWS_PER_SUBJECT}.")

    def column(self, name: str) -> ColumnSpec:
        """Return the column of that name. Raises QueryRefused if it is not declared or identifies subjects."""
        if name == self.subject:
            raise QueryRefused(
                f"“{name}” identifies the person in each row, so questions cannot read it. Choose another column."
            )
        if name not in self.columns:
            raise QueryRefused(
                f"There is no column “{str(name)[:100]}” in {self.name}.{nearest(str(name), self.columns)} "
                f"Its columns: {listed(sorted(self.columns))}."
            )
        return self.columns[name]
