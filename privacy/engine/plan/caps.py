"""Caps: how many rows of a person count in an answer, from the question and public declarations alone.

A cap sets the clip of a person's whole vector, never which rows are read. People with no more rows than the cap count
in full; people with more are scaled down to the clip. A wrong cap therefore costs accuracy, never privacy.
"""

import math
from collections.abc import Iterable, Iterator

from privacy.engine.language.expressions import Predicate
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.pinned import values_left
from privacy.engine.language.query import CountSubjects, KeyCounts, Mean, PersonQuantiles, Query
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, QueryRefused, TableSpec


def rows_that_count(query: Query, table: TableSpec) -> int:
    """Return how many rows of a person count in full.

    That is the number in the question; otherwise the number declared for the table, or for the rows that the filter
    keeps if that is smaller. Raises QueryRefused if the number in the question is not allowed.
    """
    if query.rows is not None and isinstance(query.measure, PersonQuantiles):
        raise QueryRefused("This question uses all rows of each person. Remove the limit on rows per person.")
    if isinstance(query.measure, SyntheticTable):
        if query.rows is not None:
            raise QueryRefused(
                "Each person counts with one row in a synthetic table. Remove the limit on rows per person.",
                place="query.rows",
            )
        return 1
    if query.rows is None:
        return min([table.max_rows, *_kept_by(query.where, table)])
    if not 1 <= query.rows <= MAX_ROWS_PER_SUBJECT:
        raise QueryRefused(
            f"The number of rows that count per person must be between 1 and {MAX_ROWS_PER_SUBJECT:,}. "
            f"The table declares {table.max_rows:,}.",
            place="query.rows",
        )
    return query.rows


def _kept_by(where: Predicate | None, table: TableSpec) -> Iterator[int]:
    """Yield, for each column with declared rows per value, the most rows of a person that can pass the filter."""
    for spec in table.columns.values():
        if spec.rows_per_value is not None and (values := values_left(where, spec)) is not None:
            yield max(1, spec.rows_per_value * values)


def groups_of_a_person(by: Iterable[str], table: TableSpec) -> int:
    """Return how many groups one person can be in. Columns that never change for the same person add none."""
    varying = [spec for name in by if not (spec := table.column(name)).constant]
    return math.prod(len(spec.groups) for spec in varying)


def is_capped(query: Query, table: TableSpec) -> bool:
    """Return whether some people may have too many rows to count in full."""
    match query.measure:
        case KeyCounts() | PersonQuantiles() | SyntheticTable():
            return False
        case CountSubjects() | Mean(per_subject=True):
            return groups_of_a_person(query.by, table) > rows_that_count(query, table)
        case _:
            return True
