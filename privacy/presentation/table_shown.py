"""What a page shows of a synthetic table: what it keeps and what not, from the answer alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from django.utils.safestring import SafeString, mark_safe

from privacy.presentation import model_charts, readable, svg_charts, words
from privacy.presentation.exports import cells
from privacy.presentation.model_charts import Pair
from privacy.presentation.svg_charts import MOST_BARS, Bar

MOST_NAMED = 6
"""The most pairs that a sentence names."""
FLAGS = {"true": "yes", "false": "no"}
CLEAR = 0.05
"""An association that falls by less is as good as kept."""
WIDTH = 380
FEW = 5
"""A number with fewer ends of parts is drawn as bars with their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """One pair of columns, with its association as text."""

    names: str
    measured: str
    error: str
    kept: str
    in_tree: bool
    lost: float


def pairs(table: Mapping[str, Any]) -> list[PairRow]:
    """Return all pairs: those of the tree first, then those that lose most."""
    names = [column["name"] for column in table["columns"]]
    rows = [
        PairRow(
            names=" and ".join(names[k] for k in each["columns"]),
            measured=f"{each['measured']:.2f}",
            error=f"{each['error']:.2f}",
            kept=f"{each['kept']:.2f}",
            in_tree=each["in_tree"],
            lost=max(0.0, each["measured"] - each["kept"] - each["error"]),
        )
        for each in table["pairs"]
    ]
    return sorted(rows, key=lambda row: (not row.in_tree, -row.lost))


def keeps(table: Mapping[str, Any]) -> list[str]:
    """Return what rows of the table have in common with the people, in sentences."""
    kept = [row for row in pairs(table) if row.in_tree]
    found = ["The share of each value of each column, up to the noise shown with it."]
    if kept:
        found += [
            f"How these columns go together: {_listed(kept)}.",
            "What follows from these: columns that both go with a third one go together as far as it explains it.",
        ]
    return found


def loses(table: Mapping[str, Any]) -> list[str]:
    """Return what they do not have in common, in sentences."""
    lost = [row for row in pairs(table) if row.lost > CLEAR]
    found = []
    if lost:
        found.append(f"Pairs that are weaker in the table than they were measured: {_listed(lost)}.")
    found += [
        "What three or more columns have in common beyond their pairs.",
        "Differences within a part of a number: its values are drawn evenly from it.",
        "Several rows of one person: each row is somebody of their own, and nobody is a real person.",
    ]
    return found


def _listed(rows: Sequence[PairRow]) -> str:
    text = "; ".join(row.names for row in rows[:MOST_NAMED])
    more = len(rows) - MOST_NAMED
    return f"{text}; and {more} more" if more > 0 else text


def heat_map(table: Mapping[str, Any], widths: Mapping[str, int]) -> dict[str, SafeString] | None:
    """Return the square of all pairs, one for each width; None for a single column."""
    if not table["pairs"]:
        return None
    names = [column["name"] for column in table["columns"]]
    found = {
        (min(each["columns"]), max(each["columns"])): Pair(
            measured=each["measured"], kept=each["kept"], in_tree=each["in_tree"]
        )
        for each in table["pairs"]
    }
    title = (
        "How strongly each two columns go together: measured below the diagonal, in the synthetic table above it. "
        "The table of pairs holds the same numbers."
    )
    return {
        name: _safe(model_charts.heat_map(names, found, min(width, 620), title))
        for name, width in widths.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnShown:
    """The shares of one column: a chart where it has not too many parts, and the figures as text."""

    name: str
    chart: SafeString | None
    shares: list[tuple[str, str, str]]
    missing: str
    """The share of missing values, where the chart has no place for it."""


def columns(result: Mapping[str, Any]) -> list[ColumnShown]:
    """Return the shares of the parts of each column, in percent, with half their 95 % intervals."""
    described = {column["name"]: column for column in result["table"]["columns"]}
    grouped = groupby(result["lines"], key=lambda line: line["key"][0])
    return [_column(described.get(name, {}), name, list(lines)) for name, lines in grouped]


def _column(column: Mapping[str, Any], name: str, lines: Sequence[Mapping[str, Any]]) -> ColumnShown:
    flags = readable.FLAGS if column.get("kind") == "boolean" else {}
    bars, shares = [], []
    for line in lines:
        label, figure = flags.get(line["key"][1], line["key"][1]), line["figures"][0]
        share, half = 100 * figure["value"], 100 * (figure["half_width"] or 0.0)
        bars.append(Bar(label, share, max(0.0, share - half), min(100.0, share + half)))
        places = words.places(half)
        shares.append((label, words.shown(share, places), words.shown(half, places)))
    title = f"Shares of {name} in percent, with 95 % intervals."
    unit = f" ({column['unit']})" if column.get("unit") else ""
    shown = ColumnShown(name=f"{name}{unit}", chart=None, shares=shares, missing="")
    if column.get("kind") in {"integer", "number"} and len(column["edges"]) > FEW:
        missing = " ± ".join(shares[-1][1:]) if column["missing"] else ""
        return replace(shown, chart=_histogram(column["edges"], bars, title), missing=missing)
    return (
        replace(shown, chart=_safe(svg_charts.bars(bars, WIDTH, title))) if len(bars) <= MOST_BARS else shown
    )


def _histogram(edges: Sequence[float], bars: Sequence[Bar], title: str) -> SafeString:
    parts = [
        svg_charts.Column(low, high, bar.value or 0.0, bar.low or 0.0, bar.high or 0.0)
        for (low, high), bar in zip(
            pairwise(edges), bars, strict=False
        )  # a part for missing values has no ends
    ]
    return _safe(svg_charts.histogram(parts, WIDTH, title))


def rows(drawn: Mapping[str, np.ndarray[Any, Any]]) -> list[list[str]]:
    """Return drawn rows as text; empty where a value is missing."""
    return [list(row) for row in _texts(drawn)]


def _texts(drawn: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[tuple[str, ...]]:
    for row in zip(*(cells(column) for column in drawn.values()), strict=True):
        yield tuple("" if cell is None else _text(cell) for cell in row)


def _text(cell: object) -> str:
    if cell in FLAGS:
        return FLAGS[str(cell)]
    return words.sized(cell, 6).replace("-", "\N{MINUS SIGN}", 1) if isinstance(cell, float) else str(cell)


def _safe(chart: str) -> SafeString:
    return mark_safe(chart)  # noqa: S308 -- drawn here, texts escaped
