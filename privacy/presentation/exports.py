"""Answers and the ledger as CSV and JSON. Cells that a spreadsheet could run as a formula become text."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.http import HttpResponse, StreamingHttpResponse

from common import spreadsheets
from common.errors import Refused
from privacy.engine.figures import BIN, UP_TO
from privacy.engine.language.display import EVERYTHING, Display, lines_of
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Distribution, Histogram, Query
from privacy.engine.language.wire import decode
from privacy.engine.measure.contributions import CAP
from privacy.engine.plan import joint
from privacy.engine.synthetic_rows import draw
from privacy.models import Answer, LedgerLine

MOST_LINES = 100_000
MOST_CELLS = 10_000_000
"""The most cells of a file of synthetic rows: they are drawn in memory and written for minutes."""
LEDGER_COLUMNS = (
    "at", "line", "scientist", "address", "question", "share_of_budget", "units", "mu", "state", "answer",
)  # fmt: skip


def answer_csv(answer: Answer, display: Display = EVERYTHING) -> str:
    """Return what is shown of an answer as CSV, one row per group: see `figures_csv`."""
    # The cap on rows per person is on every line, because a figure is not over all rows.
    rows = (answer.record or {}).get("rows_per_person")
    has_names = any(name in {UP_TO, *BIN} for name in (answer.result or {}).get("by", ()))
    query = decode(answer.query) if has_names else None
    is_fit = answer.kind == Answer.Kind.FIT  # weights have no intervals
    return figures_csv(answer.result or EMPTY, query, display, rows=rows, with_intervals=not is_fit)


EMPTY: Mapping[str, Any] = {"by": [], "lines": []}


def figures_csv(
    result: Mapping[str, Any],
    query: Query | None,
    display: Display = EVERYTHING,
    *,
    rows: int | None = None,
    with_intervals: bool = True,
) -> str:
    """Return what is shown of a result as CSV, one row per group.

    Each figure has its value, half of its 95 % interval, and half of the interval that holds for all groups together;
    where an interval is not symmetric, its two ends. Cells are empty where the figure was lost in noise. `query` names
    the bins; `rows`: how many of a person count at most, if that is to be on each line.
    """
    figures = [figure for line in result["lines"] for figure in line["figures"]]
    uneven = {figure["name"] for figure in figures if has_ends(figure)}
    factor = joint.factor_of(result)
    even: tuple[str, ...] = ("half_width_95", "half_width_95_joint") if factor else ("half_width_95",)
    if not with_intervals:
        even = ()
    parts = {
        name: ("low_95", "high_95") if name in uneven else even
        for name in dict.fromkeys(figure["name"] for figure in figures)
    }
    keys = [_key_name(name, query) for name in result["by"]]
    head = [*keys, *(column for name in parts for column in _named(name, parts[name]))]
    shown = lines_of(display, result["by"], result["lines"])
    lines = _answer_rows(shown, parts, factor)
    if rows:
        head, lines = [*head, "rows_per_person_at_most"], ([*line, rows] for line in lines)
    return spreadsheets.lines([head, *lines])


def _key_name(name: str, query: Query | None) -> str:
    """Return the heading of a group column; the ends of bins are named after what is in the bins."""
    if name not in {UP_TO, *BIN} or query is None:
        return name
    measure, plain = query.measure, name.replace(" ", "_")
    if name in query.by or not isinstance(measure, Distribution | Histogram):
        return name
    return f"{measure.of.name}_{plain}" if isinstance(measure.of, Column) else plain


def has_ends(figure: Mapping[str, object]) -> bool:
    """Return whether a figure's interval is given by its two ends. Answers stored by earlier versions have none."""
    return figure.get("low") is not None


def _named(name: str, parts: Sequence[str]) -> list[str]:
    return [name, *(f"{name}_{part}" for part in parts)]


def _answer_rows(
    lines: Sequence[dict[str, Any]], parts: Mapping[str, Sequence[str]], factor: float | None
) -> Iterator[Sequence[object]]:
    for line in lines:
        figures = {figure["name"]: figure for figure in line["figures"]}
        row: list[object] = list(line["key"])
        for name, wanted in parts.items():
            found = _parts_of(figures[name], factor)
            row += [found["value"], *(found[part] for part in wanted)]
        yield row


def _parts_of(figure: Mapping[str, Any], factor: float | None) -> dict[str, float | str | None]:
    half = figure["half_width"]
    together = None if half is None or factor is None or figure["name"] in joint.ALONE else half * factor
    return {
        "value": figure["value"],
        "half_width_95": _shortened(half),
        "half_width_95_joint": _shortened(together),
        "low_95": figure.get("low"),
        "high_95": figure.get("high"),
    }


def _shortened(half: float | None) -> float | None:
    """Return half of an interval without the digits that arithmetic leaves (29.999999999947605)."""
    return None if half is None else float(f"{half:.9g}")


def answer_json(answer: Answer, _display: Display = EVERYTHING) -> str:
    """Return all that was released, whatever is shown of it."""
    return json.dumps({"result": answer.result, "record": answer.record}, ensure_ascii=False, indent=2)


def record_json(answer: Answer, _display: Display = EVERYTHING) -> str:
    return json.dumps(answer.record, ensure_ascii=False, indent=2)


ROWS_AT_ONCE = 2_000


def rows_file(answer: Answer, many: int) -> StreamingHttpResponse:
    """Return rows of a synthetic table as a download. Raises Refused for any other answer, or before it is released."""
    if not answer.is_out or answer.kind != Answer.Kind.TABLE:
        raise Refused("Only the answer to a question for a synthetic table has rows, from its release on.")
    columns = len((answer.result or {})["table"]["columns"])
    if many * columns > MOST_CELLS:
        raise Refused(
            f"A file can have {MOST_CELLS:,} cells: {MOST_CELLS // columns:,} rows of this table. Ask for fewer rows, "
            "or draw them with the Python client."
        )
    name = f"{answer.budget.promise.dataset.name}-synthetic-{answer.pk.hex[:8]}-{many}.csv"
    return StreamingHttpResponse(
        rows_csv(draw((answer.result or {})["table"], many)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def rows_csv(drawn: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[str]:
    """Yield rows of a synthetic table as CSV, some at a time. `drawn`: shape (rows,) for each column."""
    yield spreadsheets.lines([drawn])
    many = len(next(iter(drawn.values()), ()))
    for begin in range(0, many, ROWS_AT_ONCE):
        part = [cells(column[begin : begin + ROWS_AT_ONCE]) for column in drawn.values()]
        yield spreadsheets.lines(zip(*part, strict=True))


def cells(column: np.ndarray[Any, Any]) -> list[object]:
    """Return drawn values as whole numbers, floats, ISO dates or text, true or false; None where one is missing."""
    if column.dtype.kind == "M":
        return [None if np.isnat(day) else str(day) for day in column]
    values: list[object] = column.tolist()  # None for what is masked
    if column.dtype.kind == "f":
        return [None if value != value else value for value in values]  # noqa: PLR0124 -- NaN alone differs from itself
    return [str(value).lower() if isinstance(value, bool) else value for value in values]


FORMS: dict[str, tuple[str, str, Callable[[Answer, Display], str]]] = {
    "csv": ("text/csv; charset=utf-8", ".csv", answer_csv),
    "json": ("application/json", ".json", answer_json),
    "record": ("application/json", "-record.json", record_json),
}
"""The files of an answer: media type, end of the name, and what writes it."""


def file_of(answer: Answer, form: str, display: Display) -> HttpResponse:
    """Return an answer as a download in one of the FORMS; a table holds what is shown."""
    media, ending, write = FORMS[form]
    name = f"{answer.budget.promise.dataset.name}-{answer.pk.hex[:8]}{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(write(answer, display), content_type=media, headers=headers)


def ledger_csv(lines: Iterable[LedgerLine]) -> Iterator[str]:
    """Yield the ledger as CSV, line by line, so that memory does not grow with its length."""
    yield spreadsheets.lines([LEDGER_COLUMNS])
    for line in lines:
        yield spreadsheets.lines([_ledger_row(line)])


def _asked(line: LedgerLine, answer: Answer | None) -> str:
    """Return what was asked, as SQL if it was asked in SQL; empty if nothing was computed."""
    if answer and answer.sql:
        return answer.sql
    asked = line.purpose["query"] if line.is_joint else answer and answer.query
    return json.dumps(asked, ensure_ascii=False) if asked else ""


def _ledger_row(line: LedgerLine) -> list[object]:
    answer: Answer | None = getattr(line, "answer", None)
    settled = getattr(line, "settled_by", None)
    budget = line.budget
    return [
        line.at.isoformat(),
        line.pk,
        budget.holder,
        "" if budget.is_everybody else budget.scientist.email,
        _asked(line, answer),
        line.units / CAP,
        line.units,
        answer.mu if answer else "",
        settled.kind if settled else line.kind,
        str(answer.pk) if answer else "",
    ]
