"""One number per person, for quantiles over people: how many rows they have, or how large a sum.

The search sees a table with one row per person, so one person moves it by at most the weight of one row. A person's
number depends on that person's rows alone: they are rounded to whole units one by one and added as integers, because a
sum of floats would depend on where in the table its rows are.
"""

import numba as nb
import numpy as np

from privacy.engine.language.bounds import bounds
from privacy.engine.language.expressions import Column, Expression
from privacy.engine.language.query import PersonQuantiles, Quantiles
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.measure.contributions import ONE, Integers
from privacy.engine.measure.evaluate import EVERYWHERE, Bools, Rows, Values, evaluate

NUMBER = "number"
"""Name of the only column of that table."""


def as_quantiles(measure: PersonQuantiles) -> Quantiles:
    """Return the question to the table with one row per person."""
    return Quantiles(Column(NUMBER), measure.at)


def person_table(measure: PersonQuantiles, table: TableSpec) -> TableSpec:
    """Declare the table with one row per person. Raises QueryRefused, also if every person has one row anyway."""
    if table.max_rows == 1:
        raise QueryRefused(
            f"{table.name} declares at most one row per person. Ask for quantiles of a column instead."
        )
    if measure.of is None:
        column = ColumnSpec(name=NUMBER, kind=Kind.INTEGER, lower=1.0, upper=float(table.max_rows))
    else:
        most = bounds(measure.of, table).magnitude * table.max_rows
        column = ColumnSpec(name=NUMBER, kind=Kind.NUMBER, lower=0.0, upper=most)
    return TableSpec(name=table.name, subject=table.subject, columns={NUMBER: column}, max_rows=1)


def one_row_per_person(measure: PersonQuantiles, rows: Rows, offsets: Integers, kept: Bools) -> Rows:
    """Compute one row per person: the number of kept rows, or the sum of |x| over them; missing if there are none.

    `offsets` (people + 1,): rows of person i are offsets[i]:offsets[i+1]. `kept` (rows,), or empty for all.
    """
    spec = person_table(measure, rows.table)
    found = _values(measure.of, rows)
    counts, sums = (np.zeros(len(offsets) - 1, dtype=np.int64) for _ in range(2))
    largest = spec.column(NUMBER).upper / rows.table.max_rows or 1.0
    _add_up(offsets, kept, found.valid, found.numbers, ONE / largest, counts, sums)
    numbers = counts.astype(np.float64) if measure.of is None else sums * (largest / ONE)
    return Rows(spec, {NUMBER: Values(numbers, counts > 0)}, len(counts))


def _values(of: Expression | None, rows: Rows) -> Values:
    match of:
        case None:
            return Values(np.empty(0), EVERYWHERE)
        case Column(name):
            return rows.columns[name]
        case _:
            return evaluate(of, rows)


@nb.njit(cache=True, nogil=True)
def _add_up(offsets, keep, valid, x, scale, counts, sums):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Count each person's kept rows and sum their rint(|x| scale), each at most ONE; an empty x adds nothing."""
    for person in range(len(counts)):
        begin = offsets[person]
        for row in range(begin, min(offsets[person + 1], begin + MAX_ROWS_PER_SUBJECT)):
            if (len(keep) == 0 or keep[row]) and (len(valid) == 0 or valid[row]):
                counts[person] += 1
                if len(x) > 0:
                    sums[person] += min(np.int64(np.rint(abs(np.float64(x[row]) * scale))), ONE)
