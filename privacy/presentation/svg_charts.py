"""Charts as SVG, drawn on the server: bars and curves with 95 % intervals, and what is left of a budget over time.

Colours and strokes come from classes, because the content security policy allows no style attributes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from privacy.presentation.svg_parts import (
    AXIS,
    LETTER,
    TOP,
    Scale,
    below,
    decimals,
    line,
    number,
    share_grid,
    svg,
    text_at,
    tick,
    ticks,
)

ROW = 26
LONGEST_LABEL = 0.36
MOST_BARS = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """One group: its name, its value and the ends of its 95 % interval; None where it was lost in noise."""

    label: str
    value: float | None
    low: float | None
    high: float | None


def bars(items: Sequence[Bar], width: int, title: str, span: tuple[float, float] | None = None) -> str:
    """Return horizontal bars with error bars, `width` units wide. `span`: the range, if it is not theirs."""
    longest = max((len(item.label) for item in items), default=1)
    left = min(width * LONGEST_LABEL, longest * LETTER + 12)
    low, high = span or _range(items)
    marks = ticks(low, high, 6 if width > 500 else 3)
    low, high = min(low, marks[0]), max(high, marks[-1])

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 14)

    bottom = TOP + ROW * len(items)
    parts = list(_grid(marks, x, bottom, width))
    for k, item in enumerate(items):
        parts += _bar(item, TOP + ROW * k, left, x)
    parts.append(line("chart-zero", x(0), TOP, x(0), bottom))
    return svg(width, bottom + AXIS, title, parts)


def _range(items: Sequence[Bar]) -> tuple[float, float]:
    ends = [end for item in items for end in (item.low, item.value, item.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    return (low, high) if high > low else (low, low + 1)


def _grid(marks: Sequence[float], x: Scale, bottom: float, width: float) -> Iterator[str]:
    places = decimals(marks[1] - marks[0]) if len(marks) > 1 else 0
    for mark in marks:
        yield line("chart-grid", x(mark), TOP, x(mark), bottom)
        yield tick(x(mark), bottom, number(mark, places), width)


def _bar(item: Bar, y: float, left: float, x: Scale) -> Iterator[str]:
    letters = max(4, int((left - 10) / LETTER))
    label = item.label if len(item.label) <= letters else item.label[: letters - 1] + "…"
    middle = y + ROW / 2
    yield text_at("chart-label", left - 8, middle + 4, label, "end")
    if item.value is None:
        yield text_at("chart-tick", x(0) + 6, middle + 4, "lost in noise", "start")
        return
    start, end = sorted((x(0), x(item.value)))
    yield (
        f'<rect class="chart-bar" x="{start:.1f}" y="{y + 5:.1f}" width="{max(1.0, end - start):.1f}" '
        f'height="{ROW - 10}" rx="2"/>'
    )
    if item.low is not None and item.high is not None:
        a, b = x(item.low), x(item.high)
        yield line("chart-error", a, middle, b, middle)
        yield line("chart-error", a, middle - 4, a, middle + 4)
        yield line("chart-error", b, middle - 4, b, middle + 4)


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

    parts = list(share_grid((0.0, 0.25, 0.5, 0.75, 1.0), y, left, right))
    parts += below(begin, end, x, bottom, width)
    band = [(each.at, each.low) for each in shares] + [(each.at, each.high) for each in reversed(shares)]
    for name, corners, closed in (
        ("chart-area", [(begin, 0.0), *band], "Z"),
        ("chart-line", [(begin, 0.0), *((each.at, each.value) for each in shares)], ""),
    ):
        path = "L".join(f"{x(at):.1f} {y(share):.1f}" for at, share in corners)
        parts.append(f'<path class="{name}" d="M{path}{closed}"/>')
    return svg(width, height, title, parts)


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
    texts = [number(mark, decimals(marks[1] - marks[0])) for mark in marks]
    height, left, right = 240, 12 + LETTER * max(map(len, texts)), width - 14
    bottom, begin, end = height - AXIS, items[0].begin, items[-1].end

    def x(value: float) -> float:
        return left + (value - begin) / (end - begin) * (right - left)

    def y(count: float) -> float:
        return TOP + (high - count) / (high - low) * (bottom - TOP)

    parts = []
    for mark, text in zip(marks, texts, strict=True):
        parts.append(line("chart-grid", left, y(mark), right, y(mark)))
        parts.append(text_at("chart-tick", left - 6, y(mark) + 4, text, "end"))
    parts += below(begin, end, x, bottom, width)
    for item in items:
        over, under = sorted((y(item.value), y(0)))
        wide = max(1.0, x(item.end) - x(item.begin) - 1)
        parts.append(
            f'<rect class="chart-bar" x="{x(item.begin):.1f}" y="{over:.1f}" width="{wide:.1f}" '
            f'height="{max(1.0, under - over):.1f}"/>'
        )
        middle = x(item.begin) + wide / 2
        parts.append(line("chart-error", middle, y(item.low), middle, y(item.high)))
    parts.append(line("chart-zero", left, y(0), right, y(0)))
    return svg(width, height, title, parts)


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

    parts = list(share_grid((0.0, 0.5, 1.0), y, left, right))
    parts.append(line("chart-warning", left, y(0.2), right, y(0.2)))
    parts.append(text_at("chart-tick", right, y(0.2) - 5, "the last fifth", "end"))
    path = f"M{x(begin):.1f} {y(points[0].left):.1f}"
    for point in points[1:]:
        path += f"H{x(point.at):.1f}V{y(point.left):.1f}"
    area = f"{path}H{right}V{y(lowest):.1f}H{left}Z"
    parts += [f'<path class="chart-area" d="{area}"/>', f'<path class="chart-line" d="{path}H{right}"/>']
    parts.append(text_at("chart-tick", left, height - 6, f"{begin.day} {begin:%b %Y}", "start"))
    parts.append(text_at("chart-tick", right, height - 6, "now", "end"))
    return svg(width, height, title, parts)
