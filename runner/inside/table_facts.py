"""Facts about a table for the output checks, gathered in a sandbox without any data."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runner.inside.decode_tables import (
    MANY_ROWS,
    SHOWN_COLUMNS,
    csv_reader,
    csv_rows,
    parquet_rows,
    read,
    shown,
    type_name,
    work,
)
from runner.mentions import found as mentions_in
from runner.mentions import is_prose
from runner.plain_text import SPELLED, look_alikes, was_formula

SMALL = 1_000
"""Counts up to this are listed individually: no dataset's threshold is higher."""


def facts(data: bytes, kind: str) -> dict[str, object]:
    """Return what the output checks need to know about a table."""
    table = read(data, kind)
    texts = texts_of(table)
    text = data.decode("utf-8") if kind == "csv" else "\n".join(texts)
    here = slice(0, SHOWN_COLUMNS)
    rows = csv_rows(data, 0, MANY_ROWS, here) if kind == "csv" else parquet_rows(data, 0, MANY_ROWS, here)
    return {
        "kind": "table",
        "rows": table.num_rows,
        "columns": [column_facts(column.name, table.column(i)) for i, column in enumerate(table.schema)],
        "cells": [[beginning(value) for value in row] for row in rows],
        "formula_cells": formula_cells(data) if kind == "csv" else 0,
        "spelled": sum(1 for _ in SPELLED.finditer(text)),
        "look_alikes": look_alikes(text),
        "said": mentions_in(texts),
        "prose": sum(map(is_prose, texts)),
    }


def texts_of(table: pa.Table) -> list[str]:
    """Return all column names and distinct texts of the table."""
    texts = list(table.schema.names)
    for column in table.columns:
        if pa.types.is_string(column.type):
            texts += pc.unique(column).drop_null().to_pylist()
    return texts


def beginning(value: object) -> object:
    return f"{value['text']}…" if isinstance(value, dict) else value


def column_facts(name: str, column: pa.ChunkedArray) -> dict[str, object]:
    column = numbers_in(column)
    kind = type_name(column.type)
    found: dict[str, object] = {
        "name": beginning(shown(name)),
        "type": kind,
        "nulls": column.null_count,
        "distinct": distinct(column),
    }
    if kind in ("integer", "number"):
        found |= number_facts(column.cast(pa.float64(), safe=False).drop_null().to_numpy())
    return found


def numbers_in(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of texts as numbers if each of them is one: tables of mixed types are written as text."""
    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return column
    for pattern, kind in ((r"^-?\d{1,18}$", pa.int64()), (r"^-?\d+(\.\d*)?([eE][+-]?\d+)?$", pa.float64())):
        if pc.all(pc.match_substring_regex(column, pattern)).as_py():
            return column.cast(kind)
    return column


def distinct(column: pa.ChunkedArray) -> int:
    if pa.types.is_null(column.type):
        return 0
    return int(pc.count_distinct(column).as_py())


def number_facts(values: "np.ndarray") -> dict[str, object]:
    """Return the extremes, the small whole numbers with their counts, and the share of the two largest in the sum."""
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    low, high = float(values.min()), float(values.max())
    whole = bool((values == np.floor(values)).all())
    found: dict[str, object] = {"min": low, "max": high, "whole": whole}
    if whole and low >= 0:
        small = values[(values > 0) & (values <= SMALL)].astype(np.int64)
        times = np.bincount(small, minlength=1)
        found["small"] = [[int(value), int(times[value])] for value in np.flatnonzero(times)]
    if low >= 0 and len(values) >= 3 and values.sum() > 0:
        found["top_two_share"] = float(np.partition(values, -2)[-2:].sum() / values.sum())
    return found


def formula_cells(data: bytes) -> int:
    """Return how many cells got an apostrophe at the gate."""
    return sum(was_formula(text) for row in csv_reader(data) for text in row if text[:1] == "'")


def answer(what: str, kind: str, numbers: list[int], data: bytes) -> tuple[dict[str, object], bytes]:
    return facts(data, kind), b""


if __name__ == "__main__":
    work(answer)
