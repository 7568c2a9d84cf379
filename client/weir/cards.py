"""Cards for notebooks, as HTML. They show what an object already holds: no card makes a call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from weir.declarations import TableSpec

STYLE = "border:1px solid #8886;border-radius:4px;padding:.5em .8em;display:inline-block"
MOST_LINES = 60


def question(text: str, dataset: str) -> str:
    """A question that has not been asked."""
    return _card(
        f"<b>{escape(text)}</b>",
        f"Dataset {escape(dataset)}. Not asked yet: <code>.mock()</code>, <code>.price(error=…)</code>, "
        "<code>.release(error=…)</code>",
    )


def answer(text: str, names: Sequence[str], lines: Iterable[Sequence[object]], below: Sequence[str]) -> str:
    """An answer's figures with what they rest on."""
    return _card(f"<b>{escape(text)}</b>", table(names, lines), *(escape(line) for line in below))


def columns(spec: TableSpec, dataset: str) -> str:
    """A table's declarations."""
    lines = [
        (column.name, column.kind.value, column.range_text, "may be missing" if column.nullable else "")
        for column in spec.columns.values()
    ]
    rows = f"{spec.max_rows} row{'' if spec.max_rows == 1 else 's'}"
    person = (
        f"A row is about the person in <code>{escape(spec.subject)}</code>; at most {rows} of each count."
    )
    return _card(
        f"<b>{escape(spec.name)}</b> of {escape(dataset)}",
        escape(spec.description),
        person if spec.subject else "",
        table(("column", "kind", "bounds or values", ""), lines),
    )


def facts(title: str, pairs: Iterable[tuple[str, object]]) -> str:
    """A title with facts below it."""
    return _card(f"<b>{escape(title)}</b>", table(("", ""), pairs))


def table(names: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Rows of cells, shortened."""
    every = list(lines)
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in line) + "</tr>"
        for line in every[:MOST_LINES]
    )
    more = f"<div>… and {len(every) - MOST_LINES:,} more</div>" if len(every) > MOST_LINES else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _card(*parts: str) -> str:
    return f'<div style="{STYLE}">{"".join(f"<div>{part}</div>" for part in parts if part)}</div>'
