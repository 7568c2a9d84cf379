"""CSV as the gates accept it: UTF-8, a header, every row as long as it, bounded, formulas made plain text."""

import csv
import io
import re
from collections.abc import Iterator

from runner.contract import CloseCode
from runner.hostile import Refusal, control_line

MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
MAX_FIELD = 32_767

FORMULA = re.compile(r"\s*(?:[=+\-@\uff1d\uff0b\uff0d\uff20].|[\t\r\n])", re.DOTALL)
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?%?|[+-](?:inf|nan)", re.IGNORECASE)


def canonical(data: bytes) -> bytes:
    """The same table in one plain spelling, with cells that a spreadsheet would run led by an apostrophe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for row in rows(data):
        writer.writerow([cell if cell[:1].isalnum() else neutralised(cell) for cell in row])
    return out.getvalue().encode("utf-8")


def rows(data: bytes) -> Iterator[list[str]]:
    """The header and the rows. Raises Refusal with the line that is wrong."""
    text = _text(data)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = 0
    for number, row in enumerate(_read(reader)):
        line = reader.line_num
        if number == 0:
            width = len(row)
            _check_header(row)
        if len(row) != width:
            raise Refusal(f"Line {line:,} has {_cells(len(row))}, the header has {width:,}.")
        if number > MAX_ROWS:
            raise Refusal(f"The table has more than {MAX_ROWS:,} rows.", CloseCode.OUTPUT_TOO_BIG)
        if max(map(len, row)) > MAX_FIELD:
            raise Refusal(
                f"A cell on line {line:,} has more than {MAX_FIELD:,} characters.", CloseCode.OUTPUT_TOO_BIG
            )
        yield row


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would compute this cell rather than show it."""
    return FORMULA.match(cell) is not None and NUMBER.fullmatch(cell.strip()) is None


def neutralised(cell: str) -> str:
    """The cell as text: one that a spreadsheet would run is led by an apostrophe."""
    return "'" + cell if is_formula(cell) else cell


def was_formula(cell: str) -> bool:
    """Whether this cell of a canonical table was led by an apostrophe at the gate."""
    return cell.startswith("'") and is_formula(cell[1:])


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = data.count(b"\n", 0, bad.start) + 1
        raise Refusal(f"The CSV is not UTF-8 (line {line:,}).") from bad
    if not text.strip():
        raise Refusal("The CSV is empty.")
    line_of_control = control_line(text)
    if line_of_control is not None:
        raise Refusal(f"The CSV has a control or invisible character on line {line_of_control:,}.")
    return text.rstrip("\r\n") + "\n"


def _read(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows of a csv.reader, with its errors as refusals."""
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
    if len(header) > MAX_COLUMNS:
        raise Refusal(
            f"The table has {len(header):,} columns; {MAX_COLUMNS:,} is the limit.", CloseCode.OUTPUT_TOO_BIG
        )


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number:,} cells"
