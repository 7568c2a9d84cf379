"""Floats rounded to a fixed number of decimals. Pure.

Each is the float nearest to k / 10**decimals for a whole number k, its place, however it was computed: two are equal
exactly if their places are, and `nearest` moves a float that is one step off back (up to 2**50 places from 0).
"""

from datetime import date
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

MOST_DECIMALS = 6
FIRST_DAY, LAST_DAY = ((each - date(1970, 1, 1)).days for each in (date.min, date.max))
"""The first and the last day that has a date, in days since 1970."""
Numbers = TypeVar("Numbers", float, npt.NDArray[Any])


def largest(decimals: int) -> float:
    """Return the largest distance from 0 at which floats tell such numbers apart and `place` finds the right place.

    A float x one step beside that of k / 10**d is at most 3 2**-53 |x| off, with the rounding of k / 10**d itself, and
    x * 10**d is rounded once more: in all about 2**-51 |k|, which is 1/2 at 2**50.
    """
    return 2.0**53 if decimals == 0 else 2.0**50 / 10**decimals


def place(number: float, decimals: int) -> int:
    """Return the k for which k / 10**decimals is nearest to `number`."""
    return round(number * 10.0**decimals)


def at(places: Numbers, decimals: int) -> Numbers:
    """Return the numbers at these places (whole numbers). Division rounds once, so these are the nearest floats."""
    return places / 10.0**decimals


def nearest(numbers: npt.NDArray[Any], decimals: int) -> npt.NDArray[Any]:
    """Round to the nearest numbers with at most `decimals` decimals, shape kept; 0 has no sign."""
    return at(np.rint(numbers * 10.0**decimals), decimals) + 0.0


def holds(number: float, decimals: int) -> bool:
    """Whether `number` has at most `decimals` decimals and is not too large for them."""
    return abs(number) <= largest(decimals) and at(float(place(number, decimals)), decimals) == number
