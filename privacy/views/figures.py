"""The figures of an answer as its page shows them: a table, one large number, or a chart."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from privacy.engine.language.query import Distribution, Histogram, Query
from privacy.engine.language.schema import TableSpec
from privacy.presentation import exports, svg_charts, words
from privacy.presentation.joint_intervals import Together, together
from privacy.presentation.svg_charts import Bar, Column, Share
from privacy.views.shared import WIDTHS


def context(
    everything: Mapping[str, Any],
    lines: Sequence[dict[str, Any]],
    query: Query,
    table: TableSpec | None,
    *,
    error: float | None = None,
) -> dict[str, Any]:
    """Return the template context of `privacy/parts/figures.html`: a table, and a chart where there are several groups.

    `everything`: the result that was released; `lines`: those of it that are shown; `error`: what was asked for.
    """
    result = {**everything, "lines": lines}
    all_hold, search = together(everything) if everything else None, _search(everything, query, table, error)
    rows = [_row(line, result["by"], table, all_hold, search) for line in result["lines"]]
    names = [figure["name"] for figure in result["lines"][0]["figures"]] if rows else []
    _with_units(rows, names, query, table)
    unit = words.unit(query, table) if table else ""
    title = f"{words.say(query, table)}, with 95 % intervals. The table holds the same numbers."
    return {
        "by": [words.key_name(name, query, table) for name in result["by"]],
        "rows": rows,
        "hidden": len(everything["lines"]) - len(rows),
        "names": [words.figure_name(name) for name in names],
        "single": _single(rows, result["by"], query),
        "together": all_hold,
        "all_hold": all_hold.sentence(unit) if all_hold else "",
        "unit": unit,
        **_drawn(result, query, table, title),
        "without_nulls": _may_be_missing(result["by"], table),
        "has_errors": any(figure["low"] for row in rows for figure in row["figures"]),
        **search,
    }


def _with_units(rows: list[dict[str, Any]], names: list[str], query: Query, table: TableSpec | None) -> None:
    """Add to each figure its unit, and its column heading with the unit."""
    units = [words.figure_unit(name, query, table) if table else "" for name in names]
    for row in rows:
        for figure, unit in zip(row["figures"], units, strict=True):
            figure |= {"unit": unit, "head": words.with_unit(figure["name"], unit)}


def _single(rows: list[dict[str, Any]], by: Sequence[str], query: Query) -> dict[str, Any] | None:
    """Return the only line of an answer, which is shown large: without groups, or a single quantile."""
    if len(rows) != 1 or (by and not words.is_of_rank(query)):
        return None
    if by:
        (share,) = rows[0]["key"]
        rows[0]["figures"][0]["name"] = "Median" if share == "0.5" else f"Quantile at {share}"
    return rows[0]


def _search(
    everything: Mapping[str, Any], query: Query, table: TableSpec | None, error: float | None
) -> dict[str, Any]:
    """Return what a quantile's answer shows in addition; empty for those stored by versions without intervals."""
    lines = everything["lines"]
    if table is None or not any(exports.has_ends(f) for line in lines for f in line["figures"]):
        return {}
    return {
        "has_ends": True,
        "read_to": words.read_to(query, table),
        "decimals": words.decimals(query, table),
        "rank_note": words.rank_note(query, error),
    }


def _worth_drawing(lines: Sequence[dict[str, Any]]) -> bool:
    """Return whether there are several bars, not too many, and not all lost in noise. Dates have no length."""
    values = [line["figures"][0]["value"] for line in lines]
    has_values = any(value is not None for value in values) and not any(
        isinstance(each, str) for each in values
    )
    return has_values and 1 < len(lines) <= svg_charts.MOST_BARS


def _may_be_missing(by: Sequence[str], table: TableSpec | None) -> list[str]:
    """Return the group columns in which a value may be missing: such rows are in no group."""
    columns = table.columns if table else {}
    return [name for name in by if name in columns and columns[name].nullable]


def _row(
    line: dict[str, Any],
    by: Sequence[str],
    table: TableSpec | None,
    all_hold: Together | None,
    search: dict[str, Any],
) -> dict[str, Any]:
    return {
        "key": [words.label(column, label, table) for column, label in zip(by, line["key"], strict=True)],
        "figures": [_figure(figure, all_hold, search.get("decimals")) for figure in line["figures"]],
    }


def _figure(figure: dict[str, Any], all_hold: Together | None, decimals: int | None) -> dict[str, Any]:
    """Return a figure for display, rounded by its error, or with all `decimals` that its column's values have."""
    value, half, (low, high) = figure["value"], figure["half_width"], _ends(figure)
    places = words.places(half)
    if exports.has_ends(figure) and not isinstance(value, str):
        places = words.places_between(low, value, high) if decimals is None else decimals
    has_interval = low is not None
    return {
        "name": words.figure_name(figure["name"]),
        "value": words.shown(value, places),
        "half": words.shown(half, places) if half is not None else "",
        "together": all_hold.half(figure) if all_hold else "",
        "has_column": all_hold is not None and all_hold.has_column(figure["name"]),
        "low": words.shown(low, places) if has_interval else "",
        "high": words.shown(high, places) if has_interval else "",
    }


def _ends(figure: dict[str, Any]) -> tuple[Any, Any]:
    """Return both ends of a figure's interval, as numbers or ISO dates; (None, None) where there is none."""
    value, half = figure["value"], figure["half_width"]
    if exports.has_ends(figure):
        return figure["low"], figure["high"]
    return (None, None) if value is None or half is None else (value - half, value + half)


def _drawn(result: dict[str, Any], query: Query, table: TableSpec | None, title: str) -> dict[str, object]:
    """Return a chart, where one is useful, and what shows the intervals in it."""
    if isinstance(query.measure, Distribution):
        shares = [
            Share(float(line["key"][-1]), line["figures"][0]["value"], *ends)
            for line in result["lines"]
            if (ends := _ends(line["figures"][0])) != (None, None)
        ]
        return {"charts": _curves(shares, title), "intervals": "the band spans"} if len(shares) > 1 else {}
    if isinstance(query.measure, Histogram) and not query.by:
        rising = sorted(result["lines"], key=lambda line: float(line["key"][0]))
        return {"charts": _columns(rising, title) if rising else None, "intervals": "lines span"}
    charts = _charts(result, table, title) if _worth_drawing(result["lines"]) else None
    return {"charts": charts, "intervals": "lines span"}


def _curves(shares: Sequence[Share], title: str) -> dict[str, SafeString]:
    """Draw a distribution. Bins are equally wide, so the first one begins where a bin before it would end."""
    begin = shares[0].at - (shares[1].at - shares[0].at)
    return {
        name: mark_safe(svg_charts.curve(shares, begin, width, title))  # noqa: S308 -- drawn here, texts escaped
        for name, width in WIDTHS.items()
    }


def _columns(lines: Sequence[dict[str, Any]], title: str) -> dict[str, SafeString]:
    """Draw a histogram."""
    columns = []
    for line in lines:
        (begin, end), figure = map(float, line["key"]), line["figures"][0]
        columns.append(Column(begin, end, figure["value"], *_ends(figure)))
    return {
        name: mark_safe(svg_charts.histogram(columns, width, title))  # noqa: S308 -- drawn here, texts escaped
        for name, width in WIDTHS.items()
    }


def _charts(result: dict[str, Any], table: TableSpec | None, title: str) -> dict[str, SafeString]:
    bars = []
    for line in result["lines"]:
        figure = line["figures"][0]
        bars.append(Bar(words.group(result["by"], line["key"], table), figure["value"], *_ends(figure)))
    return {
        name: mark_safe(svg_charts.bars(bars, width, title))  # noqa: S308 -- drawn here, texts escaped
        for name, width in WIDTHS.items()
    }
