"""Reads Parquet into a table: checks what the file claims first, then decodes it in bounded batches."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets.reading.outcome import Unreadable, check_names, too_many_rows

BATCH_BYTES = 32 * 1024 * 1024
ALWAYS_DECODED = 256 * 1024 * 1024
"""The decoded bytes that are allowed whatever the size of the file."""
BLOW_UP = 100
"""How many times its own size a file may decode to beyond that."""
KEPT = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date32": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


def read(source: Path, target: Path, *, progress: Callable[[float], None], most_rows: int) -> dict[str, str]:
    """Write the file's rows to `target` as plain Parquet. Return {column: stored type}. Raises Unreadable."""
    try:
        with pq.ParquetFile(
            source, pre_buffer=False, buffer_size=1024 * 1024, thrift_string_size_limit=16 * 1024 * 1024,
            thrift_container_size_limit=1_000_000,
        ) as file:  # fmt: skip
            _check_claims(file.metadata, source.stat().st_size, most_rows)
            return _rewrite(file, source.stat().st_size, target, progress)
    except pa.ArrowMemoryError as full:
        raise Unreadable("Unpacking this file needs more memory than the portal allows. Split it.") from full
    except (pa.ArrowException, OSError) as broken:
        name = type(broken).__name__
        raise Unreadable(f"This Parquet file is damaged or malicious ({name}). Write it again.") from broken


def _rewrite(
    file: pq.ParquetFile, size: int, target: Path, progress: Callable[[float], None]
) -> dict[str, str]:
    kinds = _kinds(file.schema_arrow)
    metadata = file.metadata
    schema = pa.schema([pa.field(name, KEPT[kind]) for name, kind in kinds.items()])
    width = max(sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)), 1)
    batch_rows = int(min(65_536, max(256, BATCH_BYTES * max(metadata.num_rows, 1) // width)))
    limit, decoded, rows = max(ALWAYS_DECODED, BLOW_UP * size), 0, 0
    with pq.ParquetWriter(target, schema, compression="snappy") as writer:
        for batch in file.iter_batches(batch_size=batch_rows, use_threads=False):
            decoded, rows = decoded + sum(map(_unpacked, batch.columns)), rows + batch.num_rows
            if rows > metadata.num_rows:
                raise Unreadable(
                    f"This file contains more rows than the {metadata.num_rows:,} that it declares."
                )
            if decoded > limit:
                raise Unreadable(f"This file unpacks to far more than its size: over {limit // 2**20:,} MB.")
            writer.write_batch(_plain(batch, schema, rows - batch.num_rows))
            progress(rows / max(metadata.num_rows, 1))
    if rows == 0:
        raise Unreadable("This file has columns and no rows.")
    return kinds


def _check_claims(metadata: pq.FileMetaData, size: int, most_rows: int) -> None:
    claimed = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if metadata.num_rows > most_rows:
        raise too_many_rows(metadata.num_rows, most_rows)
    if claimed > max(ALWAYS_DECODED, BLOW_UP * size):
        raise Unreadable(f"This file of {size:,} bytes claims to unpack to {claimed:,}. It was not opened.")


def _kinds(schema: pa.Schema) -> dict[str, str]:
    check_names(list(schema.names))
    if not schema.names:
        raise Unreadable("This file has no columns.")
    return {field.name: _kind(field) for field in schema}


def _kind(field: pa.Field) -> str:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    tests = (
        (pa.types.is_boolean, "bool"),
        (pa.types.is_integer, "int64"),
        (pa.types.is_floating, "double"),
        (pa.types.is_decimal, "double"),
        (pa.types.is_string, "string"),
        (pa.types.is_large_string, "string"),
        (pa.types.is_date, "date32"),
        (pa.types.is_timestamp, "timestamp"),
    )
    if found := next((name for test, name in tests if test(kind)), None):
        return found
    if pa.types.is_nested(kind):
        raise Unreadable(
            f"Column “{field.name}” is nested, but a cell must contain one value. "
            "Flatten it into separate columns or rows."
        )
    raise Unreadable(
        f"Column “{field.name}” has the type {str(kind)[:60]}, which the portal cannot read. "
        "Use numbers, text, true or false, dates or times."
    )


def _unpacked(column: pa.Array) -> int:
    """Return the bytes of a column without dictionary encoding."""
    if not pa.types.is_dictionary(column.type) or not pa.types.is_string(column.type.value_type):
        return int(column.nbytes)
    lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0)


def _plain(batch: pa.RecordBatch, schema: pa.Schema, before: int) -> pa.RecordBatch:
    """Convert a batch to the few types that tables are stored in, and check that text is valid UTF-8."""
    arrays = []
    for column, field in zip(batch.columns, schema, strict=True):
        try:
            array = _cast(column, field.type)
            array.validate(full=True)
        except pa.ArrowException as bad:
            last = before + batch.num_rows
            raise Unreadable(
                f"Column “{field.name}”, rows {before + 1:,} to {last:,}: a value cannot be stored as {field.type}."
            ) from bad
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        return pc.cast(column, kind)
    if pa.types.is_timestamp(kind):
        return pc.cast(column, kind, safe=False)
    return pc.cast(column, kind, safe=not pa.types.is_decimal(column.type))
