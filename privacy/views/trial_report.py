"""What the page of tried code shows once it was tried: what it did on mock data, and what its answer would cost."""

from collections.abc import Sequence
from typing import Any

from django.utils.safestring import mark_safe

from privacy import shares
from privacy.engine.language.code import Ball, Box, CodeQuestion, Votes
from privacy.engine.language.schema import TableSpec
from privacy.engine.measure.contributions import CAP
from privacy.engine.plan.blocks import rank_error
from privacy.execution.code_trials import Curve, Report
from privacy.models import CodeTrial
from privacy.presentation import code_hints, code_in_words, svg_charts, words
from privacy.presentation.svg_charts import Bar
from privacy.services import code_answers
from privacy.services.code_answers import CodeQuote
from privacy.views.shared import WIDTHS


def context(
    trial: CodeTrial, question: CodeQuestion, quoted: CodeQuote | None, table: TableSpec | None
) -> dict[str, Any]:
    """Return the template context of a trial that has ended. `quoted`: its price, if it has one."""
    report = code_answers.report_of(trial)
    return {
        "report": report,
        "shape": type(question.shape).__name__.lower(),
        "blocks_ended": _ended(report),
        "clamped": shares.percent(report.clamped) if report.clamped else "",
        "slowest": words.sized(report.slowest, 2),
        "slot": words.sized(report.slot, 2),
        "people_each": f"{report.people_each:,.0f}",
        "halves_off": quoted is not None and quoted.plan.halves and not report.halves,
        **_compared(trial, question, report, quoted),
        **_curve(trial, question, report),
        "hints": code_hints.declarative(question.code, table) if table else [],
        "priced": _priced(question, quoted) if quoted else None,
    }


def _ended(report: Report) -> str:
    """Return how the blocks of mock data ended, in words."""
    if not report.run:
        return ""
    bad = [f"{many:,} {how}" for many, how in ((report.failed, "failed"), (report.late, "were late")) if many]
    many = f"{report.run:,} blocks of mock people"
    return f"{many}: {' and '.join(bad)}" if bad else f"{many}: none failed, none was late"


def _compared(
    trial: CodeTrial, question: CodeQuestion, report: Report, quoted: CodeQuote | None
) -> dict[str, Any]:
    """Return the answer over the whole mock table beside those of blocks, by what main returns."""
    if not report.bias:
        return {}
    match question.shape:
        case Box(names=names):
            widths: Sequence[float | None] = quoted.half_widths if quoted else [None] * len(names)
            parts = zip(names, report.whole, report.quartiles, report.bias, report.error, widths, strict=True)
            rows = [_row(*part) for part in parts]
            return {"outputs": rows, "moves": [_moves(row, trial.blocks) for row in rows if row["moves"]]}
        case Ball(radius=radius):
            return {
                "vector": {
                    "radius": words.sized(radius),
                    "bias": words.sized(report.bias[0]),
                    "error": words.sized(report.error[0]),
                }
            }
        case Votes(labels=labels):
            chosen = int(report.whole[0]) if report.whole else 0
            return {
                "vote": {
                    "label": labels[chosen],
                    "blocks": shares.percent(report.bias[0]),
                    "draws": shares.percent(report.error[0]),
                }
            }


def _row(
    name: str, whole: float, quartiles: Sequence[float], bias: float, error: float, width: float | None
) -> dict[str, Any]:
    return {
        "name": name,
        "whole": _said(whole),
        "quartiles": [_said(each) for each in quartiles],
        "bias": _said(bias),
        "moves": _said(abs(bias)) if bias else "",
        "error": _said(error),
        "noise": _said(width) if width is not None else "",
    }


def _said(value: float) -> str:
    return words.sized(value).replace("-", "\N{MINUS SIGN}", 1)


def _moves(row: dict[str, Any], blocks: int) -> str:
    return f"Cutting into {blocks:,} blocks moves {row['name']} by {row['moves']}."


def _curve(trial: CodeTrial, question: CodeQuestion, report: Report) -> dict[str, Any]:
    """Return the errors with other numbers of blocks, as a table and a chart. Empty if none was tried."""
    shape = question.shape
    if not report.curve or not isinstance(shape, Box):
        return {}
    planned = Curve(blocks=trial.blocks, bias=report.bias, error=report.error)
    points = sorted([*report.curve, planned], key=lambda each: each.blocks)
    widths = [high - low for low, high in zip(shape.lower, shape.upper, strict=True)]
    single = len(shape.names) == 1
    bars = [
        Bar(f"{each.blocks:,} blocks", each.error[0] if single else _part(each.error, widths), None, None)
        for each in points
    ]
    unit = f"of {shape.names[0]}" if single else "as a part of the bounds, on average"
    title = f"Error {unit} on mock data, by number of blocks. The table holds the same numbers."
    return {
        "curve": [
            {
                "blocks": each.blocks,
                "is_planned": each.blocks == trial.blocks,
                "cells": [
                    {"name": name, "bias": _said(bias), "error": _said(error)}
                    for name, bias, error in zip(shape.names, each.bias, each.error, strict=True)
                ],
            }
            for each in points
        ],
        "curve_unit": unit,
        "charts": {
            name: mark_safe(svg_charts.bars(bars, width, title))  # noqa: S308 -- drawn here, texts escaped
            for name, width in WIDTHS.items()
        },
    }


def _part(errors: Sequence[float], widths: Sequence[float]) -> float:
    return sum(error / width for error, width in zip(errors, widths, strict=True)) / len(widths)


def _priced(question: CodeQuestion, quote: CodeQuote) -> dict[str, Any]:
    rank = rank_error(quote.plan, quote.offer.sigma)
    shape, widths = question.shape, quote.half_widths
    return {
        "blocks": quote.plan.blocks,
        "method": code_in_words.METHODS[quote.plan.method],
        "halves": isinstance(quote.question.shape, Box) and quote.question.shape.halves,
        "rank": shares.percent(rank) if rank is not None and quote.plan.method == "median" else "",
        "at_most": quote.plan.method == "winsorised",
        "noise": _noise(question, quote),
        "errors": (
            [
                (name, _said(width))
                for name, width in zip(shape.names, widths, strict=True)
                if width is not None
            ]
            if isinstance(shape, Box)
            else []
        ),
        "seconds": f"{quote.seconds:.0f}",
        "costs": shares.of_budget(quote.offer.share),
        "share": shares.percent(quote.offer.share),
        "left": shares.percent(quote.left / CAP),
        "left_after": shares.percent(max(0, quote.left - quote.offer.units) / CAP),
        "is_affordable": quote.offer.units <= min(quote.left, CAP),
        "epsilon": words.sized(quote.epsilon, up=True),
        "delta": words.tiny(quote.trial.budget.promise.delta),
        "part_of_cells": not bool(quote.cells.all()),
        "may_leave_out": quote.may_leave_out,
        "stored": code_answers.stored(quote),
    }


def _noise(question: CodeQuestion, quote: CodeQuote) -> str:
    """Return the noise of a vector or of votes in words; a box has its own for each number."""
    width = quote.half_widths[0]
    match question.shape:
        case Votes() if width is not None:
            return f"± {shares.percent(width)} of the blocks, for each label"
        case Ball(rounds=rounds) if width is not None:
            return f"± {_said(width)} on each number{', in each round' if rounds > 1 else ''}"
        case _:
            return ""
