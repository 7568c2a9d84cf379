"""Mock data: made-up rows that fit a schema. Pure: a function of the declarations and of what is passed in."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from datasets.declarations.schema import ColumnSchema, TableSchema
from runner.plain_text import neutralised

MISSING = 0.05
"""The fraction of empty cells in a column that may have them."""
WORDS = ("alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow")
ARROW = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date32": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
SHOWN_DECIMALS = 4
"""The decimals of numbers for which none are declared."""
LARGEST = 2**53
"""Bounds are stored as floats; whole numbers beyond this would not be exact."""
RULE = 3
"""Increase this whenever the same declarations give other rows, so that the mock data of drafts is made again."""

Draw = Callable[[ColumnSchema, np.random.Generator, int], np.ndarray]


def make(table: TableSchema) -> pa.Table:
    """Return a table of `mock_rows` rows. The seed is the hash of the declarations, so equal ones give equal rows."""
    seed = int.from_bytes(_digest(table)[:16], "big")
    source = np.random.Generator(np.random.PCG64(seed))
    rows = max(table.mock_rows, 1)
    subjects = _subjects(source, rows, table.rows_per_subject if table.has_repeats else 1)
    arrays = {column.name: _array(column, source, subjects) for column in table.columns}
    return pa.table(arrays, schema=schema_of(table))


def _subjects(source: np.random.Generator, rows: int, most: int) -> np.ndarray:
    """Return each row's subject, numbered from 0; shape (rows,). Subjects have 1 to `most` rows, all equally often."""
    most = min(max(most, 1), rows)
    blocks = -(-rows // (most * (most + 1) // 2))
    sizes = source.permutation(np.tile(np.arange(1, most + 1), blocks))
    return np.repeat(np.arange(len(sizes)), sizes)[:rows]


def _digest(table: TableSchema) -> bytes:
    text = json.dumps({"rule": RULE, **asdict(table)}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).digest()


def fingerprint(table: TableSchema) -> str:
    """Return a hash (32 hex digits) of the declarations, for names of files that nobody sees."""
    return _digest(table).hex()[:32]


def first_rows(table: pa.Table | pa.RecordBatch, count: int) -> list[list[str]]:
    """Return the first rows as text for a page."""
    rows = table.slice(0, count).to_pylist()
    return [["" if value is None else str(value) for value in row.values()] for row in rows]


def schema_of(table: TableSchema) -> pa.Schema:
    """Return the Arrow schema on disk, the same for mock and private data."""
    return pa.schema([pa.field(column.name, ARROW[column.stored]) for column in table.columns])


def write(table: TableSchema, path: Path) -> pa.Table:
    """Make mock data and write it as Parquet; equal declarations give equal bytes. Return the table."""
    made = make(table)
    write_rows(made, path)
    return made


def write_rows(rows: pa.Table, path: Path) -> None:
    pq.write_table(rows, path, compression="zstd")


def with_drawn(table: TableSchema, drawn: Mapping[str, np.ndarray]) -> pa.Table:
    """Return mock data of one row a person, with these columns in place of made-up ones.

    `drawn`: as many values as rows, shape (rows,), for columns by name: numbers (NaN, or masked, where missing), days
    (datetime64[D], NaT), texts of categories or booleans (None). Whole numbers are rounded into the declared bounds.
    """
    rows = len(next(iter(drawn.values())))
    made = make(replace(table, mock_rows=rows, rows_per_subject=1))
    for place, column in enumerate(table.columns):
        if column.name in drawn:
            made = made.set_column(place, made.field(place), _drawn(column, drawn[column.name]))
    return made


def _drawn(column: ColumnSchema, values: np.ndarray) -> pa.Array:
    kind = ARROW[column.stored]
    if column.type == "category":
        stored = {str(choice): choice for choice in column.categories}
        return pa.array([None if value is None else stored[value] for value in values], kind)
    if column.type in {"boolean", "date"}:
        return pa.array(values, kind)
    empty = np.ma.getmaskarray(values) | np.isnan(np.ma.getdata(values).astype(np.float64))
    numbers = np.ma.getdata(values)
    if column.stored == "int64":
        lower, upper = _range(column)
        numbers = np.clip(np.rint(np.where(empty, lower, numbers)), np.ceil(lower), np.floor(upper))
        numbers = numbers.astype(np.int64)
    return pa.array(numbers, kind, mask=empty)


def as_csv(path: Path) -> bytes:
    """Return written mock data as CSV. No declared name or category, an owner's text, can act as a formula in it."""
    table = pq.read_table(path)
    columns = [_harmless(column.combine_chunks()) for column in table.columns]
    named = pa.table(columns, names=[neutralised(name) for name in table.column_names])
    stream = BytesIO()
    pa_csv.write_csv(named, stream)
    return stream.getvalue()


def _harmless(column: pa.Array) -> pa.Array:
    """Prefix an apostrophe to text that a spreadsheet would run. Mock data has few different texts."""
    if not pa.types.is_string(column.type):
        return column
    encoded = column.dictionary_encode()
    texts = [neutralised(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


def _array(column: ColumnSchema, source: np.random.Generator, subjects: np.ndarray) -> pa.Array:
    """Draw a column: one value for each row, or for each of the `subjects` (rows,) if it is constant."""
    if column.is_subject:
        return _subject(column, subjects)
    drawn = subjects if column.constant else np.arange(len(subjects))
    count = int(drawn[-1]) + 1
    values = DRAWS[column.type](column, source, count)
    empty = source.random(count) < MISSING if column.nullable else np.zeros(count, dtype=bool)
    return _to_arrow(column, values[drawn], empty[drawn])


def _subject(column: ColumnSchema, subjects: np.ndarray) -> pa.Array:
    if column.stored == "int64":
        return pa.array(subjects + 1, pa.int64())
    return pa.array([f"S{number + 1:05d}" for number in subjects], pa.string())


def _to_arrow(column: ColumnSchema, values: np.ndarray, empty: np.ndarray) -> pa.Array:
    if column.stored in {"date32", "timestamp"}:
        width = pa.int32() if column.stored == "date32" else pa.int64()
        return pa.array(values, width, mask=empty).cast(ARROW[column.stored])
    return pa.array(values, ARROW[column.stored], mask=empty)


def _whole(column: ColumnSchema, source: np.random.Generator, rows: int) -> np.ndarray:
    """Draw whole numbers between the bounds, both included."""
    lower, upper = _range(column)
    low = int(np.clip(np.ceil(lower), -LARGEST, LARGEST))
    return source.integers(low, max(int(np.clip(np.floor(upper), -LARGEST, LARGEST)), low) + 1, rows)


def _number(column: ColumnSchema, source: np.random.Generator, rows: int) -> np.ndarray:
    """Draw numbers that are denser in the middle of the bounds, so that charts of mock data look natural."""
    if column.stored == "int64":
        return _whole(column, source, rows)
    lower, upper = _range(column)
    shares = (source.random(rows) + source.random(rows)) / 2
    decimals = SHOWN_DECIMALS if column.decimals is None else column.decimals
    return np.clip(np.round(lower * (1 - shares) + upper * shares, decimals), lower, upper)


def _category(column: ColumnSchema, source: np.random.Generator, rows: int) -> np.ndarray:
    whole = column.stored == "int64"
    choices = np.array(column.categories or ((0,) if whole else ("",)), dtype=np.int64 if whole else object)
    return choices[source.integers(0, len(choices), rows)]


def _boolean(column: ColumnSchema, source: np.random.Generator, rows: int) -> np.ndarray:
    return source.random(rows) < 0.5


def _moment(column: ColumnSchema, source: np.random.Generator, rows: int) -> np.ndarray:
    """Draw whole seconds between the bounds, as the microseconds that are stored."""
    return _whole(column, source, rows) * 1_000_000


def _text(column: ColumnSchema, source: np.random.Generator, rows: int) -> np.ndarray:
    words = np.array(WORDS, dtype=object)
    first, second = (words[source.integers(0, len(words), rows)] for _ in range(2))
    return np.asarray(first + " " + second, dtype=object)


def _range(column: ColumnSchema) -> tuple[float, float]:
    lower = 0.0 if column.lower is None else column.lower
    return lower, max(lower + 1 if column.upper is None else column.upper, lower)


DRAWS: dict[str, Draw] = {
    "integer": _whole,
    "number": _number,
    "category": _category,
    "boolean": _boolean,
    "date": _whole,
    "datetime": _moment,
    "text": _text,
}
