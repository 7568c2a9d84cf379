"""Mock rows as code gets the rows of a block: a DataFrame with the same columns and types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from weir.declarations import ColumnSpec, Kind, TableSpec
from weir.errors import NotOffered
from weir.evaluation import Values, holds
from weir.frames import pandas_or

if TYPE_CHECKING:
    import pandas as pd

    from weir import grammar as g
    from weir.mock.rows import Integers, MockRows

NOT_PASSED = frozenset({Kind.TEXT, Kind.OTHER})
"""What these hold is not declared, so it is as private as the rows, and code does not get it."""


def block_frame(spec: TableSpec, data: MockRows, where: g.Predicate | None = None) -> pd.DataFrame:
    """Return the mock rows that a condition keeps, at most so many of a person as the table declares.

    The column of people holds numbers from 0 on. Raises NotOffered without pandas, or for a table about nobody.
    """
    if not spec.subject:
        raise NotOffered(
            f"{spec.name} does not declare which person a row is about, so code over it cannot be answered in blocks. "
            "Submit it for review: portal.submit(dataset, …)."
        )
    pd = pandas_or("call main with a DataFrame of your own elsewhere")
    sizes = np.diff(data.offsets)
    people = np.repeat(np.arange(data.people), sizes)
    place = np.arange(len(people)) - np.repeat(data.offsets[:-1], sizes)
    kept = holds(where, data.rows)
    rows = np.flatnonzero(kept & (place < spec.max_rows))
    numbers = np.searchsorted(np.unique(people[kept]), people[rows])
    columns: dict[str, Any] = {spec.subject: numbers.astype(np.int64)}
    for name, column in spec.columns.items():
        if column.kind not in NOT_PASSED:
            columns[name] = _column(pd, column, data.rows.columns[name], rows)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _column(pd: Any, spec: ColumnSpec, found: Values, rows: Integers) -> Any:
    """Return a column with the type that is declared: it is the same whether or not a cell is empty here."""
    numbers, empty = np.asarray(found.numbers)[rows], ~found.valid[rows]
    if spec.kind == Kind.CATEGORY:
        codes = np.where(empty, -1, numbers.astype(np.int64))
        return pd.Categorical.from_codes(codes, categories=list(spec.labels))
    if spec.kind == Kind.NUMBER:
        return np.where(empty, np.nan, numbers.astype(np.float64))
    if spec.kind == Kind.DATE:
        days = numbers.astype(np.int64).astype("datetime64[D]").astype("datetime64[ms]")
        return np.where(empty, np.datetime64("NaT"), days).astype("datetime64[ms]")
    plain = numbers.astype(np.bool_ if spec.kind == Kind.BOOLEAN else np.int64)
    if not spec.nullable:
        return plain
    return (pd.arrays.BooleanArray if spec.kind == Kind.BOOLEAN else pd.arrays.IntegerArray)(plain, empty)
