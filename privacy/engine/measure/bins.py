"""Which bin of a histogram, or which group of a group-by, each row is in.

Bins follow NumPy's convention: a value equal to an edge is in the bin that begins there; only the last bin includes its
upper edge. Values below the first edge or above the last one, and missing ones, are in none.
"""

from collections.abc import Sequence

import numpy as np

from privacy.engine.language.expressions import Expression
from privacy.engine.measure.contributions import Codes
from privacy.engine.measure.evaluate import PART, Rows, Values, evaluate


def bins_of(of: Expression, edges: Sequence[float], rows: Rows) -> Values:
    """Return the number of each row's bin, 0 if it is in none, and whether it is in one. Shapes (rows,)."""
    bins = np.zeros(rows.length, dtype=np.int16)
    inside = np.empty(rows.length, dtype=np.bool_)
    for begin in range(0, rows.length, PART):
        part = slice(begin, min(begin + PART, rows.length))
        values = evaluate(of, rows.part(part.start, part.stop))
        x = values.numbers
        inside[part] = values.valid & (x >= edges[0]) & (x <= edges[-1])
        found = np.minimum(np.searchsorted(edges, x, side="right") - 1, len(edges) - 2)
        bins[part] = np.where(inside[part], found, 0)
    return Values(bins, inside)


def equal_parts(of: Expression, middle: float, half: float, many: int, rows: Rows) -> Codes:
    """Return which of the equal parts of the bounds each row's value lies in, -1 if it is missing. Shape (rows,)."""
    values = evaluate(of, rows)
    position = np.floor((values.numbers - (middle - half)) * (many / (2 * half)))
    return np.where(values.valid, np.clip(position, 0, many - 1), -1).astype(np.int32)


def codes_of(stored: Values, first: int, many: int) -> Values:
    """Return which of a key's `many` values each row has, by its place, and whether it has one.

    `first`: the number that is stored for the first value; the others follow in steps of 1, as declared values and
    whole numbers do. Numbers beyond them count as the nearest, as they do everywhere else. Shapes (rows,).
    """
    # Codes and numbers that begin at 0 are stored within their bounds, which is checked when a table is opened.
    if first == 0 and stored.numbers.dtype.kind == "i":
        return stored
    codes = stored.numbers.astype(np.int64) - first
    return Values(np.clip(codes, 0, many - 1).astype(np.int16), stored.valid)
