"""Bins of a histogram: which one each row's value lies in, by NumPy's convention.

A value equal to an edge is in the bin that begins there; only the last bin includes its upper edge. Values below the
first edge or above the last one, and missing ones, are in none.
"""

from collections.abc import Sequence

import numpy as np

from privacy.engine.language.expressions import Expression
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
