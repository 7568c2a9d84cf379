"""Draw rows of a synthetic table: a public function of released numbers and of a seed. Nothing here is private.

Rows are independent. A row begins at the root of the tree; each further column follows the part of its parent, and of
the column beside that if there is one, and nothing else. Handing out exact numbers of each part in the order of the
rows would tie columns together that the model holds independent. Within a part, all values are equally frequent.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from common import decimal_grid

MAX_SYNTHETIC_ROWS = 1_000_000
Floats = npt.NDArray[np.float64]
Parts = npt.NDArray[np.int64]


def draw(table: Mapping[str, Any], rows: int, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Draw so many rows, shape (rows,) for each column, always the same for a seed.

    `table`: as in the answer. Whole numbers are masked arrays of int64, masked where a value is missing; other numbers
    are floats, NaN where missing; dates are days (datetime64[D]), NaT where missing; categories are their labels and
    yes/no is True or False, None where missing. Raises ValueError for a negative seed, or for another number of rows
    than 0 to MAX_SYNTHETIC_ROWS.
    """
    if not 0 <= rows <= MAX_SYNTHETIC_ROWS:
        raise ValueError(f"Draw 0 to {MAX_SYNTHETIC_ROWS:,} rows, not {rows:,}.")
    if seed < 0:
        raise ValueError("The seed must not be negative.")
    source = np.random.default_rng(seed)
    parts = draw_parts(table, rows, source)
    return {
        column["name"]: values_in(column, parts[place], source.random(rows))
        for place, column in enumerate(table["columns"])
    }


def draw_parts(table: Mapping[str, Any], rows: int, source: np.random.Generator) -> dict[int, Parts]:
    """Draw the part of each column, by its place. Shape (rows,) each."""
    root = table["root"]
    parts = {root: _chosen(np.array(table["shares"], dtype=np.float64), source.random(rows))}
    for step in table["tree"]:
        shares, above = np.array(step["shares"], dtype=np.float64), parts[step["parent"]]
        if step["beside"] is not None:
            above = above * shares.shape[1] + parts[step["beside"]]
        uniform, below = source.random(rows), np.empty(rows, dtype=np.int64)
        order = np.argsort(above, kind="stable")
        ends = np.searchsorted(above[order], np.arange(1, shares[..., 0].size))
        for here, each in zip(np.split(order, ends), shares.reshape(-1, shares.shape[-1]), strict=True):
            below[here] = _chosen(each, uniform[here])
        parts[step["child"]] = below
    return parts


def _chosen(shares: Floats, uniform: Floats) -> Parts:
    """Return the part at each uniform number in [0, 1): never one whose share is 0."""
    upto = np.cumsum(shares)
    found = np.searchsorted(upto, uniform * upto[-1], side="right")
    parts: Parts = np.minimum(found, np.flatnonzero(shares)[-1])
    return parts


def values_in(column: Mapping[str, Any], parts: Parts, uniform: Floats) -> npt.NDArray[Any]:
    """Return a value in each part of an answer's column, by numbers in [0, 1), as `draw` does. Shape (rows,)."""
    many = len(column["labels"]) or len(column["edges"]) - 1
    missing = parts == many
    if column["labels"]:
        known = (
            [label == "1" for label in column["labels"]] if column["kind"] == "boolean" else column["labels"]
        )
        return np.array([*known, None], dtype=object)[parts]
    place = np.minimum(parts, many - 1)
    numbers = _numbers(column, place, uniform)
    match column["kind"]:
        case "date":
            days = numbers.astype(np.int64).astype("datetime64[D]")
            return np.where(missing, np.datetime64("NaT"), days)
        case "integer":
            return np.ma.masked_array(numbers.astype(np.int64), mask=missing)
        case _:
            return np.where(missing, np.nan, numbers)


def _numbers(column: Mapping[str, Any], parts: Parts, uniform: Floats) -> Floats:
    """Return a number in each part, evenly: one of its numbers with so many decimals, or any."""
    edges, decimals = np.array(column["edges"], dtype=np.float64), column["decimals"]
    low, high = edges[:-1], edges[1:]
    if decimals is None:
        inside: Floats = np.clip(low[parts] + (high - low)[parts] * uniform, low[parts], high[parts])
        return inside
    first, last = (np.rint(ends * 10.0**decimals) for ends in (low, high))
    last[:-1] -= 1  # the last part alone includes its upper edge
    steps = np.minimum(np.floor(uniform * (last - first + 1)[parts]), (last - first)[parts])
    places: Floats = first[parts] + steps
    return decimal_grid.at(places, decimals)
