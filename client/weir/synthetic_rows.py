"""Draw rows of a released synthetic table: a public function of released numbers and of a seed.

The portal draws the same rows from the same seed, to the last bit: with NumPy's PCG64, one uniform number a row for
each column's part, in the order of the tree, and then one a row for each column's value, in the order of the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_ROWS = 1_000_000
Floats = npt.NDArray[np.float64]
Parts = npt.NDArray[np.int64]


def draw(table: Mapping[str, Any], rows: int, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Draw so many rows, shape (rows,) for each column.

    Whole numbers are masked arrays, other numbers floats with NaN, dates datetime64[D] with NaT, declared values
    objects with None where a value is missing; yes/no is True or False. Within a part all of its values are equally
    frequent.
    """
    source = np.random.default_rng(seed)
    parts = {table["root"]: _chosen(np.array(table["shares"], dtype=np.float64), source.random(rows))}
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
    return {
        column["name"]: _values(column, parts[place], source.random(rows))
        for place, column in enumerate(table["columns"])
    }


def frame(table: Mapping[str, Any], rows: int, seed: int) -> Any:
    """Draw rows as a DataFrame whose columns have the declared types; without pandas, as arrays."""
    found = draw(table, rows, seed)
    try:
        import pandas as pd  # noqa: PLC0415 -- optional
    except ImportError:
        return found
    return pd.DataFrame(
        {column["name"]: _typed(pd, column, found[column["name"]]) for column in table["columns"]}
    )


def _typed(pd: Any, column: Mapping[str, Any], values: npt.NDArray[Any]) -> Any:
    """Return a column with the type that it has whether or not a value is missing here."""
    kind = column["kind"]
    if kind == "category":
        return pd.Categorical(values, categories=list(column["labels"]))
    if kind == "boolean":
        return pd.array(values, dtype="boolean") if column["missing"] else values.astype(np.bool_)
    if kind == "integer":
        whole, mask = np.ma.getdata(values), np.ma.getmaskarray(values)
        return pd.arrays.IntegerArray(whole, mask) if column["missing"] else whole
    return values.astype("datetime64[ms]") if kind == "date" else values


def _chosen(shares: Floats, uniform: Floats) -> Parts:
    """Return the part at each uniform number in [0, 1): never one whose share is 0."""
    upto = np.cumsum(shares)
    found: Parts = np.searchsorted(upto, uniform * upto[-1], side="right")
    last: Parts = np.minimum(found, np.flatnonzero(shares)[-1])
    return last


def _values(column: Mapping[str, Any], parts: Parts, uniform: Floats) -> npt.NDArray[Any]:
    many = len(column["labels"]) or len(column["edges"]) - 1
    missing = parts == many
    if column["labels"]:
        known = [label == "1" if column["kind"] == "boolean" else label for label in column["labels"]]
        chosen: npt.NDArray[Any] = np.array([*known, None], dtype=object)[parts]
        return chosen
    numbers = _numbers(column, np.minimum(parts, many - 1), uniform)
    if column["kind"] == "date":
        return np.where(missing, np.datetime64("NaT"), numbers.astype(np.int64).astype("datetime64[D]"))
    if column["kind"] == "integer":
        return np.ma.masked_array(numbers.astype(np.int64), mask=missing)
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
    return np.asarray((first[parts] + steps) / 10.0**decimals + 0.0, dtype=np.float64)
