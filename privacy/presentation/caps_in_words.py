"""How much of each person counts in an answer, in words shown with each figure. No function reads rows.

A count takes at most so many rows per person, a sum at most what so many rows can hold. If a person has more rows, all
of them are scaled down together; no row is picked (engine.contributions).
"""

from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import Count, CountSubjects, Mean, Query, Sum
from privacy.engine.language.schema import TableSpec
from privacy.engine.plan.caps import is_capped, rows_that_count
from privacy.engine.plan.designs import design
from privacy.presentation import learning_in_words, words

NOT_COVERED = "The interval does not cover what this leaves out."


def rows_per_person(query: Query, table: TableSpec) -> int | None:
    """Return the number of rows per person that count in full; None where the number does not matter."""
    if learning_in_words.is_learning(query):
        return None
    return rows_that_count(query, table) if is_capped(query, table) else None


def counting(query: Query, table: TableSpec) -> str:
    """Return `counting at most 4 per person`, to follow the answer's unit; empty where there is no cap."""
    if isinstance(query.measure, Fit | SyntheticTable):
        return learning_in_words.counting(query.measure)
    rows = rows_per_person(query, table)
    if rows is None:
        return ""
    match query.measure:
        case Count():
            return f"counting at most {rows:,} per person"
        case Sum():
            most = f"{words.sized(design(query, table).clip, 6, up=True)} {words.unit(query, table)}".rstrip()
            return f"counting at most {most} per person, as much as {_rows(rows)} can hold"
        case CountSubjects() | Mean(per_subject=True):
            return f"counting each person in full in up to {rows:,} group{'' if rows == 1 else 's'}"
        case _:
            return f"counting up to {_rows(rows)} per person in full"


def beyond(query: Query, table: TableSpec) -> str:
    """Return what happens to people with more rows, and what the interval then leaves out; empty where there is no
    cap."""
    rows = rows_per_person(query, table)
    if rows is None:
        return ""
    match query.measure:
        case Count() if not query.by:
            text = f"Anyone with more counts as {rows:,}."
        case Sum() if not query.by:
            text = "Anyone who adds up to more counts as that much."
        case _ if query.by:
            text = "Anyone with more may be scaled down, in all groups together."
        case _:
            text = "Anyone with more may be scaled down, all rows together."
    return f"{text} {NOT_COVERED}"


def facts(query: Query, table: TableSpec) -> dict[str, object]:
    """Return all of this as one dict, for pages, records and programs."""
    return {
        "rows_per_person": rows_per_person(query, table),
        "counting": counting(query, table),
        "beyond": beyond(query, table),
    }


def _rows(many: int) -> str:
    return f"{many:,} row{'' if many == 1 else 's'}"
