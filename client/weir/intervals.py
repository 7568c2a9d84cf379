"""Interval arithmetic on declared bounds: which values can an expression take?

The portal computes the same. It is repeated here so that a mistake is refused where it is written, without a call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from weir.errors import CannotBeBounded

LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Interval:
    """The closed interval of values that an expression can take."""

    lower: float
    upper: float

    @property
    def magnitude(self) -> float:
        """The largest absolute value in it."""
        return max(abs(self.lower), abs(self.upper))

    @property
    def text(self) -> str:
        return f"{self.lower:g} to {self.upper:g}"


def _within(lower: float, upper: float) -> Interval:
    """Return the interval with these ends. Raises CannotBeBounded if one of them is not finite."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        raise CannotBeBounded(
            "By the declared bounds this can become too large for a floating-point number. "
            "Limit it first, for example with clip(0, 1000)."
        )
    return Interval(lower, upper)


def _outward(lower: float, upper: float, *, positive: bool = False, negative: bool = False) -> Interval:
    """Return the interval one float wider at each end, but not beyond 0 where all values have one sign."""
    low, high = math.nextafter(lower, -math.inf), math.nextafter(upper, math.inf)
    return _within(max(low, 0.0) if positive else low, min(high, 0.0) if negative else high)


def _multiply(a: Interval, b: Interval) -> Interval:
    ends = [x * y for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
    return _within(min(ends), max(ends))


def _divide(a: Interval, b: Interval) -> Interval:
    if b.lower <= 0 <= b.upper:
        raise CannotBeBounded(
            f"The divisor can be 0: by the declared bounds it is {b.text}. "
            "Keep it away from 0 first, for example with clip(1, None)."
        )
    ends = [x / y for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
    return _within(min(ends), max(ends))


# These are rounded correctly, and rounding is monotone: computed ends bound computed values, so they need no margin.
BINARY: dict[str, Callable[[Interval, Interval], Interval]] = {
    "+": lambda a, b: _within(a.lower + b.lower, a.upper + b.upper),
    "-": lambda a, b: _within(a.lower - b.upper, a.upper - b.lower),
    "*": _multiply,
    "/": _divide,
}


def negative(a: Interval) -> Interval:
    return Interval(-a.upper, -a.lower)


def _abs(a: Interval) -> Interval:
    return Interval(0.0 if a.lower <= 0 <= a.upper else min(abs(a.lower), abs(a.upper)), a.magnitude)


def _exp(a: Interval) -> Interval:
    if a.upper > LARGEST_EXPONENT:
        raise CannotBeBounded(
            f"The argument of exp can be as large as {a.upper:g}, more than {LARGEST_EXPONENT:g}. "
            "Limit it first, for example with clip(None, 10)."
        )
    return _outward(math.exp(a.lower), math.exp(a.upper), positive=True)


def _log(a: Interval) -> Interval:
    if a.lower <= 0:
        raise CannotBeBounded(
            f"The argument of a logarithm can be {a.lower:g}, but has to be above 0. "
            "Limit it first, for example with clip(1, None), or use np.log1p."
        )
    return _outward(math.log(a.lower), math.log(a.upper), positive=a.lower >= 1, negative=a.upper <= 1)


def _sqrt(a: Interval) -> Interval:
    if a.lower < 0:
        raise CannotBeBounded(
            f"The argument of a square root can be {a.lower:g}, but may not be negative. "
            "Limit it first with clip(0, None), or take np.abs."
        )
    return _within(math.sqrt(a.lower), math.sqrt(a.upper))


UNARY: dict[str, Callable[[Interval], Interval]] = {
    "-": negative, "abs": _abs, "exp": _exp, "log": _log, "sqrt": _sqrt,
}  # fmt: skip


def power(a: Interval, exponent: int) -> Interval:
    """Return the interval of a power from 2 to 8."""
    try:
        ends = [a.lower**exponent, a.upper**exponent]
    except OverflowError:
        ends = [-math.inf, math.inf]
    even = exponent % 2 == 0
    low = 0.0 if even and a.lower <= 0 <= a.upper else min(ends)
    return _outward(low, max(ends), positive=even or a.lower >= 0, negative=not even and a.upper <= 0)


def clip(a: Interval, lower: float, upper: float) -> Interval:
    return Interval(min(max(a.lower, lower), upper), max(min(a.upper, upper), lower))


def union(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.lower, b.lower), max(a.upper, b.upper))
