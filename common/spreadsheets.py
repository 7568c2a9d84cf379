"""CSV that the portal writes. People open it in spreadsheets, so no text in it can act as a formula."""

import csv
import io
from collections.abc import Iterable

from runner.plain_text import neutralised


def lines(rows: Iterable[Iterable[object]]) -> str:
    """Return the rows as CSV. None is an empty cell; text that a spreadsheet would run begins with an apostrophe."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    return value if isinstance(value, int | float) else neutralised(str(value))
