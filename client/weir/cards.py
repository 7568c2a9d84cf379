"""Cards for notebooks, as HTML. They show what an object already holds: no card makes a call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from weir.declarations import TableSpec

STYLE = (
    "border:1px solid #8886;border-radius:4px;padding:.5em .8em;display:inline-block;max-width:100%;"
    "box-sizing:border-box;overflow-x:auto"
)
LEFT = "text-align:left;vertical-align:top"
LINES = "margin:.3em 0;white-space:pre-wrap;overflow-wrap:anywhere;font-family:ui-monospace,monospace;font-size:90%"
"""Long lines are wrapped: nothing is beyond the edge, where a reviewer might not look."""
MOST_LINES = 60
MOST_CODE = 500
SHOWN_CHARACTERS = 200
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)\S*(?:Z|\+00:00)")


def card(title: str, *parts: str) -> str:
    """A frame with a title and parts, which are HTML that other functions here have made."""
    every = (f"<b>{escape(title)}</b>", *parts)
    return f'<div style="{STYLE}">{"".join(f"<div>{part}</div>" for part in every if part)}</div>'


def question(text: str, dataset: str, term: str = "error") -> str:
    """A question that has not been asked. `term`: what its price is given by."""
    return card(
        text,
        f"Dataset {escape(dataset)}. Not asked yet: <code>.mock()</code>, <code>.price({term}=…)</code>, "
        f"<code>.release({term}=…)</code>",
    )


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
    return card(
        f"{spec.name} of {dataset}",
        sentences([spec.description]),
        person if spec.subject else "",
        table(("column", "kind", "bounds or values", ""), lines),
    )


def facts(title: str, pairs: Iterable[tuple[str, object]], *parts: str) -> str:
    """A title with facts below it, and what else there is."""
    shown = [(name.replace("_", " "), brief(value)) for name, value in pairs]
    return card(title, table((), shown) if shown else "", *parts)


def table(names: Sequence[str], lines: Iterable[Sequence[object]], most: int = MOST_LINES) -> str:
    """Rows of cells, without those beyond the most, and without columns that are empty."""
    every = [[str(cell) for cell in line] for line in lines]
    width = max((len(line) for line in every), default=0)
    kept = [
        place for place in range(max(width, len(names))) if not every or any(line[place] for line in every)
    ]
    head = "".join(f'<th style="{LEFT}">{escape(names[place])}</th>' for place in kept) if names else ""
    body = "".join(
        "<tr>" + "".join(f'<td style="{LEFT}">{escape(line[place])}</td>' for place in kept) + "</tr>"
        for line in every[:most]
    )
    more = f"<div>… and {len(every) - most:,} more</div>" if len(every) > most else ""
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>{more}"


def sentences(lines: Iterable[str]) -> str:
    """Sentences, one a line."""
    return "".join(f"<div>{escape(line)}</div>" for line in lines if line)


def text(content: str) -> str:
    """Text with its own line ends. Characters that cannot be seen, or turn others round, are spelled out."""
    return f'<pre style="{LINES}">{escape(_visible(content))}</pre>'


def code(content: str) -> str:
    """Code with the numbers of its lines, which comments name."""
    every = _visible(content).splitlines()
    numbered = [f"{number:>4}  {line}" for number, line in enumerate(every[:MOST_CODE], start=1)]
    more = f"<div>… and {len(every) - MOST_CODE:,} more lines</div>" if len(every) > MOST_CODE else ""
    return text("\n".join(numbered)) + more


def picture(base64: str, name: str, kind: str = "image/png") -> str:
    """A picture, on white as it was made."""
    source = f"data:{escape(kind)};base64,{escape(base64)}"
    return f'<img alt="{escape(name)}" src="{source}" style="max-width:100%;background:#fff">'


def _visible(content: str) -> str:
    return "".join(
        each if each.isprintable() or each in "\t\n" else f"⟨U+{ord(each):04X}⟩" for each in content
    )


def called(value: Any) -> Any:
    """Return what the object of a reference is called. Other values stay as they are, such as parameters."""
    if not isinstance(value, Mapping) or "id" not in value:
        return value
    return next((value[name] for name in ("title", "name", "number", "id") if value.get(name)), "")


def brief(value: object) -> str:
    """A value of the portal's JSON for people: names of objects, times to the minute, numbers to four digits."""
    value = called(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {each!r}" for name, each in value.items())[:SHOWN_CHARACTERS]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and (time := _TIME.fullmatch(value)):
        return f"{time[1]} {time[2]} UTC"
    return str(value)[:SHOWN_CHARACTERS]
