"""Charts as SVG, drawn on the server: bars and curves with 95 % intervals, and what is left of a budget over time.

Colours and strokes come from classes, because the content security policy allows no style attributes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from django.utils.html import escape

ROW = 26
TOP = 8
AXIS = 26
LETTER = 6.6
LONGEST_LABEL = 0.36
MOST_BARS = 60
Scale: TypeAlias = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One group: its name, its value and the ends of its 95 % interval; None where it was lost in noise."""

    label: str
    value: float | None
    low: float | None
    high: float | None


def bars(items: Sequence[Bar], width: int, title: str) -> str:
    """Return horizontal bars with error bars, `width` units wide."""
    longest = max((len(item.label) for item in items), default=1)
    left = min(width * LONGEST_LABEL, longest * LETTER + 12)
    low, high = _range(items)
    marks = ticks(low, high, 6 if width > 500 else 3)
    low, high = min(low, marks[0]), max(high, marks[-1])

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 14)

    bottom = TOP + ROW * len(items)
    parts = list(_grid(marks, x, bottom, width))
    for k, item in enumerate(items):
        parts += _bar(item, TOP + ROW * k, left, x)
    parts.append(_line("chart-zero", x(0), TOP, x(0), bottom))
    return _svg(width, bottom + AXIS, title, parts)


def _range(items: Sequence[Bar]) -> tuple[float, float]:
    ends = [end for item in items for end in (item.low, item.value, item.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    return (low, high) if high > low else (low, low + 1)


def _grid(marks: Sequence[float], x: Scale, bottom: float, width: float) -> Iterator[str]:
    decimals = _decimals(marks[1] - marks[0]) if len(marks) > 1 else 0
    for mark in marks:
        yield _line("chart-grid", x(mark), TOP, x(mark), bottom)
        yield _tick(x(mark), bottom, _number(mark, decimals), width)


def _tick(x: float, bottom: float, text: str, width: float) -> str:
    """Return the number below a mark, centred, but kept inside the chart."""
    beyond = x + len(text) * LETTER / 2 > width
    return _text("chart-tick", width if beyond else x, bottom + 16, text, "end" if beyond else "middle")


def _number(mark: float, decimals: int) -> str:
    return f"{mark + 0.0:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _bar(item: Bar, y: float, left: float, x: Scale) -> Iterator[str]:
    letters = max(4, int((left - 10) / LETTER))
    label = item.label if len(item.label) <= letters else item.label[: letters - 1] + "…"
    middle = y + ROW / 2
    yield _text("chart-label", left - 8, middle + 4, label, "end")
    if item.value is None:
        yield _text("chart-tick", x(0) + 6, middle + 4, "lost in noise", "start")
        return
    start, end = sorted((x(0), x(item.value)))
    yield (
        f'<rect class="chart-bar" x="{start:.1f}" y="{y + 5:.1f}" width="{max(1.0, end - start):.1f}" '
        f'height="{ROW - 10}" rx="2"/>'
    )
    if item.low is not None and item.high is not None:
        a, b = x(item.low), x(item.high)
        yield _line("chart-error", a, middle, b, middle)
        yield _line("chart-error", a, middle - 4, a, middle + 4)
        yield _line("chart-error", b, middle - 4, b, middle + 4)


@dataclass(frozen=True, slots=True)
class Share:
    """The share of all values at or below a number, and the ends of its 95 % interval."""

    at: float
    value: float
    low: float
    high: float


def curve(shares: Sequence[Share], begin: float, width: int, title: str) -> str:
    """Return a cumulative curve from 0 at `begin` to the last share, in the band of its 95 % intervals."""
    height, left, right = 240, 44, width - 14
    bottom, end = height - AXIS, shares[-1].at

    def x(at: float) -> float:
        return left + (at - begin) / (end - begin) * (right - left)

    def y(share: float) -> float:
        return TOP + (1 - min(1.0, max(0.0, share))) * (bottom - TOP)

    parts = list(_share_grid((0.0, 0.25, 0.5, 0.75, 1.0), y, left, right))
    parts += _below(begin, end, x, bottom, width)
    band = [(each.at, each.low) for each in shares] + [(each.at, each.high) for each in reversed(shares)]
    for name, corners, closed in (
        ("chart-area", [(begin, 0.0), *band], "Z"),
        ("chart-line", [(begin, 0.0), *((each.at, each.value) for each in shares)], ""),
    ):
        path = "L".join(f"{x(at):.1f} {y(share):.1f}" for at, share in corners)
        parts.append(f'<path class="{name}" d="M{path}{closed}"/>')
    return _svg(width, height, title, parts)


@dataclass(frozen=True, slots=True)
class Column:
    """A bin of a histogram: its ends, its count and the ends of the 95 % interval."""

    begin: float
    end: float
    value: float
    low: float
    high: float


def histogram(items: Sequence[Column], width: int, title: str) -> str:
    """Upright bars over the bins, as wide as these are, with their 95 % intervals."""
    low, high = _range([Bar("", item.value, item.low, item.high) for item in items])
    marks = ticks(low, high, 4)
    low, high = min(low, marks[0]), max(high, marks[-1])
    texts = [_number(mark, _decimals(marks[1] - marks[0])) for mark in marks]
    height, left, right = 240, 12 + LETTER * max(map(len, texts)), width - 14
    bottom, begin, end = height - AXIS, items[0].begin, items[-1].end

    def x(value: float) -> float:
        return left + (value - begin) / (end - begin) * (right - left)

    def y(count: float) -> float:
        return TOP + (high - count) / (high - low) * (bottom - TOP)

    parts = []
    for mark, text in zip(marks, texts, strict=True):
        parts.append(_line("chart-grid", left, y(mark), right, y(mark)))
        parts.append(_text("chart-tick", left - 6, y(mark) + 4, text, "end"))
    parts += _below(begin, end, x, bottom, width)
    for item in items:
        over, under = sorted((y(item.value), y(0)))
        wide = max(1.0, x(item.end) - x(item.begin) - 1)
        parts.append(
            f'<rect class="chart-bar" x="{x(item.begin):.1f}" y="{over:.1f}" width="{wide:.1f}" '
            f'height="{max(1.0, under - over):.1f}"/>'
        )
        middle = x(item.begin) + wide / 2
        parts.append(_line("chart-error", middle, y(item.low), middle, y(item.high)))
    parts.append(_line("chart-zero", left, y(0), right, y(0)))
    return _svg(width, height, title, parts)


def _below(begin: float, end: float, x: Scale, bottom: float, width: float) -> Iterator[str]:
    """The numbers below a chart whose values lie between these two."""
    marks = sorted({mark for mark in ticks(begin, end, 6 if width > 500 else 3) if begin <= mark <= end})
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    for mark in marks:
        yield _line("chart-grid", x(mark), bottom, x(mark), bottom + 4)
        yield _tick(x(mark), bottom, _number(mark, _decimals(step)), width)


def _share_grid(shares: Sequence[float], y: Scale, left: float, right: float) -> Iterator[str]:
    for share in shares:
        yield _line("chart-grid", left, y(share), right, y(share))
        yield _text("chart-tick", left - 6, y(share) + 4, f"{share * 100:.0f} %", "end")


def _decimals(step: float) -> int:
    """Return the number of decimals that distinguishes marks this far apart."""
    return min(8, max(0, -math.floor(math.log10(step))))


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) that cover the range, about `wanted` of them."""
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Point:
    """The share that was left from a moment on."""

    at: datetime
    left: float


def burn_down(points: Sequence[Point], now: datetime, width: int, title: str) -> str:
    """Return what is left over time, as steps; a line marks the last fifth."""
    height, left, right = 180, 44, width - 12
    begin = points[0].at
    seconds = max(1.0, (now - begin).total_seconds())
    lowest = min(0.0, *(point.left for point in points))

    def x(moment: datetime) -> float:
        return left + (moment - begin).total_seconds() / seconds * (right - left)

    def y(share: float) -> float:
        return TOP + (1 - share) / (1 - lowest) * (height - TOP - AXIS)

    parts = list(_share_grid((0.0, 0.5, 1.0), y, left, right))
    parts.append(_line("chart-warning", left, y(0.2), right, y(0.2)))
    parts.append(_text("chart-tick", right, y(0.2) - 5, "the last fifth", "end"))
    path = f"M{x(begin):.1f} {y(points[0].left):.1f}"
    for point in points[1:]:
        path += f"H{x(point.at):.1f}V{y(point.left):.1f}"
    area = f"{path}H{right}V{y(lowest):.1f}H{left}Z"
    parts += [f'<path class="chart-area" d="{area}"/>', f'<path class="chart-line" d="{path}H{right}"/>']
    parts.append(_text("chart-tick", left, height - 6, f"{begin.day} {begin:%b %Y}", "start"))
    parts.append(_text("chart-tick", right, height - 6, "now", "end"))
    return _svg(width, height, title, parts)


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(name: str, x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
