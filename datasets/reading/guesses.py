"""Guesses how the columns of a text table are read, from a sample of its rows, as far as the owner does not say."""

from dataclasses import dataclass, replace

import duckdb

from datasets.reading import conversion, inference, names
from datasets.reading.conversion import Column, Marks, cells
from datasets.reading.engine import literal, name
from datasets.reading.formats import CLOCK, FORMATS, GUESSED, ISO
from datasets.reading.inference import MARKERS
from datasets.reading.options import MISSING, Options
from datasets.reading.outcome import Unreadable
from datasets.reading.texts import Table

HOLLOW = "A column without a name and without values was"
NEARLY = 0.9
"""The share of cells that have to be dates of a notation, or numbers beside markers, before that is guessed."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What was guessed: marks, columns that are kept, those left out, and remarks for the owner."""

    marks: Marks
    missing: tuple[str, ...]
    columns: tuple[Column, ...]
    left_out: tuple[Column, ...]
    notes: tuple[str, ...] = ()


def guess(database: duckdb.DuckDBPyConnection, table: Table, options: Options) -> Guess:
    """Guess from the first rows. Raises Unreadable if the owner names a column that the file does not have."""
    if unknown := sorted(set(options.columns) - set(table.sources)):
        raise Unreadable(f"There is no column named “{unknown[0]}”.")
    missing = MISSING if options.missing is None else options.missing
    trim = True if options.trim is None else options.trim
    every = [_begun(place, source, options, missing) for place, source in enumerate(table.sources)]
    database.execute(f"SET TimeZone={literal(options.zone or 'UTC')}")
    limit = min(inference.SAMPLE_ROWS, max(200, inference.SAMPLE_CELLS // len(every)))
    source = cells(table.relation(rejects=False), every, Marks(trim=trim))
    database.execute(f"CREATE OR REPLACE TEMP TABLE sample AS SELECT * FROM {source} LIMIT {limit}")  # noqa: S608 -- quoted
    raws = [column.raw for column in every]
    seen = inference.count(database, "sample", raws)
    marks = _marks(table, options, seen, trim=trim)
    if (marks.decimal, marks.thousands) != (".", ""):
        seen = inference.count(database, "sample", raws, decimal=marks.decimal, thousands=marks.thousands)
    typed = [_typed(column, seen[column.raw], options) for column in every]
    typed, notes = _looked_closer(database, typed, seen, options, marks)
    database.execute("DROP TABLE sample")
    kept, left = _divided(typed, table, seen, options)
    if hollow := len([each for each in left if not options.column(each.source).leave_out]):
        these = f"{hollow} columns without names and without values were" if hollow > 1 else HOLLOW
        notes.append(f"{these} left out.")
    if table.dialect.header:
        named = [(each.place + 1, table.dialect.cells[each.place], each.source) for each in kept]
        notes += names.notes(each for each in named if not options.column(each[2]).name)
    names.check([column.name for column in kept])
    return Guess(marks, missing, tuple(kept), tuple(left), tuple(notes))


def _marks(table: Table, options: Options, seen: dict[str, inference.Counts], *, trim: bool) -> Marks:
    delimiter = table.dialect.delimiter if table.kind == "csv" else ","
    decimal, thousands = inference.marks(delimiter, seen)
    decimal = options.decimal or ("." if decimal == options.thousands else decimal)
    thousands = thousands if options.thousands is None else options.thousands
    return Marks(
        decimal=decimal,
        thousands="" if thousands == decimal else thousands,
        trim=trim,
        zone=options.zone or "UTC",
    )


def _divided(
    typed: list[Column], table: Table, seen: dict[str, inference.Counts], options: Options
) -> tuple[list[Column], list[Column]]:
    """Return the columns that are kept, and those that are left out: those with nothing, and as the owner wants."""
    hollow = [each.source for each in typed if _is_hollow(each, table, seen, options)]
    left = [each for each in typed if each.source in hollow or options.column(each.source).leave_out]
    kept = [each for each in typed if each not in left]
    return kept, left


def _is_hollow(column: Column, table: Table, seen: dict[str, inference.Counts], options: Options) -> bool:
    """Whether a column has neither a name nor a value, as delimiters at the end of each line make it."""
    is_named = bool(table.dialect.cells[column.place].strip()) or not table.dialect.header
    return not is_named and not seen[column.raw].filled and column.source not in options.columns


def _begun(place: int, source: str, options: Options, missing: tuple[str, ...]) -> Column:
    asked = options.column(source)
    return Column(
        place=place,
        source=source,
        name=asked.name or source,
        missing=missing if asked.missing is None else asked.missing,
    )


def _typed(column: Column, seen: inference.Counts, options: Options) -> Column:
    asked = options.column(column.source)
    if asked.format:
        kind = asked.type if asked.type in {"date32", "timestamp"} else "date32"
        return replace(column, kind=kind, format=asked.format, is_asked=bool(asked.type))
    if asked.type:
        return replace(column, kind=asked.type, is_asked=True)
    kind, expected = inference.kind(seen), options.expected.get(column.name, "")
    stays = expected == "string" or (kind, expected) == ("int64", "double")
    return replace(column, kind=expected if stays else kind)


def _looked_closer(
    database: duckdb.DuckDBPyConnection,
    columns: list[Column],
    seen: dict[str, inference.Counts],
    options: Options,
    marks: Marks,
) -> tuple[list[Column], list[str]]:
    """Look for dates in other notations, and for markers of missing values, in columns that would be text."""
    found, notes = [], list[str]()
    for column in columns:
        asked, counts = options.column(column.source), seen[column.raw]
        dated = column.kind in {"date32", "timestamp"} and not asked.format
        is_open = not asked.type and options.expected.get(column.name) != "string"
        if column.kind == "string" and is_open and counts.filled and not counts.codes:
            closer, ambiguous = _dated(database, column, counts.filled)
            if ambiguous:
                notes.append(
                    f"Column “{column.name}” may hold dates as {' or '.join(ambiguous)}, so it was kept as text. "
                    "Choose the notation to read it as dates."
                )
        elif dated and column.is_asked and counts.filled and not counts.date + counts.time:
            closer = replace(_dated(database, column, counts.filled)[0], kind=column.kind)
        else:
            closer = column
        if asked.missing is None and closer.kind != "bool" and (is_open or closer.kind != "string"):
            closer = _with_markers(database, closer, counts, marks)
        found.append(closer)
    return found, notes


def _dated(
    database: duckdb.DuckDBPyConnection, column: Column, filled: int
) -> tuple[Column, tuple[str, ...]]:
    """Return the column as dates if one notation fits nearly all of its cells; or the notations, if several do."""
    it = name(column.raw)
    looks = [f"{FORMATS[each][1]}([ T]{CLOCK})?" for each in GUESSED]
    tests = ", ".join(f"count(*) FILTER (regexp_full_match({it}, {literal(each)}))" for each in looks)
    row = database.execute(f"SELECT {tests} FROM sample").fetchone() or ()  # noqa: S608 -- quoted
    alike = [each for each, many in zip(GUESSED, row, strict=True) if many >= filled * NEARLY]
    fits: dict[str, str] = {}
    for notation in alike:
        for kind in ("date32", "timestamp"):
            as_date = replace(column, kind=kind, format=notation)
            good = f"count({conversion.value(as_date, it, Marks())})"
            (many,) = database.execute(f"SELECT {good} FROM sample").fetchone() or (0,)  # noqa: S608 -- quoted
            if many == filled or (many >= filled * NEARLY and filled > 20):
                fits[notation] = kind
                break
    if len(fits) > 1:
        best = [each for each in fits if _all_fit(database, replace(column, kind=fits[each], format=each))]
        fits = {each: fits[each] for each in best} if len(best) == 1 else fits
    if len(fits) == 1:
        (notation, kind), *_ = fits.items()
        return replace(column, kind=kind, format=notation), ()
    return column, tuple(fits)


def _all_fit(database: duckdb.DuckDBPyConnection, column: Column) -> bool:
    (many,) = database.execute(
        f"SELECT count(*) FROM sample WHERE {conversion.odd(column, Marks())}"  # noqa: S608 -- quoted
    ).fetchone() or (1,)
    return bool(many == 0)


def _with_markers(
    database: duckdb.DuckDBPyConnection, column: Column, seen: inference.Counts, marks: Marks
) -> Column:
    """Let usual markers, such as a single point, mean missing in a column whose other cells are all of one type."""
    fitting = {
        "string": 0, "int64": seen.whole, "double": seen.number, "date32": seen.date,
        "timestamp": seen.time + seen.date,
    }[column.kind]  # fmt: skip
    if not seen.filled or seen.filled == fitting or column.format != ISO:
        return column
    it = name(column.raw)
    listed = ", ".join(map(literal, MARKERS))
    held = database.execute(
        f"SELECT {it}, count(*) FROM sample WHERE {it} IN ({listed}) GROUP BY 1"  # noqa: S608 -- quoted
    ).fetchall()
    found = {str(marker): int(many) for marker, many in held}
    rest = seen.filled - sum(found.values())
    if not found or not rest:
        return column
    if column.kind != "string":
        return replace(column, missing=(*column.missing, *found)) if rest == fitting else column
    hits = {"int64": seen.whole, "double": seen.number, "timestamp": seen.time, "date32": seen.date}
    kind = next((each for each, many in hits.items() if many == rest and not seen.codes), "")
    return replace(column, kind=kind, missing=(*column.missing, *found)) if kind else column
