"""CSV as the portal writes it: people open it in spreadsheets, so no text of others is a formula there."""

import csv
import io
from collections.abc import Iterable

from runner.plain_text import neutralised


def lines(rows: Iterable[Iterable[object]]) -> str:
    """The rows as CSV. Nothing is an empty cell; text that a spreadsheet would run is led by an apostrophe."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    return value if isinstance(value, int | float) else neutralised(str(value))
