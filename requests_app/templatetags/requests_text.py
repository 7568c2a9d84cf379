"""Filters and tags for the review lane's pages, and the table of code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import nh3
from django import template
from django.template.loader import render_to_string
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from datasets.declarations.schema import UNITS, bound_text

if TYPE_CHECKING:
    from requests_app.code.diffs import Row

register = template.Library()

FINDING_ICONS = {"error": "alert-circle", "warning": "alert-triangle"}
SIGNS = {"added": "+", "removed": "−"}
SIGN_WORDS = {"added": "added", "removed": "removed", "changed": "changed"}


REMARK_TAGS = {"blockquote", "br", "code", "em", "li", "ol", "p", "pre", "strong", "ul"}
REMARK_RULES = ("backticks", "blockquote", "emphasis", "escape", "fence", "list", "newline")


@lru_cache(maxsize=1)
def _remarks() -> MarkdownIt:
    return MarkdownIt("zero", {"html": False, "breaks": True}).enable(list(REMARK_RULES))


@register.filter
def remark(text: str) -> SafeString:
    """Render what people write beside code: `code`, blocks of code, emphasis and lists, but no links or headings."""
    clean = nh3.clean(_remarks().render(text), tags=REMARK_TAGS, attributes={})
    return mark_safe(f'<div class="remark">{clean}</div>')  # noqa: S308 -- cleaned by nh3


@register.filter
def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


@register.filter
def bound(value: float | None, kind: str) -> str:
    """Format a declared bound: a date as a date, a number without a trailing `.0`."""
    if value is None:
        return "…"
    if kind in UNITS:
        return bound_text(kind, value)
    return f"{value:.10g}" if abs(value) < 10_000 else f"{value:,.10g}"


@register.filter
def listed(values: Sequence[object], shown: int) -> str:
    """List the first values and how many more there are."""
    text = ", ".join(str(value) for value in values[:shown])
    return f"{text}, and {len(values) - shown} more" if len(values) > shown else text


@register.filter
def seconds(value: float | None) -> str:
    """Format a duration: `42 s`, `5 min`, `1 h 30 min`."""
    whole = int(value or 0)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left if not hours else 0, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


@register.filter
def finding_icon(level: str) -> str:
    return FINDING_ICONS.get(level, "info-circle")


@register.filter
def check_name(name: str) -> str:
    return name.replace("_", " ").capitalize()


@register.filter
def shown(value: object) -> str:
    """Format a value of a check; a dash when there is none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


@register.filter
def number(value: int) -> str:
    return f"{value:,}"


@register.filter
def worker_tone(says: str) -> str:
    return {"Working": "blue", "Idle": "green", "Draining": "amber"}.get(says, "red")


@register.simple_tag
def table_rows(page: Any, columns: Sequence[Mapping[str, Any]], columns_page: Any, url: str) -> SafeString:
    """Render the body of a previewed table, as one string because it can have thousands of cells."""
    numeric = [column["type"] in ("integer", "number") for column in columns]
    first, left = page.start_index(), columns_page.start_index()
    back = f"&rows={page.number}&columns={columns_page.number}"
    body = "".join(
        f"<tr><th scope=row>{row}</th>{_cells(values, numeric, left, f'{url}?row={row}{back}')}</tr>"
        for row, values in enumerate(page.object_list, start=first)
    )
    return mark_safe(f"<tbody>{body}</tbody>")  # noqa: S308 -- each cell is escaped


def _cells(values: Sequence[object], numeric: Sequence[bool], left: int, url: str) -> str:
    return "".join(
        [
            _cell(value, is_number=is_number) or _cut_cell(value, f"{url}&column={at}")
            for at, (value, is_number) in enumerate(zip(values, numeric, strict=True), start=left)
        ]
    )


def _cell(value: object, *, is_number: bool) -> str:
    """Render a cell, aligned like its column's name; return "" when only the beginning of its value is known."""
    if value is None:
        return '<td class="is-empty">missing</td>'
    if isinstance(value, dict):
        return ""
    return f'<td class="num">{escape(str(value))}</td>' if is_number else f"<td>{escape(str(value))}</td>"


def _cut_cell(value: Any, url: str) -> str:
    return f"<td>{_beginning(value, url)}</td>"


def _beginning(value: Mapping[str, Any], url: str) -> str:
    """Render the first characters of a value, and a link to all of them."""
    return (
        f'{escape(value["text"])}… <a href="{escape(url)}" hx-get="{escape(url)}" hx-target="closest .preview" '
        f'hx-swap="outerHTML">all {value["characters"]:,} characters</a>'
    )


@register.simple_tag
def column_name(column: Mapping[str, Any], number: int, columns_page: Any, url: str) -> SafeString:
    """Render the name of a previewed column, in full or with a link to the full name."""
    name = column["name"]
    at = columns_page.start_index() + number
    text = _beginning(name, f"{url}?row=0&column={at}") if isinstance(name, dict) else escape(name)
    return mark_safe(text)  # noqa: S308 -- escaped


@register.simple_tag(takes_context=True)
def code_table(context: template.Context) -> SafeString:
    """Render the code or its changes as one table, with the comments below each line."""
    split = bool(context["split"])
    body = "".join(_body(context, context["rows"], _split_row if split else _unified_row))
    name = "Code, side by side" if split else "Code"
    return format_html(
        '<table class="code {}"><caption class="visually-hidden">{}, one row per line</caption>'
        "<colgroup>{}</colgroup><tbody>{}</tbody></table>",
        "is-split" if split else "is-unified",
        name,
        mark_safe(_columns(split=split)),  # noqa: S308 -- constant
        mark_safe(body),  # noqa: S308 -- escaped where it is made
    )


def _columns(*, split: bool) -> str:
    wide = '<col class="col-number"><col class="col-source">'
    return (
        wide * 2 if split else '<col class="col-number"><col class="col-number"><col class="col-sign"><col>'
    )


def _body(context: template.Context, rows: Sequence[Row], draw: Any) -> Iterator[str]:
    by_line: Mapping[int | None, object] = context["by_line"]
    hints = {hint["line"] for hint in context["version"].findings}
    link = _link(context)
    for row in rows:
        if row.kind == "fold":
            yield _fold(context, row)
            continue
        number = row.new_number
        anchor = f' id="L{number}"' if number else ""
        marked = " has-hint" if number in hints else ""
        yield f'<tr class="is-{row.kind}{marked}"{anchor}>{draw(row, link)}</tr>'
        if number is not None and (number in by_line or number == context["comment_at"]):
            yield _threads(context, number)


def _link(context: template.Context) -> str:
    """Return the start of a line number's link; "" for people who may not comment."""
    if not context["may_comment"]:
        return ""
    query = context["query"]
    return escape(f"{query}&comment=" if query else "?comment=")


def _number(number: int | None, link: str) -> str:
    if number is None:
        return ""
    if not link:
        return str(number)
    return f'<a href="{link}{number}#L{number}" data-line="{number}" aria-label="Line {number}: comment">{number}</a>'


def _unified_row(row: Row, link: str) -> str:
    sign = SIGNS.get(row.kind, "")
    spoken = f'<span class="visually-hidden">{SIGN_WORDS[row.kind]}</span>' if sign else ""
    source = row.old_html if row.kind == "removed" else row.new_html
    return (
        f'<td class="number">{row.old_number or ""}</td><td class="number">{_number(row.new_number, link)}</td>'
        f'<td class="sign">{spoken}<span aria-hidden="true">{sign}</span></td>'
        f'<td class="source"><code>{source}</code></td>'
    )


def _split_row(row: Row, link: str) -> str:
    return (
        f'<td class="number">{row.old_number or ""}</td><td class="source is-old"><code>{row.old_html}</code></td>'
        f'<td class="number">{_number(row.new_number, link)}</td>'
        f'<td class="source is-new"><code>{row.new_html}</code></td>'
    )


def _fold(context: template.Context, row: Row) -> str:
    query = context["query"]
    whole = escape(f"{query}&whole=1" if query else "?whole=1")
    lines = "1 unchanged line" if row.folded == 1 else f"{row.folded:,} unchanged lines"
    link = f'<a href="{whole}#L{row.new_number}">{lines}: show the whole file</a>'
    return f'<tr class="fold"><td colspan="4">{link}</td></tr>'


def _threads(context: template.Context, line: int) -> str:
    shared = {name: context[name] for name in ("version", "may_comment", "is_author", "query", "will_hold")}
    asked = line == context["comment_at"] and context["may_comment"]
    return render_to_string(
        "requests/parts/thread-row.html",
        {
            **shared,
            "csrf_token": context["csrf_token"],
            "line": line,
            "threads": context["by_line"].get(line, []),
            "comment_form": context["line_form"] if asked else None,
        },
    )
