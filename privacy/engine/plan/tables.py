"""Synthetic tables: the parts that the values of each column fall into, and what is counted, from declarations alone.

A part is a declared value, a whole number (or a number with few decimals) by itself if the column has at most `bins` of
them, otherwise one of `bins` equal parts of the bounds; one more stands for a missing value.

Two passes count people. The first counts the parts of every column and of every pair of columns, the second counts the
chosen pairs again. A person is in one cell of each table, so that a vector of weights w over k tables has the norm
sqrt(sum w^2), whatever the person's row holds.
"""

import math
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import combinations

from common import decimal_grid
from privacy.engine.language.learning import MAX_SYNTHETIC_BINS, MAX_SYNTHETIC_COLUMNS, SyntheticTable
from privacy.engine.language.query import Query
from privacy.engine.language.schema import Kind, QueryRefused, TableSpec, listed, nearest
from privacy.engine.language.sql_text import number
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.tables import Pair

FIRST, SECOND = 7, 13
"""Each pass has noise as small as that of so many releases: .10 + .25 of mu^2 for the first, .65 for the second."""
TABLE_RELEASES = FIRST + SECOND
MAX_TABLE_CELLS = 120_000
"""Cells of all pairs together. Noise is drawn for each of them, at about 12 microseconds."""
FOCUS = 3
"""How many times a pair with the focus counts when the pairs are chosen."""
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnParts:
    """The parts of a column. `labels`: declared values; otherwise `edges` of the parts of a number.

    Part k holds the values from edges[k] up to, but not including, edges[k + 1]; the last one includes its upper edge.
    `decimals`: of its numbers, None for any. `missing`: whether the last part stands for a missing value.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    decimals: int | None = None
    missing: bool
    unit: str = ""

    @property
    def values(self) -> int:
        """The number of parts without that for a missing value."""
        return len(self.labels) or len(self.edges) - 1

    @property
    def many(self) -> int:
        return self.values + self.missing

    @property
    def words(self) -> tuple[str, ...]:
        """Each part in words: `17 to 22`, with both ends if values have few decimals."""
        parts = self.labels or tuple(self._between(k) for k in range(self.values))
        return (*parts, "missing") if self.missing else parts

    def _between(self, part: int) -> str:
        low, high = self.edges[part : part + 2]
        if self.decimals is not None and part < self.values - 1:
            high = decimal_grid.at(float(decimal_grid.place(high, self.decimals) - 1), self.decimals)
        first, last = (self._word(end) for end in (low, high))
        return first if first == last else f"{first} to {last}"

    def _word(self, value: float) -> str:
        return date.fromordinal(EPOCH + int(value)).isoformat() if self.kind == Kind.DATE else number(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """What is counted for a synthetic table. `focus`: the place of a column, None for none."""

    columns: tuple[ColumnParts, ...]
    focus: int | None

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(column.many for column in self.columns)

    @property
    def singles(self) -> tuple[Pair, ...]:
        return tuple((column, None) for column in range(len(self.columns)))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(combinations(range(len(self.columns)), 2))

    @property
    def cells(self) -> int:
        """The cells of all pairs."""
        return sum(one * other for one, other in combinations(self.sizes, 2))

    @property
    def weights(self) -> tuple[int, int]:
        """What a person adds to each single column and to each pair in the first pass, in units.

        columns * single^2 + pairs * pair^2 <= ONE^2, exactly: 2/7 of it for columns, 5/7 for pairs.
        """
        if not self.pairs:
            return ONE, 0
        single = math.isqrt(2 * ONE * ONE // (7 * len(self.columns)))
        return single, math.isqrt(5 * ONE * ONE // (7 * len(self.pairs)))

    @staticmethod
    def again(tables: int) -> int:
        """Return what a person adds to each of so many tables in the second pass: tables * again^2 <= ONE^2."""
        return math.isqrt(ONE * ONE // tables)


def design_table(query: Query, measure: SyntheticTable, table: TableSpec) -> TablePlan:
    """Check a question for a synthetic table and plan it. Raises QueryRefused with the reason; reads no rows."""
    if query.by:
        raise QueryRefused(
            "A synthetic table cannot be grouped. Add the column to its columns instead.", place="query.by"
        )
    names = measure.columns
    if not 1 <= len(names) <= MAX_SYNTHETIC_COLUMNS:
        raise QueryRefused(
            f"A synthetic table has 1 to {MAX_SYNTHETIC_COLUMNS} columns, not {len(names):,}.",
            place="query.measure.columns",
        )
    if len(set(names)) != len(names):
        raise QueryRefused("Name each column of a synthetic table once.", place="query.measure.columns")
    if not 2 <= measure.bins <= MAX_SYNTHETIC_BINS:
        raise QueryRefused(f"A number has 2 to {MAX_SYNTHETIC_BINS} parts.", place="query.measure.bins")
    if measure.focus is not None and measure.focus not in names:
        raise QueryRefused(
            f"“{measure.focus[:100]}” is not a column of this synthetic table.{nearest(measure.focus, names)} "
            f"Its columns: {listed(names)}.",
            place="query.measure.focus",
        )
    plan = TablePlan(
        columns=tuple(
            _parts(table, name, measure.bins, f"query.measure.columns[{place}]")
            for place, name in enumerate(names)
        ),
        focus=None if measure.focus is None else names.index(measure.focus),
    )
    if plan.cells > MAX_TABLE_CELLS:
        raise QueryRefused(
            f"The pairs of these columns have {plan.cells:,} cells, and at most {MAX_TABLE_CELLS:,} can be counted. "
            "Use fewer columns, columns with fewer values, or fewer parts.",
            place="query.measure.columns",
        )
    return plan


def _parts(table: TableSpec, name: str, bins: int, place: str) -> ColumnParts:
    try:
        spec = table.column(name)
    except QueryRefused as why:
        raise QueryRefused(str(why), place=place) from why
    known = partial(ColumnParts, name=name, kind=spec.kind, missing=spec.nullable, unit=spec.unit)
    if spec.is_key and spec.labels:
        return known(labels=spec.labels)
    if spec.kind not in {Kind.INTEGER, Kind.NUMBER, Kind.DATE}:
        what = (
            "text without declared values" if spec.kind in {Kind.TEXT, Kind.CATEGORY} else "dates with times"
        )
        raise QueryRefused(
            f"“{name}” holds {what}, which a synthetic table cannot have. Leave it out.", place=place
        )
    if spec.kind == Kind.NUMBER and spec.lattice is None:
        width = spec.upper - spec.lower
        inner = [min(spec.lower + width * (part / bins), spec.upper) for part in range(bins)]
        edges = (*inner, spec.upper) if width > 0 else (spec.lower, spec.upper)
        return known(edges=edges)
    decimals = spec.lattice or 0
    first, last = _places(spec.kind, spec.lower, spec.upper, decimals)
    if first > last:
        raise QueryRefused(
            f"There is no {'day' if spec.kind == Kind.DATE else 'whole number'} between the bounds of “{name}”.",
            place=place,
        )
    values = last - first + 1
    parts = min(values, bins)
    starts = [first + -(-part * values // parts) for part in range(parts)]
    edges = tuple(decimal_grid.at(float(start), decimals) for start in (*starts, last))
    return known(edges=edges, decimals=decimals)


def _places(kind: Kind, lower: float, upper: float, decimals: int) -> tuple[int, int]:
    """Return the first and the last place between the bounds."""
    if kind == Kind.NUMBER:
        return decimal_grid.place(lower, decimals), decimal_grid.place(upper, decimals)
    first, last = math.ceil(lower), math.floor(upper)
    if kind == Kind.DATE:
        first, last = max(first, decimal_grid.FIRST_DAY), min(last, decimal_grid.LAST_DAY)
    return first, last
