"""A file as rows of text fields, whatever its format: opened once, and then looked at or read as a whole."""

from dataclasses import dataclass, field
from pathlib import Path

from datasets.reading import dialects, encodings, engine, names, records
from datasets.reading.conversion import raw
from datasets.reading.dialects import Dialect
from datasets.reading.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file that DuckDB can read as rows of text."""

    kind: str
    path: Path
    """The file that DuckDB reads: the upload itself, or a copy in UTF-8 or as CSV."""
    lines: Path
    """The file in UTF-8 in which lines are counted as its owner counts them."""
    dialect: Dialect
    encoding: str = ""
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sheets: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    def relation(self, *, rejects: bool) -> str:
        """Return the SQL by which DuckDB reads the file: nothing is guessed, and nothing is skipped silently."""
        columns = ", ".join(f"'{raw(place)}': 'VARCHAR'" for place in range(self.dialect.width))
        plain = self.dialect.is_rewritten
        quote = '"' if plain else self.dialect.quote
        options = [
            engine.literal(str(self.path)),
            "auto_detect=false",
            f"header={str(self.dialect.header).lower()}",
            f"skip={self.dialect.skip}",
            f"delim={engine.literal(',' if plain else self.dialect.delimiter)}",
            f"quote={engine.literal(quote)}",
            f"escape={engine.literal(quote)}",
            "compression='none'",
            "strict_mode=true",
            "nullstr=['']",
            f"columns={{{columns}}}",
            "store_rejects=true, rejects_limit=20" if rejects else "ignore_errors=true",
        ]
        return f"read_csv({', '.join(options)})"


def opened(
    source: Path, kind: str, options: Options, room: Path, most: int, *, rows: int | None = None
) -> Table:
    """Open a file as rows of text; copies of at most `most` bytes are written into `room`. Raises Unreadable.

    `rows`: how many are enough, of files that have to be turned into text first.
    """
    if kind == "csv":
        return _opened_csv(source, options, room, most)
    found = records.READS[kind](source, options)
    path = room / "records"
    records.write(found, path, most, rows)
    written = Options(
        delimiter=",", quote='"', skip=options.skip,
        header=True if found.has_names else options.header,
    )  # fmt: skip
    if found.has_names:
        width = len(found.names)
        dialect = Dialect(skip=0, header=True, cells=tuple(found.names), width=width)
    else:
        dialect = dialects.find(path, written)
    labels = names.sources(dialect.cells, are_names=dialect.header)
    return Table(
        kind=kind,
        path=path,
        lines=path,
        dialect=dialect,
        sources=tuple(labels),
        notes=_remarks(dialect),
        sheets=found.sheets,
        labels={
            label: found.labels[cell]
            for cell, label in zip(dialect.cells, labels, strict=True)
            if cell in found.labels
        },
    )  # fmt: skip


def _remarks(dialect: Dialect) -> tuple[str, ...]:
    if dialect.header:
        return dialect.notes
    return (
        *dialect.notes,
        "The first line holds data, not column names. Columns were numbered: give them names.",
    )


def _opened_csv(source: Path, options: Options, room: Path, most: int) -> Table:
    text = encodings.find(source, options.encoding)
    lines, notes = source, list[str]()
    if not text.is_plain:
        lines = room / "utf8"
        encodings.as_utf8(source, lines, text.codec, most)
    if text.first_odd is not None:
        notes.append(
            f"Line {text.first_odd} is not in UTF-8, so the file was read as {text.encoding.capitalize()}."
        )
    dialect = dialects.find(lines, options)
    path = lines
    if dialect.is_rewritten:
        path = room / "rewritten"
        dialects.rewrite(lines, path, dialect, most)
    labels = names.sources(dialect.cells, are_names=dialect.header)
    notes += _remarks(dialect)
    return Table(
        kind="csv",
        path=path,
        lines=lines,
        dialect=dialect,
        encoding=text.encoding,
        sources=tuple(labels),
        notes=tuple(notes),
    )
