"""Read one table in a sandbox without any data, and rewrite it or show a part.

The first argument says what to do: `rewrite` (Parquet only), `preview` or `cell`; the second is the file's type. Then
follow a preview's page of rows and of columns, or a cell's row, column and part of its text.
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

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from runner.plain_text import cell, readable

MAX_COLUMNS = 1_000
MAX_ROWS = 5_000_000
MAX_CELLS = 50_000_000
MAX_DECODED = 512 * 2**20
BATCH_ROWS = 8_192
GROUP_ROWS = 2**16
"""Rows per row group of a rewritten file."""
PLAIN_CELL = r"^([!-~]+( [!-~]+)*)?$"
"""Text that needs no change: printable ASCII with single spaces inside."""
FEW_COLUMNS = 20
FEW_ROWS, MANY_ROWS = 100, 500
"""Rows per page: many if there are few columns."""
SHOWN_COLUMNS = 100
SHOWN_CHARACTERS = 300
SHOWN_TEXT = 2_000_000
"""Total characters of all cells in a preview."""
PART = 200_000
"""Characters of a long cell on one page."""


class Refused(Exception):
    """The file is not accepted, for this reason."""


class TooBig(Refused):
    """The file is too large in some respect."""


def is_plain(kind: pa.DataType) -> bool:
    """Whether a person can read cells of this type: numbers, text, dates, times and booleans."""
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
        pa.types.is_date,
        pa.types.is_timestamp,
        pa.types.is_time,
        pa.types.is_duration,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def opened(data: bytes) -> pq.ParquetFile:
    """Open the file and check its metadata against the limits. Raises Refused."""
    try:
        file = pq.ParquetFile(
            pa.BufferReader(data), thrift_string_size_limit=16 * 2**20, thrift_container_size_limit=1_000_000
        )
    except (pa.ArrowException, OSError, ValueError) as bad:
        raise Refused("The Parquet file is malformed.") from bad
    rows, columns = file.metadata.num_rows, file.metadata.num_columns
    if columns > MAX_COLUMNS:
        raise TooBig(f"The table has {columns:,} columns; the limit is {MAX_COLUMNS:,}.")
    if columns == 0:
        raise Refused("The table has no columns.")
    if rows > MAX_ROWS or rows * columns > MAX_CELLS:
        raise TooBig(
            f"The table claims {rows:,} rows and {columns:,} columns; "
            f"the limit is {MAX_ROWS:,} rows and {MAX_CELLS:,} cells."
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
                f"The column {name!r} contains {str(column.type)[:60]}; "
                "only numbers, text, dates and booleans are accepted."
            )
        if len(column.name) > 200:
            raise Refused("A column name has more than 200 characters.")


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of names and types alone: all columns nullable, without metadata. Raises Refused."""
    fields = [pa.field(cell(column.name), plain_type(column.type)) for column in schema]
    names = [field.name for field in fields]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(f"Two columns are named {twice[:60]!r}.")
    return pa.schema(fields)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Map types that a reader cannot tell apart to one type, and a dictionary to the type of its values."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    return kind


def plain_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the values alone: text as a reader sees it, and one bit pattern for NaN."""
    if column.type != kind:
        column = column.cast(kind, safe=False)
    if pa.types.is_floating(kind) and pc.any(pc.is_nan(column)).as_py():
        return pc.if_else(pc.is_nan(column), pa.scalar(math.nan, kind), column)
    if pa.types.is_string(kind) and not pc.all(pc.match_substring_regex(column, PLAIN_CELL)).as_py():
        encoded = column.dictionary_encode()
        texts = pa.array([cell(text) for text in encoded.dictionary.to_pylist()], pa.string())
        return texts.take(encoded.indices)
    return column


def as_plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [plain_column(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def batches(file: pq.ParquetFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches. Raises Refused as soon as they exceed the size that a file may unpack to."""
    decoded = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
            batch.validate(full=True)
            plain = as_plain(batch, schema)
            decoded += plain.nbytes
            if decoded > MAX_DECODED:
                raise TooBig(f"The table unpacks to more than {MAX_DECODED // 2**20} MB.")
            yield plain
    except MemoryError as bad:
        raise TooBig("Reading the table needs too much memory.") from bad
    except (pa.ArrowException, OSError, ValueError) as bad:
        raise Refused("The Parquet file is malformed.") from bad


def groups(pieces: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the same rows in groups of equal size, so that the file's own row groups carry no message."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for piece in pieces:
        waiting.append(piece)
        rows += piece.num_rows
        if rows >= GROUP_ROWS:
            table = pa.Table.from_batches(waiting, schema)
            yield table.slice(0, GROUP_ROWS).combine_chunks()
            waiting, rows = table.slice(GROUP_ROWS).to_batches(), rows - GROUP_ROWS
    if rows:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()


def rewritten(data: bytes) -> tuple[dict[str, object], bytes]:
    """Return a header with the table's time zones, and a new file that depends on nothing but the table's cells."""
    file = opened(data)
    schema = plain_schema(file.schema_arrow)
    out = io.BytesIO()
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for group in groups(batches(file, schema), schema):
            writer.write_table(group, row_group_size=GROUP_ROWS)
    zones = {kind.tz for kind in schema.types if pa.types.is_timestamp(kind) and kind.tz is not None}
    return {"zones": sorted(zones)}, out.getvalue()


def read(data: bytes, kind: str) -> pa.Table:
    if kind == "parquet":
        file = opened(data)
        schema = plain_schema(file.schema_arrow)
        return pa.Table.from_batches(list(batches(file, schema)), schema=schema)
    return pacsv.read_csv(
        pa.BufferReader(data),
        read_options=pacsv.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
    )


def type_name(kind: pa.DataType) -> str:
    """Return a column's type in plain words."""
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


def preview(data: bytes, kind: str, page: int, columns_page: int) -> dict[str, object]:
    """Return one page of rows and columns as plain values, and the totals of both. Pages count from 1."""
    total_rows, names, kinds, exact = described(data, kind)
    size = MANY_ROWS if len(names) <= FEW_COLUMNS else FEW_ROWS
    start, left = (page - 1) * size, (columns_page - 1) * SHOWN_COLUMNS
    here = slice(left, left + SHOWN_COLUMNS)
    rows = csv_rows(data, start, size, here) if kind == "csv" else parquet_rows(data, start, size, here)
    parts = zip(names[here], kinds[here], exact[here], strict=True)
    return {
        "kind": "table",
        "columns": [{"name": shown(name), "type": word, "exact": kind} for name, word, kind in parts],
        "rows": rows,
        "total_rows": total_rows,
        "total_columns": len(names),
        "page_rows": size,
        "page_columns": SHOWN_COLUMNS,
    }


def described(data: bytes, kind: str) -> tuple[int, list[str], list[str], list[str]]:
    """Return (rows, column names, types in words, exact types). A CSV has no exact types: they are empty."""
    if kind == "csv":
        table = read(data, kind)
        names = next(csv_reader(data))
        return table.num_rows, names, [type_name(each) for each in table.schema.types], [""] * len(names)
    file = opened(data)
    schema = plain_schema(file.schema_arrow)
    types = list(schema.types)
    return file.metadata.num_rows, schema.names, [type_name(each) for each in types], list(map(str, types))


def csv_reader(data: bytes) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)


def csv_rows(data: bytes, start: int, size: int, here: slice) -> list[list[object]]:
    """Return some rows as they are written in the file, whatever type their column seems to have."""
    reader = csv_reader(data)
    limit = cell_limit(size * len(next(reader)[here]))
    return [[shown(text, limit) for text in row[here]] for row in islice(reader, start, start + size)]


def parquet_rows(data: bytes, start: int, size: int, here: slice) -> list[list[object]]:
    table = excerpt(opened(data), start, size, here)
    limit = cell_limit(table.num_rows * table.num_columns)
    columns = [[plain(value, limit) for value in values_of(column)] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def excerpt(file: pq.ParquetFile, start: int, size: int, here: slice) -> pa.Table:
    """Return some rows and columns. Only the row groups that contain them are unpacked."""
    names = file.schema_arrow.names[here]
    wanted, before, skipped = [], 0, 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if before + rows <= start:
            skipped += rows
        elif before < start + size:
            wanted.append(group)
        before += rows
    try:
        table = (
            file.read_row_groups(wanted, columns=names, use_threads=False)
            .select(names)
            .slice(start - skipped, size)
        )
    except (pa.ArrowException, OSError, ValueError) as bad:
        raise Refused("The Parquet file is malformed.") from bad
    schema = plain_schema(table.schema)
    return pa.Table.from_batches([as_plain(batch, schema) for batch in table.to_batches()], schema=schema)


def values_of(column: pa.ChunkedArray) -> list[object]:
    """Return a column's values for JSON and a reader: nothing rounded, timestamps with a zone in UTC, as stored."""
    kind = column.type
    if pa.types.is_duration(kind):
        return list(column.cast(pa.int64()).to_pylist())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        column = column.cast(pa.int64()).cast(pa.timestamp(kind.unit))
        return [None if text is None else f"{text}Z" for text in column.cast(pa.string()).to_pylist()]
    if pa.types.is_temporal(kind):
        column = column.cast(pa.string())
    return list(column.to_pylist())


def plain(value: object, limit: int) -> object:
    """Return a cell as a JSON value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return shown(str(value), limit)


def shown(text: str, limit: int = SHOWN_CHARACTERS) -> object:
    """Return a text for a page; for a long one, its beginning and its length."""
    if len(text) <= limit:
        return readable(text)
    return {"text": readable(text[:limit]), "characters": len(text)}


def cell_limit(cells: int) -> int:
    return max(20, min(SHOWN_CHARACTERS, SHOWN_TEXT // max(cells, 1)))


def one_cell(data: bytes, kind: str, row: int, column: int, part: int) -> dict[str, object]:
    """Return one part of a cell and the cell's length. Rows count from 1; row 0 holds the column names."""
    here = slice(column - 1, column)
    if kind == "csv":
        found = [line[here] for line in islice(csv_reader(data), row, row + 1)]
    else:
        file = opened(data)
        columns = excerpt(file, row - 1, 1, here).columns if row else []
        found = [[str(value) for column in columns for value in values_of(column)]]
        found = found if row else [file.schema_arrow.names[here]]
    if not found or not found[0]:
        raise Refused("There is no such cell.")
    text = readable(found[0][0])
    return {"text": text[(part - 1) * PART : part * PART], "characters": len(text)}


def answer(what: str, kind: str, numbers: list[int], data: bytes) -> tuple[dict[str, object], bytes]:
    if what == "rewrite":
        return rewritten(data)
    if what == "preview":
        return preview(data, kind, *numbers), b""
    return one_cell(data, kind, *numbers), b""


class WithoutPandas:
    """Hides pandas, which pyarrow would import needlessly, in 0.3 s."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ImportError(name)


def work(answer: Callable[[str, str, list[int], bytes], tuple[dict[str, object], bytes]]) -> None:
    """Do what the parameters ask, and write the answer or the refusal."""
    sys.meta_path.insert(0, WithoutPandas())
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    what, kind, *numbers = json.loads(os.environ["WEIR_PARAMETERS"])["arguments"]
    data = Path(os.environ["WEIR_DATA"], "file").read_bytes()
    try:
        header, body = answer(what, kind, [int(number) for number in numbers], data)
    except TooBig as refused:
        header, body = {"refused": str(refused), "too_big": True}, b""
    except Refused as refused:
        header, body = {"refused": str(refused)}, b""
    Path(os.environ["WEIR_OUT"], "header").write_text(
        json.dumps(header, ensure_ascii=False), encoding="utf-8"
    )
    Path(os.environ["WEIR_OUT"], "body").write_bytes(body)


if __name__ == "__main__":
    work(answer)
