"""Undeclared values keep their delta, however many values of their own a person has.

One person alone is in the table: whatever is released is a value that only this person has. It may happen with a
probability of at most delta. Only values that somebody counts with are candidates; a person with thousands of them
counts with no more than `keys`.
"""

import numpy as np
import pytest
from scipy.stats import beta

from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.query import KeyCounts, Query
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.release import measure, table_from_columns

pytestmark = pytest.mark.statistical

RELEASES = 4000
DOUBT = 1e-3
SPEC = TableSpec(
    name="notes",
    subject="person",
    max_rows=MAX_ROWS_PER_SUBJECT,
    columns={
        "note": ColumnSpec(name="note", kind=Kind.TEXT),
        "day": ColumnSpec(name="day", kind=Kind.INTEGER, lower=0.0, upper=float(MAX_ROWS_PER_SUBJECT)),
    },
)


def notes(texts, people=1):
    """The first person has this many texts, each in a row and on a day of its own; others have no note."""
    rows = texts + people - 1
    codes = np.zeros(rows, dtype=np.int32)
    codes[:texts] = np.arange(texts)
    days = np.minimum(np.arange(rows), MAX_ROWS_PER_SUBJECT).astype(np.int32)
    columns = {
        "note": Values(codes, np.arange(rows) < texts),
        "day": Values(days, EVERYWHERE),
    }
    offsets = np.array([0, *range(texts, rows + 1)], dtype=np.int64)
    named = {"note": [f"note {k}" for k in range(texts)]}
    return table_from_columns(Rows(SPEC, columns, rows, named), offsets)


def told(measured, sigma, active=None):
    """In how many of the releases a value came out."""
    return sum(bool(measured.release(sigma, active).lines) for _ in range(RELEASES))


def at_least(hits):
    """Clopper-Pearson: the chance is no smaller."""
    return 0.0 if hits == 0 else float(beta.ppf(DOUBT, hits, RELEASES - hits + 1))


@pytest.mark.parametrize(
    ("texts", "clips", "keys", "delta"),
    [
        (1, 20, 1, 1e-2),
        (100, 20, 1, 1e-2),
        (4096, 20, 1, 1e-2),
        (4096, 20, 1, 1e-4),
        (4096, 4.22, 1, 1e-4),
        (4096, 20, 10, 1e-4),
    ],
)
def test_a_person_with_many_own_values_is_found_no_more_often_than_promised(texts, clips, keys, delta):
    query = Query(table="notes", measure=KeyCounts("note", keys))
    measured = measure(query, notes(texts), threshold_delta=delta)
    assert at_least(told(measured, round(clips * ONE))) <= delta


def test_the_promise_is_nearly_used_up():
    """So that the test above would see a threshold that is a little too low."""
    measured = measure(Query(table="notes", measure=KeyCounts("note", 1)), notes(4096), threshold_delta=0.05)
    found = told(measured, 20 * ONE)
    assert found / RELEASES > 0.025
    assert at_least(found) <= 0.05


def test_values_that_nobody_counts_with_never_come_out():
    """Those of rows that the filter drops, of people who take no part, of people beyond their number of keys."""
    data = notes(4096, people=3)
    dropped = Query(
        table="notes", measure=KeyCounts("note", 1), where=Compare("<", Column("day"), Constant(0.0))
    )
    assert told(measure(dropped, data, threshold_delta=0.09), 20 * ONE) == 0
    asked = measure(Query(table="notes", measure=KeyCounts("note", 1)), data, threshold_delta=0.09)
    assert told(asked, 20 * ONE, np.array([False, True, True])) == 0
