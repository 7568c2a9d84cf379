"""Finds out how a text file is divided into fields, from its beginning."""

import csv
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.reading import inference
from datasets.reading.formats import ISO_DATE, ISO_TIME
from datasets.reading.options import Options
from datasets.reading.outcome import Unreadable

HEAD = 256 * 1024
DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 50
MOST_TITLES = 5
"""The lines with fewer fields, such as a title, that may come before a table."""
TYPED = (inference.number_pattern("."), inference.number_pattern(","), ISO_DATE, ISO_TIME, inference.TRUTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The delimiter, the quote, the lines before the table, and whether column names come first."""

    delimiter: str = ","
    quote: str = '"'
    skip: int = 0
    header: bool = True
    cells: tuple[str, ...] = ()
    """The column names as the file has them; if it has none, an empty text for each column."""
    is_rewritten: bool = False
    """Whether DuckDB cannot read the file as it is: blanks before quotes, or runs of blanks between fields."""
    width: int = 0
    notes: tuple[str, ...] = ()


def head_of(source: Path) -> list[str]:
    """Return the first complete lines of a UTF-8 file. Raises Unreadable if there is nothing."""
    with source.open("rb") as stream:
        head = stream.read(HEAD)
    lines = head.decode("utf-8-sig", errors="replace").splitlines(keepends=True)
    if len(head) == HEAD and len(lines) > 1:
        lines = lines[:-1]
    if not any(line.strip() for line in lines):
        raise Unreadable("This file is empty. Choose another one.", final=True)
    return lines


def find(source: Path, options: Options) -> Dialect:
    """Find the dialect of a UTF-8 file, as far as it is not asked for. Raises Unreadable."""
    lines = head_of(source)
    declared = re.fullmatch(r"sep=(.)\s*", lines[0])
    quote = options.quote if options.quote is not None else _quote(lines)
    delimiter = options.delimiter or (declared[1] if declared and declared[1] in DELIMITERS else "")
    delimiter = delimiter or _delimiter(lines, quote)
    skip = options.skip if options.skip is not None else _skipped(lines, delimiter, quote)
    rows = [row for row in parsed(lines[skip:], delimiter, quote, limit=LOOKED_AT) if row]
    if not rows:
        raise Unreadable("There is nothing left in this file below the lines that are left out.")
    header = options.header if options.header is not None else has_header(rows)
    if header and len(rows) < 2 and source.stat().st_size <= HEAD:
        raise Unreadable("This file has a line of column names and no rows below it.")
    first, below = rows[0], rows[1:] if header else rows
    if skip and options.skip is None:
        are = "lines before the table were" if skip > 1 else "line before the table was"
        left = [f"{skip} {are} left out."]
    else:
        left = []
    width, notes = _width(first if header else None, below)
    names = first if header else [""] * width
    cells = (
        names if len(names) == width else ["", *names] if _are_numbered(names, below, width) else [*names, ""]
    )
    return Dialect(
        delimiter=delimiter,
        quote=quote,
        skip=skip,
        header=header,
        cells=tuple(cells[:width]),
        is_rewritten=_needs_rewriting(lines, delimiter, quote),
        width=width,
        notes=(*left, *notes),
    )


def parsed(lines: Sequence[str], delimiter: str, quote: str, *, limit: int) -> list[list[str]]:
    """Split the first lines into fields."""
    reader = csv.reader(lines, **how(delimiter, quote))
    try:
        return [_without_end(row, delimiter) for row in itertools.islice(reader, limit)]
    except csv.Error as bad:
        raise Unreadable(
            "The first lines of this file cannot be divided into fields. Check its quotes."
        ) from bad


def how(delimiter: str, quote: str) -> dict[str, Any]:
    """Return what the csv module needs to read a dialect."""
    quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    return {"delimiter": delimiter, "quotechar": quote or '"', "quoting": quoting, "skipinitialspace": True}


def _without_end(row: list[str], delimiter: str) -> list[str]:
    """Leave out the empty field that blanks at the end of a line make, if blanks divide fields."""
    return row[:-1] if delimiter == " " and len(row) > 1 and not row[-1] else row


def _quote(lines: Sequence[str]) -> str:
    head = "".join(lines[:200])
    single = len(re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n])", head, re.MULTILINE))
    return "'" if '"' not in head and single >= max(2, min(len(lines), 200) // 2) else '"'


def _delimiter(lines: Sequence[str], quote: str) -> str:
    """Return the delimiter that splits most of the first lines into the same number of fields, and into the most."""

    def score(delimiter: str) -> tuple[int, int]:
        rows = [row for row in parsed(lines, delimiter, quote, limit=LOOKED_AT) if any(row)]
        widths = [len(row) for row in rows]
        usual = max(set(widths), key=lambda width: (widths.count(width), width), default=0)
        return (widths.count(usual) if usual > 1 else 0, usual)

    best = max(DELIMITERS, key=score)
    if score(best)[0] or not score(" ")[0]:
        return best
    is_table = score(" ")[0] >= (min(len(lines), LOOKED_AT) - 1) * 0.9
    return " " if is_table else best


def _skipped(lines: Sequence[str], delimiter: str, quote: str) -> int:
    """Return how many lines come before the table: blank ones, comments, a title."""
    skip = 0
    while skip < len(lines) - 1 and (
        not lines[skip].strip() or lines[skip].startswith("#") or re.fullmatch(r"sep=.\s*", lines[skip])
    ):
        skip += 1
    widths = [len(row) for row in parsed(lines[skip:], delimiter, quote, limit=30)]
    usual = max(set(widths), key=widths.count, default=1)
    titles = next((place for place, width in enumerate(widths) if width >= usual - 1 and width > 1), 0)
    is_plain = not any('"' in line for line in lines[skip : skip + titles])
    return skip + titles if usual > 1 and titles <= MOST_TITLES and is_plain else skip


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: there is a text where the rows below hold numbers, dates or true and false.

    Without such a column, a first row with a number where the others have one is data.
    """
    first, below = rows[0], rows[1:]
    if not below:
        return not any(_is_typed(cell) for cell in first)
    if {len(row) for row in below} == {len(first) + 1} and len(below) > 1:
        return True  # as R writes a table with names of rows
    for_it = against = 0
    for place, cell in enumerate(first):
        column = [row[place].strip() for row in below if place < len(row) and row[place].strip()]
        filled = [text for text in column if text not in _MISSING]
        typed = bool(filled) and sum(map(_is_typed, filled)) > len(filled) / 2
        if cell.strip() and typed:
            for_it += not _is_typed(cell)
            against += _is_typed(cell)
        elif _is_typed(cell) and filled:
            for_it += 1
    return for_it > 0 or against == 0 or _are_counted(first)


_MISSING = frozenset({"NA", "NaN", "nan", "NULL", "null", ".", "-", "?"})


def _is_typed(cell: str) -> bool:
    return any(re.fullmatch(pattern, cell.strip()) for pattern in TYPED)


def _are_counted(names: Sequence[str]) -> bool:
    """Whether names are 0, 1, 2, … as programs number columns without names."""
    texts = [name.strip() for name in names]
    return len(texts) > 2 and any(
        texts in ([*map(str, range(start, start + len(texts)))], ["", *map(str, range(start, start + len(texts) - 1))])
        for start in (0, 1)
    )  # fmt: skip


def _width(names: Sequence[str] | None, below: Sequence[Sequence[str]]) -> tuple[int, list[str]]:
    """Return the number of fields: that of the names, or one more if every row has one more."""
    widths = {len(row) for row in below}
    if names is None:
        return max(set(map(len, below)), key=[len(row) for row in below].count), []
    if widths == {len(names) + 1} and len(below) > 1:
        return len(names) + 1, ["Every row has one field more than the line of column names."]
    return len(names), []


def _are_numbered(names: Sequence[str], below: Sequence[Sequence[str]], width: int) -> bool:
    """Whether the field without a name is the first one, as R writes the names of rows."""
    return len(names) == width - 1 and any(row[-1].strip() for row in below if row)


def _needs_rewriting(lines: Sequence[str], delimiter: str, quote: str) -> bool:
    if delimiter == " ":
        return True
    return bool(quote) and any(
        re.search(rf"{re.escape(delimiter)}[ ]+{re.escape(quote)}", line) for line in lines
    )


def rewrite(source: Path, target: Path, dialect: Dialect, most: int) -> None:
    """Write the file again as plain CSV, which DuckDB reads."""
    with (
        source.open(encoding="utf-8-sig", newline="") as text,
        target.open("w", encoding="utf-8", newline="") as copy,
    ):
        for _ in range(dialect.skip):
            copy.write(text.readline().rstrip("\r\n") + "\n")
        writer = csv.writer(copy, lineterminator="\n")
        try:
            for number, row in enumerate(csv.reader(text, **how(dialect.delimiter, dialect.quote))):
                writer.writerow(_without_end(row, dialect.delimiter))
                if number % 10_000 == 0 and target.stat().st_size > most:
                    raise Unreadable("This file is too large to be rewritten as CSV. Split it.", final=True)
        except csv.Error as bad:
            raise Unreadable("A field of this file is longer than 4 MB. Check its quotes.") from bad
