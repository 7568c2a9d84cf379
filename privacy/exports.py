"""Answers and the ledger as files. What could be a formula in a spreadsheet is made text."""

import json
from collections.abc import Iterable, Iterator, Sequence

from common import spreadsheets
from privacy.engine.contributions import CAP
from privacy.models import Answer, LedgerLine

MOST_LINES = 100_000
LEDGER_COLUMNS = (
    "at", "line", "scientist", "address", "question", "share_of_budget", "units", "mu", "state", "answer",
)  # fmt: skip


def answer_csv(answer: Answer) -> str:
    """One row a group; for each figure its value and half its 95 % interval. Empty where the noise drowned it."""
    result = answer.result or {"by": [], "lines": []}
    names = list(dict.fromkeys(figure["name"] for line in result["lines"] for figure in line["figures"]))
    # How many rows of a person count stands beside every figure: it is not the number of all rows.
    rows = (answer.record or {}).get("rows_per_person")
    head = [
        *result["by"],
        *(part for name in names for part in (name, f"{name}_half_width_95")),
        *(["rows_per_person_at_most"] if rows else []),
    ]
    lines = _answer_rows(result["lines"], names)
    return spreadsheets.lines([head, *([*line, rows] if rows else line for line in lines)])


def _answer_rows(lines: Sequence[dict[str, object]], names: Sequence[str]) -> Iterator[Sequence[object]]:
    for line in lines:
        figures = {figure["name"]: figure for figure in line["figures"]}  # type: ignore[attr-defined]
        row: list[object] = list(line["key"])  # type: ignore[call-overload]
        for name in names:
            row += [figures[name]["value"], figures[name]["half_width"]]
        yield row


def answer_json(answer: Answer) -> str:
    return json.dumps({"result": answer.result, "record": answer.record}, ensure_ascii=False, indent=2)


def record_json(answer: Answer) -> str:
    return json.dumps(answer.record, ensure_ascii=False, indent=2)


def ledger_csv(lines: Iterable[LedgerLine]) -> Iterator[str]:
    """The ledger in pieces, so that its length does not matter."""
    yield spreadsheets.lines([LEDGER_COLUMNS])
    for line in lines:
        yield spreadsheets.lines([_ledger_row(line)])


def _ledger_row(line: LedgerLine) -> list[object]:
    answer: Answer | None = getattr(line, "answer", None)
    settled = getattr(line, "settled_by", None)
    scientist = line.budget.scientist
    return [
        line.at.isoformat(),
        line.pk,
        scientist.name,
        scientist.email,
        (answer.sql or json.dumps(answer.query, ensure_ascii=False)) if answer else "",
        line.units / CAP,
        line.units,
        answer.mu if answer else "",
        settled.kind if settled else line.kind,
        str(answer.pk) if answer else "",
    ]
