"""Reads CSV into a table: one streaming pass by DuckDB, which reports each fault with its line."""

import csv
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from datasets.reading import engine, inference
from datasets.reading.inference import KIND_WORDS, SQL_TYPES
from datasets.reading.outcome import Unreadable, check_names

HEAD = 256 * 1024
DELIMITERS = (",", ";", "\t", "|")
MISSING = ("", "NA", "NaN", "NULL", "null")
ATTEMPTS = 4
csv.field_size_limit(4 * 1024 * 1024)
ODD = "weir: not a whole number"
CELLS_PER_GROUP = 4_000_000
ENCODINGS = {"utf-8": "utf-8", "latin-1": "latin-1"}


Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The delimiter, encoding, column names and decimal mark of a file."""

    delimiter: str
    encoding: str
    names: tuple[str, ...]
    mark: str = "."


def read(
    source: Path, target: Path, *, encoding: str, as_text: frozenset[str], progress: Progress
) -> dict[str, str]:
    """Write the file's rows to `target` as Parquet. Return {column: stored type}. Raises Unreadable with a reason."""
    dialect = sniff(source, encoding)
    unknown = sorted(as_text - set(dialect.names))
    if unknown:
        raise Unreadable(f"There is no column named “{unknown[0]}”.")
    database = engine.connect()
    dialect, kinds = _infer(database, source, dialect, as_text)
    for _ in range(ATTEMPTS):
        try:
            with _watched(database, progress):
                _copy(database, source, target, dialect, kinds)
        except duckdb.InvalidInputException as stop:
            if ODD not in str(stop):
                raise
            kinds = _widened(database, source, dialect, kinds)
            continue
        if faults := _faults(database):
            raise _explained(faults[0], dialect, kinds)
        better = _fill_unseen(database, target, dialect, kinds, as_text)
        if better == kinds:
            return kinds
        kinds = better
    raise Unreadable(
        "The types of this file's columns could not be determined. Make each column contain one type of value."
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


def sniff(source: Path, encoding: str) -> Dialect:
    """Detect the delimiter and the column names from the beginning of the file. Raises Unreadable."""
    with source.open("rb") as stream:
        head = stream.read(HEAD)
    text = _decode(head, encoding)
    if not text.strip():
        raise Unreadable("This file is empty. Choose another one.")
    lines = text.splitlines(keepends=True)
    if len(head) == HEAD and len(lines) > 1:
        lines = lines[:-1]
    delimiter = _delimiter(lines)
    names = next(csv.reader(lines, delimiter=delimiter, strict=False), [])
    check_names(names)
    if all(_is_number(name) for name in names):
        raise Unreadable(
            "Line 1 contains numbers where the column names should be. Add a line of column names."
        )
    if len(head) < HEAD and not any(line.strip() for line in itertools.islice(lines, 1, None)):
        raise Unreadable("This file has a line of column names and no rows below it.")
    return Dialect(delimiter=delimiter, encoding=encoding, names=tuple(names))


def _decode(head: bytes, encoding: str) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise Unreadable(
            "This is not a CSV file in UTF-8 (it may be UTF-16 or binary). Save it as CSV, UTF-8."
        )
    if encoding == "latin-1":
        return head.decode("latin-1")
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    whole = text[:-4] if len(head) == HEAD else text
    bad = next((place for place, sign in enumerate(whole) if "\udc80" <= sign <= "\udcff"), None)
    if bad is not None:
        raise wrong_encoding(text.count("\n", 0, bad) + 1)
    return text


def wrong_encoding(line: int) -> Unreadable:
    return Unreadable(
        f"Line {line}: the text is not in UTF-8. It may be Latin-1 (Windows). "
        "Save the file as CSV, UTF-8, or read it as Latin-1.",
        encoding="latin-1",
    )


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that splits most of the first lines into the same number of fields, and into the most."""

    def score(delimiter: str) -> tuple[int, int]:
        rows = [row for row in itertools.islice(csv.reader(lines, delimiter=delimiter), 30) if row]
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows) if width > 1 else 0, width)

    return max(DELIMITERS, key=score)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _relation(source: Path, dialect: Dialect, kinds: dict[str, str], *, rejects: bool) -> str:
    """Return the SQL by which DuckDB reads the file: nothing is guessed, and nothing is skipped silently."""
    columns = ", ".join(f"{engine.literal(name)}: '{SQL_TYPES[kind]}'" for name, kind in kinds.items())
    missing = ", ".join(engine.literal(text) for text in MISSING)
    options = [
        engine.literal(str(source)),
        "auto_detect=false",
        "header=true",
        f"delim={engine.literal(dialect.delimiter)}",
        "quote='\"'",
        "escape='\"'",
        "compression='none'",
        "strict_mode=true",
        f"encoding='{ENCODINGS[dialect.encoding]}'",
        f"decimal_separator='{dialect.mark}'",
        f"nullstr=[{missing}]",
        f"columns={{{columns}}}",
    ]
    options.append("store_rejects=true, rejects_limit=20" if rejects else "ignore_errors=true")
    return f"read_csv({', '.join(options)})"


def _infer(
    database: duckdb.DuckDBPyConnection, source: Path, dialect: Dialect, as_text: frozenset[str]
) -> tuple[Dialect, dict[str, str]]:
    texts = dict.fromkeys(dialect.names, "string")
    rows = _relation(source, dialect, texts, rejects=False)
    limit = inference.SAMPLE_ROWS
    database.execute(f"CREATE TEMP TABLE sample AS SELECT * FROM {rows} LIMIT {limit}")  # noqa: S608 -- quoted
    seen = inference.count(database, "sample", list(dialect.names), dialect.mark)
    mark = inference.decimal_mark(dialect.delimiter, seen)
    if mark != dialect.mark:
        seen = inference.count(database, "sample", list(dialect.names), mark)
    database.execute("DROP TABLE sample")
    settled = Dialect(delimiter=dialect.delimiter, encoding=dialect.encoding, names=dialect.names, mark=mark)
    return settled, {
        name: "string" if name in as_text else inference.kind(each) for name, each in seen.items()
    }


def _copy(
    database: duckdb.DuckDBPyConnection, source: Path, target: Path, dialect: Dialect, kinds: dict[str, str]
) -> None:
    group = min(122_880, max(2048, CELLS_PER_GROUP // len(kinds) // 2048 * 2048))
    _forget_faults(database)
    # DuckDB would silently round 7.5 to 8 and read 007 as 7, so whole numbers are read as text and converted here.
    typed = {name: "string" if kind == "int64" else kind for name, kind in kinds.items()}
    cells = ", ".join(_whole(name) if kind == "int64" else engine.name(name) for name, kind in kinds.items())
    rows, goal = _relation(source, dialect, typed, rejects=True), engine.literal(str(target))
    database.execute(f"COPY (SELECT {cells} FROM {rows}) TO {goal} (FORMAT parquet, ROW_GROUP_SIZE {group})")  # noqa: S608 -- quoted


def _whole(column: str) -> str:
    """Return the SQL that converts text to a whole number with the same digits; anything else stops the query."""
    it = engine.name(column)
    value = f"TRY_CAST({it} AS BIGINT)"
    return (
        f"CASE WHEN {it} IS NULL THEN NULL WHEN {value}::VARCHAR = {it} THEN {value} "
        f"ELSE error('{ODD}')::BIGINT END AS {it}"
    )


def _widened(
    database: duckdb.DuckDBPyConnection, source: Path, dialect: Dialect, kinds: dict[str, str]
) -> dict[str, str]:
    """Correct the types of columns that do not contain only whole numbers. Raises Unreadable if one contains text."""
    whole = [name for name, kind in kinds.items() if kind == "int64"]
    texts = dict.fromkeys(dialect.names, "string")
    relation = _relation(source, dialect, texts, rejects=False)
    better = dict(kinds)
    for name, seen in inference.count(database, relation, whole, dialect.mark).items():
        if seen.whole == seen.filled:
            continue
        if seen.codes:
            better[name] = "string"
        elif seen.number == seen.filled:
            better[name] = "double"
        else:
            raise _first_text(database, source, dialect, kinds, name)
    return better


def _first_text(
    database: duckdb.DuckDBPyConnection, source: Path, dialect: Dialect, kinds: dict[str, str], column: str
) -> Unreadable:
    """Report the first text in a column of whole numbers."""
    _forget_faults(database)
    typed = {name: "double" if name == column else "string" for name in dialect.names}
    rows = _relation(source, dialect, typed, rejects=True)
    database.execute(f"SELECT count({engine.name(column)}) FROM {rows}").fetchall()  # noqa: S608 -- quoted
    faults = _faults(database)
    if faults:
        return _explained(faults[0], dialect, kinds)
    return Unreadable(
        f"Column “{column}” contains different types of values. Read it as text.", text=[column]
    )


def _forget_faults(database: duckdb.DuckDBPyConnection) -> None:
    database.execute("DROP TABLE IF EXISTS reject_errors")
    database.execute("DROP TABLE IF EXISTS reject_scans")


def _faults(database: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """Return what DuckDB could not read, in the order of the file."""
    return database.execute(
        "SELECT line, column_name, error_type, csv_line FROM reject_errors ORDER BY line, column_idx"
    ).fetchall()


def _fill_unseen(
    database: duckdb.DuckDBPyConnection,
    target: Path,
    dialect: Dialect,
    kinds: dict[str, str],
    as_text: frozenset[str],
) -> dict[str, str]:
    """Infer the types of columns whose sample was empty from all their cells."""
    texts = [name for name, kind in kinds.items() if kind == "string" and name not in as_text]
    if not texts:
        return kinds
    relation = f"read_parquet({engine.literal(str(target))})"
    firsts = ", ".join(f"count({engine.name(name)})" for name in texts)
    sample = f"(SELECT * FROM {relation} LIMIT {inference.SAMPLE_ROWS})"  # noqa: S608 -- quoted
    counted = database.execute(f"SELECT {firsts} FROM {sample}").fetchone() or ()  # noqa: S608 -- quoted
    unseen = [name for name, filled in zip(texts, counted, strict=True) if not filled]
    if not unseen:
        return kinds
    found = inference.count(database, relation, unseen, dialect.mark)
    return {**kinds, **{name: inference.kind(each) for name, each in found.items()}}


def _explained(fault: tuple[object, ...], dialect: Dialect, kinds: dict[str, str]) -> Unreadable:
    """Explain a fault to the owner: line, column and what type of value is wrong, but not the value itself."""
    line, column, kind, text = fault
    match kind:
        case "CAST":
            return _mixed(line, str(column), str(text), dialect, kinds)
        case "MISSING COLUMNS" | "TOO MANY COLUMNS":
            have = len(next(csv.reader([str(text)], delimiter=dialect.delimiter), []))
            return Unreadable(
                f"Line {line} has {have} fields, but the line of column names has {len(dialect.names)}."
            )
        case "UNQUOTED VALUE":
            return Unreadable(
                f'Line {line}: a quote (") is not closed, or is followed by text after it is closed.'
            )
        case "INVALID ENCODING":
            return wrong_encoding(int(str(line)))
        case "LINE SIZE OVER MAXIMUM":
            return Unreadable(f"Line {line} is longer than 2 MB. Check the quotes before it.")
        case _:
            return Unreadable(f"Line {line} cannot be read. Correct it and upload the file again.")


def _mixed(line: object, column: str, text: str, dialect: Dialect, kinds: dict[str, str]) -> Unreadable:
    cells = next(csv.reader([text], delimiter=dialect.delimiter), [])
    place = dialect.names.index(column)
    found = "a number" if place < len(cells) and _is_number(cells[place]) else "text"
    return Unreadable(
        f"Line {line}, column “{column}”: {found} where the others are {KIND_WORDS[kinds[column]]}. "
        "Correct the file, or read this column as text.",
        text=[column],
    )
