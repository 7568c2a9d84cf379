"""Charts of models and synthetic tables as SVG: what each feature adds, calibration, and which pairs are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from privacy.presentation.svg_parts import (
    AXIS,
    LETTER,
    TOP,
    Scale,
    below,
    decimals,
    line,
    number,
    svg,
    text_at,
    ticks,
)

HEIGHT = 190
MISSING_ROOM = 66
LEVELS = 10
"""Shades of the heat map."""
MOST_TURNED = 24
"""The most columns whose names are also written above the heat map."""
Point = tuple[float, float]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a number adds to the prediction: corners of a line over the number, and what it adds when it is missing."""

    corners: Sequence[Point]
    missing: float | None


def effect(item: Effect, span: Span, width: int, title: str) -> str:
    """Return the line of one feature. `span`: the vertical range, the same for all features of a model."""
    y, marks = _upright(span)
    left = _room(marks)
    room = MISSING_ROOM if item.missing is not None else 0
    right, bottom = width - 14 - room, HEIGHT - AXIS
    begin, end = item.corners[0][0], item.corners[-1][0]

    def x(value: float) -> float:
        return left + (value - begin) / ((end - begin) or 1.0) * (right - left)

    parts = _across(marks, y, left, width - 14)
    parts += below(begin, end, x, bottom, right)
    parts.append(line("chart-zero", left, y(0), width - 14, y(0)))
    path = "L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in item.corners)
    parts.append(f'<path class="chart-line" d="M{path}"/>')
    if item.missing is not None:
        at = width - 14 - MISSING_ROOM / 2
        parts.append(line("chart-line", at - 16, y(item.missing), at + 16, y(item.missing)))
        parts.append(text_at("chart-tick", at, bottom + 16, "missing", "middle"))
    return svg(width, HEIGHT, title, parts)


def _upright(span: Span) -> tuple[Scale, list[float]]:
    marks = ticks(*span, 4)
    low, high = min(span[0], marks[0]), max(span[1], marks[-1])

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - AXIS - TOP)

    return y, marks


def _texts(marks: Sequence[float]) -> list[str]:
    return [number(mark, decimals(marks[1] - marks[0])) for mark in marks]


def _room(marks: Sequence[float]) -> float:
    return 12 + LETTER * max(map(len, _texts(marks)))


def _across(marks: Sequence[float], y: Scale, left: float, right: float) -> list[str]:
    parts = []
    for mark, text in zip(marks, _texts(marks), strict=True):
        parts.append(line("chart-grid", left, y(mark), right, y(mark)))
        parts.append(text_at("chart-tick", left - 6, y(mark) + 4, text, "end"))
    return parts


def span_of(values: Sequence[float]) -> Span:
    """Return a vertical range that holds 0 and all values."""
    low, high = min([0.0, *values]), max([0.0, *values])
    return (low, high) if high > low else (-1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What happened where this was predicted, with half the width of its 95 % interval."""

    predicted: float
    observed: float
    half_width: float | None


def calibration(points: Sequence[Calibrated], width: int, title: str, *, shares: bool) -> str:
    """Return what happened over what was predicted; on the line, both are the same. `shares`: both lie in 0 to 1."""
    height = min(width, 360)
    ends = [end for each in points for end in _ends(each, shares=shares)]
    every = [*ends, *(each.predicted for each in points)]
    low, high = (
        (0.0, 1.0) if shares else (min(every), max(every) if max(every) > min(every) else min(every) + 1)
    )
    marks = ticks(low, high, 5)
    low, high = min(low, marks[0]), max(high, marks[-1])
    texts = [f"{mark * 100:.0f} %" for mark in marks] if shares else _texts(marks)
    left, right, bottom = 12 + LETTER * max(map(len, texts)), width - 14, height - AXIS - 14

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (bottom - TOP)

    parts = []
    for mark, text in zip(marks, texts, strict=True):
        parts.append(line("chart-grid", left, y(mark), right, y(mark)))
        parts.append(text_at("chart-tick", left - 6, y(mark) + 4, text, "end"))
        parts.append(
            text_at("chart-tick", x(mark), bottom + 16, text, "end" if mark == marks[-1] else "middle")
        )
    parts.append(line("chart-even", x(low), y(low), x(high), y(high)))
    for each in points:
        at, (under, over) = x(each.predicted), _ends(each, shares=shares)
        parts.append(line("chart-error", at, y(under), at, y(over)))
        parts.append(f'<circle class="chart-dot" cx="{at:.1f}" cy="{y(each.observed):.1f}" r="4"/>')
    parts.append(text_at("chart-label", (left + right) / 2, height - 4, "predicted", "middle"))
    return svg(width, height, title, parts)


def _ends(point: Calibrated, *, shares: bool) -> Span:
    half = point.half_width or 0.0
    low, high = point.observed - half, point.observed + half
    return (max(0.0, low), min(1.0, high)) if shares else (low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """How strongly two columns are associated, from 0 to 1, as measured and in the synthetic table."""

    measured: float
    kept: float
    in_tree: bool


def heat_map(names: Sequence[str], pairs: Mapping[tuple[int, int], Pair], width: int, title: str) -> str:
    """Return a square of all pairs of columns: measured below the diagonal, kept in the synthetic table above it.

    `pairs`: by the places of both columns, the smaller first. A frame marks the pairs that the table was drawn by.
    """
    many = len(names)
    longest = max(map(len, names), default=1) * LETTER + 12
    left = min(width * 0.36, longest)
    turned = width > 500 and many <= MOST_TURNED
    top = min(150.0, longest * 0.75 + 8) if turned else float(TOP)
    room = width - left - (top * 0.7 if turned else 14)
    cell = min(30.0, room / max(1, many))
    letters = max(3, int((left - 10) / LETTER))
    size = min(12.0, cell)
    parts = []
    for k, name in enumerate(names):
        short = name if len(name) <= letters else f"{name[: letters - 1]}…"
        middle = top + (k + 0.5) * cell
        if size >= 8:
            parts.append(text_at("chart-label", left - 8, middle + 4, short, "end"))
        if turned:
            at = left + (k + 0.5) * cell
            label = text_at("chart-label", at, top - 6, short, "start")
            parts.append(label.replace("<text ", f'<text transform="rotate(-45 {at:.1f} {top - 6:.1f})" ', 1))
    for (one, other), pair in pairs.items():
        for row, column, value in ((other, one, pair.measured), (one, other, pair.kept)):
            parts.append(_cell(left + column * cell, top + row * cell, cell, value, framed=pair.in_tree))
    bottom = top + many * cell
    parts += _legend(left, bottom + 10)
    return svg(width, bottom + 62, title, parts)


def _cell(x: float, y: float, cell: float, value: float, *, framed: bool) -> str:
    level = min(LEVELS - 1, max(0, int(value * LEVELS)))
    inner = max(1.0, cell - 2)
    frame = " is-framed" if framed else ""
    return (
        f'<rect class="chart-heat heat-{level}{frame}" x="{x + 1:.1f}" y="{y + 1:.1f}" width="{inner:.1f}" '
        f'height="{inner:.1f}" rx="1.5"/>'
    )


def _legend(left: float, top: float) -> list[str]:
    parts = [_cell(left + 14 * k, top, 14, (k + 0.5) / LEVELS, framed=False) for k in range(LEVELS)]
    parts.append(text_at("chart-tick", left, top + 28, "0: independent", "start"))
    parts.append(text_at("chart-tick", left, top + 44, "1: one follows from the other", "start"))
    return parts
