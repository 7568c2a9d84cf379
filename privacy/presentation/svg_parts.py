"""Parts of charts as SVG: lines, texts and axes.

Colours and strokes come from classes, because the content security policy allows no style attributes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from django.utils.html import escape

TOP = 8
AXIS = 26
LETTER = 6.6
Scale: TypeAlias = Callable[[float], float]


def tick(x: float, bottom: float, text: str, width: float) -> str:
    """Return the number below a mark, centred, but kept inside the chart."""
    beyond = x + len(text) * LETTER / 2 > width
    return text_at("chart-tick", width if beyond else x, bottom + 16, text, "end" if beyond else "middle")


def number(mark: float, decimals: int) -> str:
    return f"{mark + 0.0:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def below(begin: float, end: float, x: Scale, bottom: float, width: float) -> Iterator[str]:
    """The numbers below a chart whose values lie between these two."""
    marks = sorted({mark for mark in ticks(begin, end, 6 if width > 500 else 3) if begin <= mark <= end})
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    for mark in marks:
        yield line("chart-grid", x(mark), bottom, x(mark), bottom + 4)
        yield tick(x(mark), bottom, number(mark, decimals(step)), width)


def share_grid(shares: Sequence[float], y: Scale, left: float, right: float) -> Iterator[str]:
    for share in shares:
        yield line("chart-grid", left, y(share), right, y(share))
        yield text_at("chart-tick", left - 6, y(share) + 4, f"{share * 100:.0f} %", "end")


def decimals(step: float) -> int:
    """Return the number of decimals that distinguishes marks this far apart."""
    return min(8, max(0, -math.floor(math.log10(step))))


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) that cover the range, about `wanted` of them."""
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text_at(name: str, x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
