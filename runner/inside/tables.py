"""Read one table and write what is asked about it, in a sandbox that holds no data.

The first argument says what: `rewrite` (a Parquet file anew), `preview` or `facts`; the second the file's type; the
third the row from which on a preview begins.
"""

import csv
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

MAX_COLUMNS = 1_000
MAX_ROWS = 5_000_000
MAX_CELLS = 50_000_000
MAX_DECODED = 512 * 2**20
BATCH_ROWS = 8_192
SHOWN_ROWS = 500
SHOWN_COLUMNS = 100
SHOWN_CHARACTERS = 300
SHOWN_TEXT = 2_000_000
"""All cells of a preview together have at most so many characters."""
SMALL = 1_000
"""Counts up to this one are listed one by one: no dataset's threshold is higher."""


class Refused(Exception):
    """The file does not come out, for this reason."""


class TooBig(Refused):
    """It is too large in one respect."""


def is_plain(kind: pa.DataType) -> bool:
    """Whether a person can look at cells of this type: numbers, text, dates and yes or no."""
    if pa.types.is_dictionary(kind):
        return is_plain(kind.value_type)
    tests: tuple[Callable[[pa.DataType], bool], ...] = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_temporal,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def opened(data: bytes) -> pq.ParquetFile:
    """The file, once its own description of itself keeps to the limits."""
    try:
        file = pq.ParquetFile(
            pa.BufferReader(data), thrift_string_size_limit=16 * 2**20, thrift_container_size_limit=1_000_000
        )
    except (pa.ArrowException, OSError, ValueError) as bad:
        raise Refused("The Parquet file is malformed.") from bad
    rows, columns = file.metadata.num_rows, file.metadata.num_columns
    if columns > MAX_COLUMNS:
        raise TooBig(f"The table has {columns:,} columns; {MAX_COLUMNS:,} is the limit.")
    if columns == 0:
        raise Refused("The table has no columns.")
    if rows > MAX_ROWS or rows * columns > MAX_CELLS:
        raise TooBig(
            f"The table claims {rows:,} rows and {columns:,} columns; "
            f"{MAX_ROWS:,} rows and {MAX_CELLS:,} cells are the limit."
        )
    if sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)) > MAX_DECODED:
        raise TooBig(f"The table unpacks to more than {MAX_DECODED // 2**20} MB.")
    check_columns(file.schema_arrow)
    return file


def check_columns(schema: pa.Schema) -> None:
    for column in schema:
        if not is_plain(column.type):
            name = "".join(c if c.isprintable() else "?" for c in column.name[:60])
            raise Refused(
                f"The column {name!r} holds {str(column.type)[:60]}; "
                "a table that comes out holds numbers, text, dates, and yes or no."
            )
        if len(column.name) > 200:
            raise Refused("A column has a name of more than 200 characters.")


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The columns by name and type alone; text that some libraries store in pieces becomes ordinary text."""
    return pa.schema([pa.field(column.name, plain_type(column.type)) for column in schema])


def plain_type(kind: pa.DataType) -> pa.DataType:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_string_view(value) else kind


def as_plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """The rows piece by piece, refused as soon as they grow beyond what the file may unpack to."""
    decoded, schema = 0, plain_schema(file.schema_arrow)
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            decoded += batch.nbytes
            if decoded > MAX_DECODED:
                raise TooBig(f"The table unpacks to more than {MAX_DECODED // 2**20} MB.")
            yield as_plain(batch, schema)
    except MemoryError as bad:
        raise TooBig("Reading the table needs too much memory.") from bad
    except (pa.ArrowException, OSError, ValueError) as bad:
        raise Refused("The Parquet file is malformed.") from bad


def rewritten(data: bytes) -> tuple[dict[str, object], bytes]:
    """The table's cells in a new file without any of the old one's other content."""
    file = opened(data)
    schema = plain_schema(file.schema_arrow)
    out, rows = io.BytesIO(), 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in batches(file):
            batch.validate(full=True)
            writer.write_batch(batch)
            rows += batch.num_rows
    return {"rows": rows, "columns": len(schema)}, out.getvalue()


def read(data: bytes, kind: str) -> pa.Table:
    if kind == "parquet":
        file = opened(data)
        return pa.Table.from_batches(list(batches(file)), schema=plain_schema(file.schema_arrow))
    return pacsv.read_csv(
        pa.BufferReader(data),
        read_options=pacsv.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
    )


def type_name(kind: pa.DataType) -> str:
    """A column's type in words that a person uses."""
    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    names: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "number"),
        (pa.types.is_decimal, "number"),
        (pa.types.is_date, "date"),
        (pa.types.is_timestamp, "datetime"),
        (pa.types.is_time, "time"),
        (pa.types.is_duration, "duration"),
        (pa.types.is_null, "empty"),
    )
    return next((name for test, name in names if test(kind)), "text")


def preview(data: bytes, kind: str, start: int) -> dict[str, object]:
    """Some rows from `start` on, their first columns as plain values, and how many there are."""
    table = read(data, kind)
    columns = [
        {"name": shown(column.name), "type": type_name(column.type)}
        for column in list(table.schema)[:SHOWN_COLUMNS]
    ]
    rows = csv_rows(data, start) if kind == "csv" else parquet_rows(table, start)
    return {
        "kind": "table",
        "columns": columns,
        "rows": rows,
        "total_rows": table.num_rows,
        "total_columns": table.num_columns,
    }


def csv_rows(data: bytes, start: int) -> list[list[object]]:
    """Some rows as they are written, whatever type their column seems to have."""
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    limit = cell_limit(SHOWN_ROWS * min(len(next(reader)), SHOWN_COLUMNS))
    return [
        [shown(cell, limit) for cell in row[:SHOWN_COLUMNS]]
        for row in islice(reader, start, start + SHOWN_ROWS)
    ]


def parquet_rows(table: pa.Table, start: int) -> list[list[object]]:
    head = table.slice(start, SHOWN_ROWS)
    width = min(SHOWN_COLUMNS, head.num_columns)
    limit = cell_limit(head.num_rows * width)
    columns = [plain_values(head.column(i), limit) for i in range(width)]
    return [list(row) for row in zip(*columns, strict=True)]


def plain_values(column: pa.ChunkedArray, limit: int) -> list[object]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_duration(column.type):
        return list(column.cast(pa.int64()).to_pylist())
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.int64()).cast(pa.timestamp(column.type.unit))  # in UTC, as it is stored
        return [None if text is None else f"{text}Z" for text in column.cast(pa.string()).to_pylist()]
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    return [plain(value, limit) for value in column.to_pylist()]


def plain(value: object, limit: int) -> object:
    """A cell as JSON has it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return shown(str(value), limit)


def shown(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A text as a page may show it: cut, with a mark for each character that is not seen."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return (
        cut if cut.isprintable() else "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in cut)
    )


def cell_limit(cells: int) -> int:
    return max(20, min(SHOWN_CHARACTERS, SHOWN_TEXT // max(cells, 1)))


def facts(data: bytes, kind: str) -> dict[str, object]:
    """What the checks of an output need to know of a table."""
    table = read(data, kind)
    return {
        "kind": "table",
        "rows": table.num_rows,
        "columns": [column_facts(column.name, table.column(i)) for i, column in enumerate(table.schema)],
        "cells": csv_rows(data, 0) if kind == "csv" else parquet_rows(table, 0),
        "formula_cells": formula_cells(data) if kind == "csv" else 0,
    }


def column_facts(name: str, column: pa.ChunkedArray) -> dict[str, object]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = type_name(column.type)
    found: dict[str, object] = {
        "name": shown(name),
        "type": kind,
        "nulls": column.null_count,
        "distinct": distinct(column),
    }
    if kind in ("integer", "number"):
        found |= number_facts(column.cast(pa.float64(), safe=False).drop_null().to_numpy())
    return found


def distinct(column: pa.ChunkedArray) -> int:
    if pa.types.is_null(column.type):
        return 0
    return int(pc.count_distinct(column).as_py())


def number_facts(values: "np.ndarray") -> dict[str, object]:
    """Extremes, whole small values one by one, and the share that the two largest have in the sum."""
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
    """Cells that were led by an apostrophe at the gate (see runner.strict_csv.was_formula)."""
    signs = ("'=", "'+", "'-", "'@", "'\t", "'\r", "'\n", "'\uff1d", "'\uff0b", "'\uff0d", "'\uff20")
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    return sum("'" + cell[1:].lstrip()[:1] in signs for row in reader for cell in row if cell[:1] == "'")


def answer(what: str, kind: str, start: int, data: bytes) -> tuple[dict[str, object], bytes]:
    if what == "rewrite":
        return rewritten(data)
    return preview(data, kind, start) if what == "preview" else facts(data, kind), b""


def work() -> None:
    sys.modules["pandas"] = None  # type: ignore[assignment] # pyarrow would import it for nothing, in 0.3 s
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    what, kind, start = json.loads(os.environ["WEIR_PARAMETERS"])["arguments"]
    data = Path(os.environ["WEIR_DATA"], "file").read_bytes()
    try:
        header, body = answer(what, kind, int(start), data)
    except TooBig as refused:
        header, body = {"refused": str(refused), "too_big": True}, b""
    except Refused as refused:
        header, body = {"refused": str(refused)}, b""
    Path(os.environ["WEIR_OUT"], "header").write_text(
        json.dumps(header, ensure_ascii=False), encoding="utf-8"
    )
    Path(os.environ["WEIR_OUT"], "body").write_bytes(body)


if __name__ == "__main__":
    work()
