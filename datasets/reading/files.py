"""Chooses the reader of a file, and does what all files have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from datasets.reading import csv_files
from datasets.reading.outcome import ColumnRead, TableRead, Unreadable, too_many_rows
from datasets.reading.profile import count_rows, profile

MAGIC = {
    b"PK\x03\x04": "This is a ZIP archive or an Excel workbook. Save the sheet as CSV, UTF-8.",
    b"\x1f\x8b": "This file is compressed (gzip). Unpack it first.",
    b"%PDF": "This is a PDF. Upload the data as CSV or Parquet.",
    b"\x28\xb5\x2f\xfd": "This file is compressed (Zstandard). Unpack it first.",
}


def read(source: Path, target: Path, options: dict[str, Any], progress: Callable[[float], None]) -> TableRead:
    """Read a CSV or Parquet file into `target`. Raises Unreadable with a reason."""
    with source.open("rb") as stream:
        head = stream.read(4)
    if why := next((text for magic, text in MAGIC.items() if head.startswith(magic)), None):
        raise Unreadable(why)
    kinds = _kinds(head, source, target, options, progress)
    rows, columns = _profile(target, kinds, int(options["rows"]))
    return TableRead(rows=rows, columns=columns, notes=_notes(columns))


def _kinds(
    head: bytes, source: Path, target: Path, options: dict[str, Any], progress: Callable[[float], None]
) -> dict[str, str]:
    if head == b"PAR1":
        from datasets.reading import parquet_files  # noqa: PLC0415 -- Arrow takes longer to load than most CSV files

        return parquet_files.read(source, target, progress=progress, most_rows=int(options["rows"]))
    encoding, as_text = options.get("encoding", "utf-8"), frozenset(options.get("text", ()))
    try:
        return csv_files.read(source, target, encoding=encoding, as_text=as_text, progress=progress)
    except duckdb.OutOfMemoryException as full:
        raise Unreadable("Reading this file needs more memory than the portal allows. Split it.") from full
    except duckdb.Error as broken:
        raise Unreadable(f"This CSV file cannot be read: {_first_line(broken)}") from broken


def _profile(target: Path, kinds: dict[str, str], most_rows: int) -> tuple[int, tuple[ColumnRead, ...]]:
    rows = count_rows(target)
    if rows == 0:
        raise Unreadable("This file has a line of column names and no rows below it.")
    if rows > most_rows:
        raise too_many_rows(rows, most_rows)
    return rows, profile(target, kinds, rows)


def _notes(columns: tuple[ColumnRead, ...]) -> tuple[str, ...]:
    """Return what the owner should know, although it prevents nothing."""
    notes = [
        f"Column “{column.name}”: {column.formulas:,} cells begin like a formula (the first in data row "
        f"{column.first_formula:,}). They are kept as text and never executed."
        for column in columns
        if column.formulas
    ]
    empty = [column.name for column in columns if column.distinct == 0]
    return (*notes, *(f"Column “{name}” is empty." for name in empty))


def _first_line(broken: Exception) -> str:
    return str(broken).partition("\n")[0][:200]
