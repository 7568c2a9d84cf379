"""Strict CSV: UTF-8, a header, rows of equal length, bounded size. Rewritten from the values of its cells alone."""

import csv
import io
from collections.abc import Iterator

from runner.contract import CloseCode
from runner.gates.refusal import Refusal
from runner.plain_text import has_loose_blanks, neutralised, readable, tidy

MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
MAX_FIELD = 32_767


def canonical(data: bytes) -> bytes:
    """Return the same table in its one canonical spelling, so that quotes, spaces and line ends carry no message.

    Invisible characters are spelled out, and cells that a spreadsheet would evaluate get an apostrophe in front.
    Raises Refusal.
    """
    text = _text(data)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    clean = _tidied if has_loose_blanks(text) else _kept
    for row in _rows(text):
        writer.writerow([cell if _is_harmless(cell) else neutralised(cell) for cell in clean(row)])
    return out.getvalue().encode("utf-8")


def _is_harmless(cell: str) -> bool:
    """Whether the cell is clearly not a formula: a quick test that settles most words and numbers."""
    return cell[:1].isalnum() or (cell[:1] == "-" and cell[1:].replace(".", "", 1).isdecimal())


def _tidied(row: list[str]) -> list[str]:
    return [cell if cell.isalnum() else tidy(cell) for cell in row]


def _kept(row: list[str]) -> list[str]:
    return row


def _rows(text: str) -> Iterator[list[str]]:
    """Yield the header and the rows. Raises Refusal with the number of the first bad line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = 0
    for number, row in enumerate(_read(reader)):
        line = reader.line_num
        if number == 0:
            width = len(row)
            _check_header(row)
        if len(row) != width:
            raise Refusal(f"Line {line:,} has {_cells(len(row))}, but the header has {width:,}.")
        if number > MAX_ROWS:
            raise Refusal(f"The table has more than {MAX_ROWS:,} rows.", CloseCode.OUTPUT_TOO_BIG)
        if max(map(len, row)) > MAX_FIELD:
            raise Refusal(
                f"A cell on line {line:,} has more than {MAX_FIELD:,} characters.", CloseCode.OUTPUT_TOO_BIG
            )
        yield row


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = data.count(b"\n", 0, bad.start) + 1
        raise Refusal(f"The CSV is not valid UTF-8 (line {line:,}).") from bad
    text = readable(text).rstrip("\n")
    if not text.strip():
        raise Refusal("The CSV is empty.")
    return text + "\n"


def _read(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield the rows of a csv.reader. Turns its errors into refusals."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as bad:
            line: int = reader.line_num  # type: ignore[attr-defined]
            raise Refusal(f"Line {line:,} of the CSV cannot be read: {bad}.") from bad
        yield row


def _check_header(header: list[str]) -> None:
    if not header:
        raise Refusal("The CSV has no header line.")
    if len(header) == 1 and "\t" in header[0]:
        raise Refusal("The columns are separated by tabs. Separate them by commas.")
    if len(header) > MAX_COLUMNS:
        raise Refusal(
            f"The table has {len(header):,} columns; the limit is {MAX_COLUMNS:,}.", CloseCode.OUTPUT_TOO_BIG
        )


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number:,} cells"
