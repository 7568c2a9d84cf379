"""Proposals that make a question cheaper, from the question and public declarations alone. No function reads rows.

Noise grows with the clip, so for the same error the price grows with its square: comparing the clips of two designs
shows how much is saved.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from privacy.engine.language import sql_text
from privacy.engine.language.bounds import bounds
from privacy.engine.language.expressions import Clip, Column, Expression
from privacy.engine.language.query import Count, CountSubjects, Histogram, Query, Sum
from privacy.engine.language.schema import ColumnSpec, TableSpec
from privacy.engine.measure.evaluate import Bools
from privacy.engine.plan.caps import is_capped, rows_that_count
from privacy.engine.plan.designs import Design, design
from privacy.presentation.expressions_in_words import grouped

MOST = 3
WORTH = 2.0
"""Smallest factor saved that is worth a proposal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Another question that costs less. `saves`: the factor, for the same error."""

    name: str
    words: str
    means: str
    query: Query
    saves: float


def proposals(query: Query, plan: Design, table: TableSpec) -> list[Proposal]:
    """Return the proposals worth making, the largest saving first. `plan`: the query's own design."""
    found = [
        Proposal(name=name, words=words, means=means, query=other, saves=saved(plan, design(other, table)))
        for name, words, means, other in _others(query, table)
    ]
    worth = [each for each in found if each.saves >= WORTH]
    return sorted(worth, key=lambda each: -each.saves)[:MOST]


def saved(plan: Design, other: Design) -> float:
    """Return the factor by which the other design is cheaper for the same error."""
    return (plan.clip / other.clip) ** 2


def applied(name: str, query: Query, table: TableSpec) -> Query:
    """Return the question with the proposal of that name applied, or unchanged when there is none."""
    found = proposals(query, design(query, table), table)
    return next((each.query for each in found if each.name == name), query)


def is_absolute(query: Query) -> bool:
    """Return whether its error is its noise alone. The error of a mean or another ratio grows as fewer rows count, so a
    smaller clip saves nothing."""
    return isinstance(query.measure, Count | CountSubjects | Sum | Histogram)


def pinning(query: Query, table: TableSpec) -> Iterator[tuple[ColumnSpec, float]]:
    """Yield columns where a condition on one value would lower the counted rows per person, with the factor saved."""
    if query.rows is not None or not is_absolute(query) or not is_capped(query, table):
        return
    rows = rows_that_count(query, table)
    for spec in table.columns.values():
        if spec.rows_per_value is not None:
            one = design(replace(query, rows=min(rows, spec.rows_per_value)), table)
            if (less := saved(design(query, table), one)) >= WORTH:
                yield spec, less


def kept_apart(query: Query, cells: Bools, table: TableSpec) -> str:
    """Return a column on which a condition would charge only some of the people; empty when the question already has
    such a condition, or no column qualifies."""
    if not cells.all():
        return ""
    fixed = (spec for spec in table.columns.values() if spec.constant and len(spec.labels) >= WORTH)
    return next((spec.name for spec in fixed if spec.name not in query.by), "")


def _others(query: Query, table: TableSpec) -> Iterator[tuple[str, str, str, Query]]:
    measure = query.measure
    if isinstance(measure, Count):
        yield "people", "Count people instead of rows", "", replace(query, measure=CountSubjects(), rows=None)
    # Ungrouped, a count of one row of each person is the count of people.
    if is_absolute(query) and is_capped(query, table) and (query.by or not isinstance(measure, Count)):
        yield from _one_row(query, table)
    if isinstance(measure, Sum) and isinstance(measure.of, Column):
        yield from _tighter(query, measure.of, table)


def _one_row(query: Query, table: TableSpec) -> Iterator[tuple[str, str, str, Query]]:
    if rows_that_count(query, table) > 1:
        people = isinstance(query.measure, CountSubjects) or getattr(query.measure, "per_subject", False)
        one = "Count each person in one group" if people else "Count one row per person"
        means = "Loses nothing if nobody has more; anyone who has more is scaled down."
        yield "rows", one, means, replace(query, rows=1)


def _tighter(query: Query, of: Column, table: TableSpec) -> Iterator[tuple[str, str, str, Query]]:
    """Return the sum with the column limited to half of the bound farthest from 0."""
    interval = bounds(of, table)
    limit = interval.magnitude / 2
    cut: Expression = of
    if interval.lower < -limit:
        cut = Clip(cut, -limit, sql_text.WIDE)
    if interval.upper > limit:
        cut = Clip(cut, -sql_text.WIDE, limit)
    shown = grouped(limit)
    yield (
        "limit",
        f"Limit {of.name} to {'±' if interval.lower < -limit else ''}{shown}",
        "Values beyond the limit count as the limit. Choose another one in the SQL.",
        replace(query, measure=Sum(cut)),
    )
