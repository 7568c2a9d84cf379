"""Reads rows of text into a table: one streaming pass by DuckDB, which reports each fault with its line."""

import csv
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from datasets.reading import conversion, dialects, engine, guesses, inference
from datasets.reading.conversion import ODD, Column, Marks, cells
from datasets.reading.guesses import Guess
from datasets.reading.inference import KIND_WORDS, MARKERS
from datasets.reading.options import MISSING, Options
from datasets.reading.outcome import Unreadable
from datasets.reading.texts import Table

ATTEMPTS = 6
CELLS_PER_GROUP = 4_000_000
AT_ONCE = 40
"""The columns that are counted in one query, so that it needs little memory however many there are."""
PERSON = "person_number"
Progress = Callable[[float], None]


def read(table: Table, target: Path, options: Options, progress: Progress) -> Guess:
    """Write the rows to `target` as Parquet. Return how they were read. Raises Unreadable with a reason."""
    database = engine.connect()
    found = guesses.guess(database, table, options)
    for _ in range(ATTEMPTS):
        try:
            with _watched(database, progress):
                _copy(database, table, target, found, options)
        except duckdb.InvalidInputException as stop:
            if ODD not in str(stop):
                raise
            found = replace(found, columns=tuple(_widened(database, table, found)))
            continue
        if faults := _faults(database):
            raise _explained(table, *faults[0])
        better = _fill_unseen(database, target, found, options)
        if better == found:
            return replace(found, notes=(*found.notes, *_markers_in_text(database, table, found, options)))
        found = better
    raise Unreadable(
        "The types of this file's columns could not be determined. Choose them, or read the columns as text."
    )


@contextmanager
def _watched(database: duckdb.DuckDBPyConnection, progress: Progress) -> Iterator[None]:
    """Report the progress of the query while it runs."""
    done = threading.Event()

    def report() -> None:
        while not done.wait(0.5):
            progress(max(database.query_progress(), 0.0) / 100)

    watcher = threading.Thread(target=report, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def selected(table: Table, found: Guess, *, number_people: bool, rejects: bool) -> str:
    """Return the SQL that reads the stored cells of the table."""
    values = [conversion.quickly_converted(column, found.marks) for column in found.columns]
    if number_people:
        values.insert(0, f"row_number() OVER () AS {engine.name(person_name(found))}")
    casts = [conversion.plainly_cast(column, found.marks) for column in found.columns]
    read = ", ".join(["*", *(each for each in casts if each)])
    return f"SELECT {', '.join(values)} FROM (SELECT {read} FROM {table.relation(rejects=rejects)})"  # noqa: S608 -- quoted


def person_name(found: Guess) -> str:
    """Return the name of the column with the numbers that the portal gives to people."""
    taken = {column.name.casefold() for column in found.columns}
    others = (f"{PERSON}_{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([PERSON], others) if each not in taken)


def _copy(
    database: duckdb.DuckDBPyConnection, table: Table, target: Path, found: Guess, options: Options
) -> None:
    group = min(122_880, max(2048, CELLS_PER_GROUP // len(found.columns) // 2048 * 2048))
    _forget_faults(database)
    rows = selected(table, found, number_people=options.number_people, rejects=True)
    goal = engine.literal(str(target))
    database.execute(f"COPY ({rows}) TO {goal} (FORMAT parquet, ROW_GROUP_SIZE {group})")


def _in_batches(columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    for start in range(0, len(columns), AT_ONCE):
        yield columns[start : start + AT_ONCE]


def _counted(
    database: duckdb.DuckDBPyConnection,
    table: Table,
    columns: Sequence[Column],
    marks: Marks,
    test: Callable[[Column], str],
) -> dict[str, int]:
    """Count the cells of each column, in the whole file, that meet a condition. Columns without any are left out."""
    found: dict[str, int] = {}
    for part in _in_batches(columns):
        tests = ", ".join(f"count(*) FILTER ({test(column)})" for column in part)
        relation = cells(table.relation(rejects=False), part, marks)
        row = database.execute(f"SELECT {tests} FROM {relation}").fetchone() or ()  # noqa: S608 -- quoted
        found |= {column.source: many for column, many in zip(part, row, strict=True) if many}
    return found


def _widened(database: duckdb.DuckDBPyConnection, table: Table, found: Guess) -> list[Column]:
    """Correct the types of columns that hold something else further down. Raises Unreadable if that is text."""
    typed = [column for column in found.columns if column.kind != "string"]
    odd = _counted(database, table, typed, found.marks, lambda each: conversion.odd(each, found.marks))
    better, mixed = list[Column](), list[Column]()
    for column in found.columns:
        fits = column if column.source not in odd else _fitting(database, table, column, found)
        (mixed if fits is None else better).append(fits or column)
    if mixed:
        raise _mixed(database, table, mixed, found)
    return better


def _fitting(
    database: duckdb.DuckDBPyConnection, table: Table, column: Column, found: Guess
) -> Column | None:
    """Return the column with a type that fits all its cells, perhaps with more missing markers; None if none fits."""
    if column.is_asked:
        return None
    marked = replace(column, missing=tuple(dict.fromkeys((*column.missing, *MARKERS))))
    choices = {"int64": ["double"], "date32": ["timestamp"]}.get(column.kind, [])
    for each in (marked, *(replace(one, kind=kind) for kind in choices for one in (column, marked))):
        relation = cells(table.relation(rejects=False), [each], found.marks)
        code = f"regexp_full_match({engine.name(each.raw)}, {engine.literal(inference.CODE)})"
        tests = ", ".join(f"count(*) FILTER ({test})" for test in (conversion.odd(each, found.marks), code))
        odd, codes = database.execute(f"SELECT {tests} FROM {relation}").fetchone() or (1, 0)  # noqa: S608 -- quoted
        if codes and column.kind in {"int64", "double"}:
            return replace(column, kind="string")
        if not odd:
            return replace(each, missing=_held(database, table, column, each, found))
    return None


def _held(
    database: duckdb.DuckDBPyConnection, table: Table, column: Column, marked: Column, found: Guess
) -> tuple[str, ...]:
    """Return what means missing in a column, without the markers that it does not hold."""
    fresh = [each for each in marked.missing if each not in column.missing]
    if not fresh:
        return column.missing
    relation = cells(table.relation(rejects=False), [column], found.marks)
    it, listed = engine.name(column.raw), ", ".join(map(engine.literal, fresh))
    held = database.execute(f"SELECT DISTINCT {it} FROM {relation} WHERE {it} IN ({listed})").fetchall()  # noqa: S608 -- quoted
    return (*column.missing, *(str(each) for (each,) in held))


def _fill_unseen(database: duckdb.DuckDBPyConnection, target: Path, found: Guess, options: Options) -> Guess:
    """Infer the types of columns whose sample was empty from all their cells."""
    texts = [each for each in found.columns if each.kind == "string" and not options.column(each.source).type]
    if not texts:
        return found
    relation = f"read_parquet({engine.literal(str(target))}, hive_partitioning=false)"
    limit = min(
        inference.SAMPLE_ROWS, max(200, inference.SAMPLE_CELLS // (len(found.columns) + len(found.left_out)))
    )
    firsts = ", ".join(f"count({engine.name(each.name)})" for each in texts)
    sample = f"(SELECT * FROM {relation} LIMIT {limit})"  # noqa: S608 -- quoted
    counted = database.execute(f"SELECT {firsts} FROM {sample}").fetchone() or ()  # noqa: S608 -- quoted
    unseen = [each.name for each, filled in zip(texts, counted, strict=True) if not filled]
    if not unseen:
        return found
    seen = inference.count(
        database, relation, unseen, decimal=found.marks.decimal, thousands=found.marks.thousands
    )
    better = (
        replace(each, kind=inference.kind(seen[each.name])) if each.name in seen else each
        for each in found.columns
    )
    return replace(found, columns=tuple(better))


def _markers_in_text(
    database: duckdb.DuckDBPyConnection, table: Table, found: Guess, options: Options
) -> list[str]:
    """Say in which columns of text a word such as NA was read as missing: it may be a country."""
    texts = [
        replace(each, missing=())
        for each in found.columns
        if each.kind == "string" and options.missing is None and options.column(each.source).missing is None
    ]
    listed = ", ".join(map(engine.literal, MISSING))
    many = _counted(
        database, table, texts, found.marks, lambda each: f"{engine.name(each.raw)} IN ({listed})"
    )
    return [_marker_note(each.name, many[each.source]) for each in texts if each.source in many]


def _marker_note(name: str, many: int) -> str:
    cells_are = (
        "cells with NA, NULL or the like count" if many > 1 else "cell with NA, NULL or the like counts"
    )
    return (
        f"Column “{name}”: {many:,} {cells_are} as empty. If this is a value, such as a country's code, "
        "change what means missing in this column."
    )


# Faults


def _forget_faults(database: duckdb.DuckDBPyConnection) -> None:
    database.execute("DROP TABLE IF EXISTS reject_errors")
    database.execute("DROP TABLE IF EXISTS reject_scans")


def _faults(database: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Return what DuckDB could not read, in the order of the file: (byte, kind, text of the line)."""
    return database.execute(
        "SELECT line_byte_position, error_type, csv_line FROM reject_errors ORDER BY line, column_idx LIMIT 1"
    ).fetchall()


def _explained(table: Table, place: int, kind: str, text: str) -> Unreadable:
    """Explain a fault of the file to its owner: the line and what is wrong, but no value."""
    begins = len(text) - len(text.lstrip("\r\n"))  # DuckDB counts blank lines before it as part of the line
    line, text = _line_at(table.path, place + begins), text.strip("\r\n")
    match kind:
        case "MISSING COLUMNS" | "TOO MANY COLUMNS":
            delimiter = "," if table.dialect.is_rewritten else table.dialect.delimiter
            quote = '"' if table.dialect.is_rewritten else table.dialect.quote
            have = len(next(iter(dialects.parsed([text], delimiter, quote, limit=1)), []))
            than = "the line of column names has" if table.dialect.header else "the first line has"
            return Unreadable(
                f"Line {line} has {have} field{'' if have == 1 else 's'}, but {than} {table.dialect.width}."
            )
        case "UNQUOTED VALUE":
            return Unreadable(
                f"Line {line}: a quote ({table.dialect.quote or chr(34)}) is not closed, or is followed by text "
                "after it is closed."
            )
        case "LINE SIZE OVER MAXIMUM":
            return Unreadable(f"Line {line} is longer than 2 MB. Check the quotes before it.")
        case _:
            return Unreadable(f"Line {line} cannot be read. Correct it and upload the file again.")


def _line_at(path: Path, place: int) -> int:
    """Return the number, from 1, of the line that contains the byte `place` (from 1)."""
    lines, left = 1, max(place - 1, 0)
    with path.open("rb") as file:
        while left and (part := file.read(min(left, 1024 * 1024))):
            lines, left = lines + part.count(b"\n"), left - len(part)
    return lines


def _mixed(
    database: duckdb.DuckDBPyConnection, table: Table, columns: Sequence[Column], found: Guess
) -> Unreadable:
    """Report the first cell that is of another type than its column, and how many other columns have such cells."""
    column = columns[0]
    relation = cells(table.relation(rejects=False), [column], found.marks)
    condition = conversion.odd(column, found.marks)
    it = engine.name(column.raw)
    number = conversion.value(replace(column, kind="double"), it, found.marks)
    first = database.execute(
        f"SELECT {it}, ({number}) IS NOT NULL FROM {relation} WHERE {condition} LIMIT 1"  # noqa: S608 -- quoted
    ).fetchone()
    cell, is_number = first or ("", False)
    line = _line_of(table, column, str(cell))
    where = f"Line {line}, column" if line else "Column"
    what = "a number" if is_number else "text"
    words = KIND_WORDS[column.kind]
    notation = f" ({column.format})" if column.kind in {"date32", "timestamp"} else ""
    more = len(columns) - 1
    others = f" {more} other column{'s have' if more > 1 else ' has'} such cells too." if more else ""
    return Unreadable(
        f"{where} “{column.source}”: {what} where the others are {words}{notation}.{others} "
        f"Correct the file, say that this means missing, or read {'these columns' if more else 'this column'} as text.",
        text=[each.source for each in columns],
    )


def _line_of(table: Table, column: Column, cell: str) -> int | None:
    """Return the line of the first cell of a column with this text, as the owner's editor counts lines."""
    if table.kind != "csv":
        return None
    dialect = table.dialect
    with table.lines.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for _ in range(dialect.skip):
            file.readline()
        reader = csv.reader(file, **dialects.how(dialect.delimiter, dialect.quote))
        try:
            begins = dialect.skip
            for row in reader:
                if column.place < len(row) and row[column.place].strip(conversion.BLANKS) == cell.strip(
                    conversion.BLANKS
                ):
                    return begins + 1
                begins = dialect.skip + reader.line_num
        except csv.Error:
            return None
    return None
