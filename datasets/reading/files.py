"""Chooses the reader of a file, and does what all files have in common."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from datasets.reading import containers, conversion, csv_files, engine, guesses, options, texts
from datasets.reading.guesses import Guess
from datasets.reading.options import Options
from datasets.reading.outcome import ColumnRead, TableRead, Unreadable, too_many_rows
from datasets.reading.profile import count_rows, profile
from datasets.reading.texts import Table

EXAMPLES = 3
EXAMPLE_LENGTH = 200
LINE_LENGTH = 500
ENOUGH = 2 * 1024 * 1024
"""The bytes at the beginning of a file that are enough for a look at it."""
ENOUGH_ROWS = 2000
TOO_MUCH = "Reading this file needs more memory than the portal allows. Split it."


def read(
    source: Path, target: Path, given: dict[str, Any], room: Path, progress: Callable[[float], None]
) -> TableRead:
    """Read a file into `target`. Raises Unreadable with a reason."""
    asked, most = options.from_json(given.get("reading", {})), int(given["unpacked_bytes"])
    asked = replace(asked, expected=given.get("expected", {}))
    with _explaining():
        path = containers.unpacked(source, room, most)
        kind = containers.kind_of(path)
        if kind == "parquet":
            from datasets.reading import parquet_files  # noqa: PLC0415 -- Arrow takes longer to load than most CSV files

            kinds, found = parquet_files.read(
                path, target, asked, progress=progress, most_rows=int(given["rows"])
            )
            labels, notes = dict[str, str](), found.pop("notes")
        else:
            table = texts.opened(path, kind, asked, room, most)
            guess = csv_files.read(table, target, asked, progress)
            kinds, found = _kinds(guess, asked), as_found(table, guess, asked)
            labels = {each.name: table.labels.get(each.source, "") for each in guess.columns}
            notes = [*table.notes, *guess.notes]
        rows, columns = _profile(target, kinds, int(given["rows"]))
    columns = tuple(replace(each, label=labels.get(each.name, "")) for each in columns)
    return TableRead(rows=rows, columns=columns, notes=(*notes, *_notes(columns)), found=found)


@contextmanager
def _explaining() -> Iterator[None]:
    """Turn what DuckDB says into a sentence for the owner."""
    try:
        yield
    except duckdb.OutOfMemoryException as full:
        raise Unreadable(TOO_MUCH, final=True) from full
    except duckdb.Error as broken:
        first = str(broken).partition("\n")[0][:200]
        raise Unreadable(f"This file cannot be read: {first}") from broken


def _kinds(guess: Guess, asked: Options) -> dict[str, str]:
    numbered = {csv_files.person_name(guess): "int64"} if asked.number_people else {}
    return {**numbered, **{column.name: column.kind for column in guess.columns}}


def as_found(table: Table, guess: Guess, asked: Options) -> dict[str, Any]:
    """Return how a file was read, in the form that datasets.reading.found validates."""
    left = {column.source for column in guess.left_out}
    columns = sorted((*guess.columns, *guess.left_out), key=lambda each: each.place)
    split = {
        "encoding": table.encoding,
        "delimiter": table.dialect.delimiter,
        "quote": table.dialect.quote,
        "skip": table.dialect.skip,
    }
    return {
        "kind": table.kind,
        **(split if table.kind == "csv" else {"skip": table.dialect.skip}),
        "header": table.dialect.header,
        "decimal": guess.marks.decimal,
        "thousands": guess.marks.thousands,
        "trim": guess.marks.trim,
        "missing": list(guess.missing),
        "zone": guess.marks.zone,
        "sheet": table.sheets[0] if table.sheets else "",
        "sheets": sorted(table.sheets),
        "labels": asked.labels,
        "number_people": asked.number_people,
        "columns": [
            {
                "source": each.source,
                "name": each.name,
                "type": each.kind,
                "format": each.format if each.kind in {"date32", "timestamp"} else "",
                "missing": [] if each.missing == guess.missing else list(each.missing),
                "leave_out": each.source in left,
            }
            for each in columns
        ],
    }


def preview(source: Path, given: dict[str, Any], room: Path) -> dict[str, Any]:
    """Look at the beginning of a file: how it would be read, its first lines, and three rows as they would be stored.

    Cells that do not fit are shown as they are in the file, with a mark.
    """
    asked, most = options.from_json(given.get("reading", {})), int(given["unpacked_bytes"])
    with _explaining():
        path = containers.unpacked(source, room, most, enough=ENOUGH)
        kind = containers.kind_of(path)
        if kind == "parquet":
            from datasets.reading import parquet_files  # noqa: PLC0415 -- as above

            return parquet_files.preview(path, asked, EXAMPLES, EXAMPLE_LENGTH)
        path = containers.beginning(path, room, ENOUGH) if kind == "csv" else path
        table = texts.opened(path, kind, asked, room, most, rows=ENOUGH_ROWS)
        database = engine.connect()
        guess = guesses.guess(database, table, asked)
        rows = _examples(database, table, guess)
    lines = []
    if kind == "csv":
        with table.lines.open(encoding="utf-8-sig", errors="replace") as file:
            for _ in range(table.dialect.skip):
                file.readline(LINE_LENGTH * 100)
            lines = [
                file.readline(LINE_LENGTH * 100).rstrip("\r\n")[:LINE_LENGTH] for _ in range(EXAMPLES + 1)
            ]
    notes = [*table.notes, *guess.notes]
    return {"found": as_found(table, guess, asked), "rows": rows, "lines": lines, "notes": notes}


def _examples(database: duckdb.DuckDBPyConnection, table: Table, guess: Guess) -> list[list[str]]:
    """Return the first rows of all columns of the file, also of those that are left out, as text."""
    columns = sorted((*guess.columns, *guess.left_out), key=lambda each: each.place)
    shown = ", ".join(conversion.shown(each, guess.marks) for each in columns)
    relation = conversion.cells(table.relation(rejects=False), columns, guess.marks)
    found = database.execute(f"SELECT {shown} FROM {relation} LIMIT {EXAMPLES}").fetchall()  # noqa: S608 -- quoted
    return [[str(cell)[:EXAMPLE_LENGTH] for cell in row] for row in found]


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
