"""The page of an answer by submitted code."""

from typing import Any

from django.http import HttpResponse
from django.utils.safestring import mark_safe

from common.http import UserRequest
from common.pages import show
from privacy import queries, shares
from privacy.engine.language.code import Ball, Box, CodeQuestion, Votes
from privacy.engine.language.wire import decode_code
from privacy.models import Answer, BlockReport
from privacy.presentation import code_in_words, exports, expressions_in_words, svg_charts, words
from privacy.presentation.svg_charts import MOST_BARS, Bar
from privacy.services import code_answers
from privacy.views.shared import WIDTHS, about, late

MOST_ROWS = 50
"""The most numbers of a vector that are shown. Its files hold all."""


def page(request: UserRequest, item: Answer, *, is_own: bool) -> HttpResponse:
    """Show an answer by code; while its blocks run, the page counts down to its deadline."""
    question = decode_code(item.query)
    context = {
        **about(request, item, is_own=is_own),
        "question": code_in_words.say(question),
        "code": question.code,
        "environment": question.environment,
        "condition": expressions_in_words.condition(question.where) if question.where is not None else "",
        "people": question.people,
        "blocks": item.line.purpose["blocks"],
        "method": code_in_words.METHODS[code_in_words.method_of(question)],
        "halves": isinstance(question.shape, Box) and question.shape.halves,
        "rounds": question.rounds,
    }
    if item.is_waiting:
        context |= {"late": late(item), "may_withdraw": is_own and code_answers.may_be_withdrawn(item)}
    if item.is_out:
        context |= _released(request, item, question)
    return show(request, "privacy/code_answer", context, parts={"code-answer-live"})


def _released(request: UserRequest, item: Answer, question: CodeQuestion) -> dict[str, Any]:
    lines = (item.result or {})["lines"]
    rows = [_row(line["key"][0], line["figures"][0]) for line in lines[:MOST_ROWS]]
    return {
        "rows": rows,
        "more": max(0, len(lines) - MOST_ROWS),
        "total": len(lines),
        "heading": {"Box": "Number", "Ball": "Place", "Votes": "Label"}[type(question.shape).__name__],
        "value_heading": "Share of the blocks" if isinstance(question.shape, Votes) else "Value",
        "has_intervals": any(row["low"] for row in rows),
        "covers": code_in_words.covers(question),
        "charts": _bars(lines) if isinstance(question.shape, Votes) and len(lines) <= MOST_BARS else None,
        "on_mock": _on_mock(request, item, question),
        "private_report": BlockReport.objects.visible_to(request.user).filter(answer=item).first(),
    }


def _row(name: str, figure: dict[str, Any]) -> dict[str, str]:
    value, half = figure["value"], figure["half_width"]
    low, high = _ends(figure)
    places = words.places((high - low) / 2) if low is not None and high is not None else words.places(half)
    return {
        "name": name,
        "value": words.shown(value, places),
        "half": words.shown(half, places) if half is not None else "",
        "low": words.shown(low, places) if low is not None else "",
        "high": words.shown(high, places) if high is not None else "",
    }


def _ends(figure: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return both ends of a figure's interval; (None, None) where there is none. Shares lie between 0 and 1."""
    value, half = figure["value"], figure["half_width"]
    if exports.has_ends(figure):
        return figure["low"], figure["high"]
    if value is None or half is None:
        return None, None
    ends = value - half, value + half
    return (max(0.0, ends[0]), min(1.0, ends[1])) if figure["name"] == "share" else ends


def _bars(lines: list[dict[str, Any]]) -> dict[str, Any]:
    bars = [Bar(line["key"][0], line["figures"][0]["value"], *_ends(line["figures"][0])) for line in lines]
    title = (
        "Shares of the blocks that chose each label, with 95 % intervals. The table holds the same numbers."
    )
    return {
        name: mark_safe(svg_charts.bars(bars, width, title))  # noqa: S308 -- drawn here, texts escaped
        for name, width in WIDTHS.items()
    }


def _on_mock(request: UserRequest, item: Answer, question: CodeQuestion) -> str:
    """Return by how much cutting into blocks moved the answer on mock data: to whoever tried the code."""
    trial = queries.trial_of(item, request.user)
    bias = code_answers.report_of(trial).bias if trial else []
    if not bias:
        return ""
    match question.shape:
        case Box(names=names):
            moves = " and ".join(
                f"{name} by {_signed(moved)}" for name, moved in zip(names, bias, strict=True)
            )
            return f"On mock data, cutting into blocks moved {moves}."
        case Ball():
            return (
                f"On mock data, cutting into blocks moved the vector by a length of {words.sized(bias[0])}."
            )
        case Votes():
            return (
                f"On mock data, {shares.percent(bias[0])} of the blocks chose the label of the whole table."
            )


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + words.sized(value).replace("-", "\N{MINUS SIGN}", 1)
