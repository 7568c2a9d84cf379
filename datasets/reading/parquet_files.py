"""Reads Parquet into a table: checks what the file claims first, then decodes it in bounded batches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets.reading import names
from datasets.reading.options import Options
from datasets.reading.outcome import Unreadable, too_many_rows

BATCH_BYTES = 32 * 1024 * 1024
ALWAYS_DECODED = 256 * 1024 * 1024
"""The decoded bytes that are allowed whatever the size of the file."""
BLOW_UP = 100
"""How many times its own size a file may decode to beyond that."""
PERSON = "person_number"
KEPT = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date32": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


def read(
    source: Path, target: Path, options: Options, *, progress: Callable[[float], None], most_rows: int
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the file's rows to `target` as plain Parquet. Return {column: stored type} and how they were read.

    Raises Unreadable.
    """
    with _opened(source, most_rows) as file:
        return _rewrite(file, source.stat().st_size, target, options, progress)


@contextmanager
def _opened(source: Path, most_rows: int) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(
            source, pre_buffer=False, buffer_size=1024 * 1024, thrift_string_size_limit=16 * 1024 * 1024,
            thrift_container_size_limit=1_000_000,
        ) as file:  # fmt: skip
            _check_claims(file.metadata, source.stat().st_size, most_rows)
            yield file
    except pa.ArrowMemoryError as full:
        raise Unreadable(
            "Unpacking this file needs more memory than the portal allows. Split it.", final=True
        ) from full
    except (pa.ArrowException, OSError) as broken:
        name = type(broken).__name__
        raise Unreadable(
            f"This Parquet file is damaged or malicious ({name}). Write it again.", final=True
        ) from broken


@dataclass(frozen=True, slots=True)
class Plan:
    """Which columns are kept, under which names and as which types."""

    sources: tuple[str, ...]
    labels: tuple[str, ...]
    columns: dict[int, tuple[str, str]]
    """{place in the file: (name, type)}"""
    person: str

    @property
    def remarks(self) -> list[str]:
        return names.notes((place + 1, self.sources[place], self.labels[place]) for place in self.columns)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(name, KEPT[kind]) for name, kind in self.kinds.items()])

    @property
    def kinds(self) -> dict[str, str]:
        numbered = {self.person: "int64"} if self.person else {}
        return {**numbered, **dict(self.columns.values())}


def _planned(schema: pa.Schema, options: Options) -> Plan:
    """Decide how the columns are kept. Raises Unreadable."""
    labels = names.sources(schema.names)
    if unknown := sorted(set(options.columns) - set(labels)):
        raise Unreadable(f"There is no column named “{unknown[0]}”.")
    if not labels:
        raise Unreadable("This file has no columns.", final=True)
    columns = {
        place: (options.column(label).name or label, options.column(label).type or _kind(field, label))
        for place, (field, label) in enumerate(zip(schema, labels, strict=True))
        if not options.column(label).leave_out
    }
    names.check([name for name, _ in columns.values()])
    taken = {name.casefold() for name, _ in columns.values()}
    choices = (PERSON, *(f"{PERSON}_{number}" for number in range(2, len(columns) + 3)))
    person = next(each for each in choices if each not in taken) if options.number_people else ""
    return Plan(tuple(schema.names), tuple(labels), columns, person)


def _rewrite(
    file: pq.ParquetFile, size: int, target: Path, options: Options, progress: Callable[[float], None]
) -> tuple[dict[str, str], dict[str, Any]]:
    plan = _planned(file.schema_arrow, options)
    metadata, schema = file.metadata, plan.schema
    width = max(sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)), 1)
    batch_rows = int(min(65_536, max(256, BATCH_BYTES * max(metadata.num_rows, 1) // width)))
    limit, decoded, rows = max(ALWAYS_DECODED, BLOW_UP * size), 0, 0
    lost: dict[str, int] = {}
    with pq.ParquetWriter(target, schema, compression="snappy") as writer:
        for batch in file.iter_batches(batch_size=batch_rows, use_threads=False):
            decoded, rows = decoded + sum(map(_unpacked, batch.columns)), rows + batch.num_rows
            if rows > metadata.num_rows:
                raise Unreadable(
                    f"This file contains more rows than the {metadata.num_rows:,} that it declares.",
                    final=True,
                )
            if decoded > limit:
                raise Unreadable(
                    f"This file unpacks to far more than its size: over {limit // 2**20:,} MB.", final=True
                )
            writer.write_batch(_plain(batch, plan, rows - batch.num_rows, lost))
            progress(rows / max(metadata.num_rows, 1))
    if rows == 0:
        raise Unreadable("This file has columns and no rows.", final=True)
    nans = (
        f"Column “{name}”: {many:,} {'cells are' if many > 1 else 'cell is'} NaN, not a number, and counts as empty."
        for name, many in lost.items()
    )
    notes = [*plan.remarks, *nans]
    return plan.kinds, {**_found(plan, file.schema_arrow, options), "notes": notes}


def _found(plan: Plan, schema: pa.Schema, options: Options) -> dict[str, Any]:
    return {
        "kind": "parquet",
        "skip": 0,
        "number_people": options.number_people,
        "missing": [],
        "sheets": [],
        "columns": [
            {
                "source": label,
                "name": plan.columns[place][0] if place in plan.columns else label,
                "type": plan.columns[place][1] if place in plan.columns else _stored(schema.field(place)) or "string",
                "format": "",
                "missing": [],
                "leave_out": place not in plan.columns,
            }
            for place, label in enumerate(plan.labels)
        ],
    }  # fmt: skip


def preview(source: Path, options: Options, rows: int, length: int) -> dict[str, Any]:
    """Return how the file would be read, and its first rows as text."""
    with _opened(source, 2**40) as file:
        plan = _planned(file.schema_arrow, options)
        readable = [place for place, field in enumerate(file.schema_arrow) if _stored(field)]
        asked = [file.schema_arrow.names[place] for place in readable]
        first = next(file.iter_batches(batch_size=rows, columns=asked, use_threads=False), None)
    held = {place: first.column(at).to_pylist() for at, place in enumerate(readable)} if first else {}
    count = first.num_rows if first else 0
    cells = [held.get(place, [None] * count) for place in range(len(plan.labels))]
    shown = [
        ["" if column[row] is None else str(column[row])[:length] for column in cells] for row in range(count)
    ]
    notes = plan.remarks
    return {"found": _found(plan, file.schema_arrow, options), "rows": shown, "lines": [], "notes": notes}


def _check_claims(metadata: pq.FileMetaData, size: int, most_rows: int) -> None:
    claimed = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if metadata.num_rows > most_rows:
        raise too_many_rows(metadata.num_rows, most_rows)
    if claimed > max(ALWAYS_DECODED, BLOW_UP * size):
        raise Unreadable(f"This file of {size:,} bytes claims to unpack to {claimed:,}. It was not opened.")


def _stored(field: pa.Field) -> str:
    """Return the type that a column is stored as, or "" if it cannot be read."""
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
        (pa.types.is_time, "string"),
        (pa.types.is_null, "string"),
    )
    return next((name for test, name in tests if test(kind)), "")


def _kind(field: pa.Field, label: str) -> str:
    if found := _stored(field):
        return found
    if pa.types.is_nested(field.type):
        raise Unreadable(
            f"Column “{label}” is nested, but a cell must contain one value. "
            "Flatten it into separate columns or rows, or leave this column out.",
            leave_out=[label],
        )
    raise Unreadable(
        f"Column “{label}” has the type {str(field.type)[:60]}, which the portal cannot read. "
        "Use numbers, text, true or false, dates or times, or leave this column out.",
        leave_out=[label],
    )


def _unpacked(column: pa.Array) -> int:
    """Return the bytes of a column without dictionary encoding."""
    if not pa.types.is_dictionary(column.type) or not pa.types.is_string(column.type.value_type):
        return int(column.nbytes)
    lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0)


def _plain(batch: pa.RecordBatch, plan: Plan, before: int, lost: dict[str, int]) -> pa.RecordBatch:
    """Convert a batch to the few types that tables are stored in, and check that text is valid UTF-8."""
    last = before + batch.num_rows
    arrays = [pa.array(range(before + 1, last + 1), pa.int64())] if plan.person else []
    for place, (name, kind) in plan.columns.items():
        try:
            array = _cast(batch.column(place), KEPT[kind])
            array.validate(full=True)
        except pa.ArrowException as bad:
            raise Unreadable(
                f"Column “{name}”, rows {before + 1:,} to {last:,}: a value cannot be stored as {KEPT[kind]}. "
                "Choose another type, or leave this column out.",
                leave_out=[plan.labels[place]],
            ) from bad
        if kind == "double" and (many := array.null_count - batch.column(place).null_count) > 0:
            lost[name] = lost.get(name, 0) + many
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=plan.schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(column.type):
        return pc.cast(column, kind, safe=False)
    return pc.cast(column, kind, safe=not pa.types.is_decimal(column.type))
