"""Rounded numbers are the same float however they were computed, as far from 0 as is allowed."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import decimal_grid
from common.decimal_grid import MOST_DECIMALS, at, holds, largest, nearest, place

EVERY = range(MOST_DECIMALS + 1)


def furthest(decimals):
    return 2**53 if decimals == 0 else 2**50


@pytest.mark.parametrize(
    ("number", "decimals", "becomes"),
    [
        (0.1 + 0.2, 1, 0.3),
        (0.1 + 0.2, 6, 0.3),
        (1.005, 3, 1.005),
        (1.1 * 1.1, 2, 1.21),
        (2.675, 3, 2.675),
        (0.07 * 100, 0, 7.0),
        (4.35 * 100, 0, 435.0),
        (1.15 + 2.30, 2, 3.45),
        (-0.001, 2, 0.0),
        (19.99 * 3, 2, 59.97),
        (2.0**50 / 100 - 0.004, 2, (2**50 - 0) / 100),
    ],
)
def test_what_arithmetic_has_left_behind_goes(number, decimals, becomes):
    (found,) = nearest(np.array([number]), decimals)
    assert (found, math.copysign(1, found)) == (becomes, math.copysign(1, becomes))
    assert holds(float(found), decimals)


@given(
    st.sampled_from(EVERY).flatmap(lambda d: st.tuples(st.just(d), st.integers(-furthest(d), furthest(d))))
)
def test_each_place_has_the_nearest_float_and_is_found_from_the_floats_beside_it(drawn):
    decimals, k = drawn
    number = at(float(k), decimals)
    assert number == float(Fraction(k, 10**decimals)) == float(f"{k}e-{decimals}")
    assert (place(number, decimals), holds(number, decimals)) == (k, True)
    beside = [math.nextafter(number, -math.inf), number, math.nextafter(number, math.inf)]
    if decimals:
        assert (nearest(np.array(beside), decimals) == number).all()


@given(
    st.sampled_from(EVERY).flatmap(lambda d: st.tuples(st.just(d), st.integers(-furthest(d), furthest(d))))
)
def test_neighbours_are_different_floats(drawn):
    decimals, k = drawn
    nearer = k - 1 if k > 0 else k + 1
    assert (at(float(nearer), decimals) < at(float(k), decimals)) == (k > 0)
    assert at(float(nearer), decimals) != at(float(k), decimals)


@pytest.mark.parametrize("decimals", EVERY)
def test_what_is_too_large_or_between_two_is_none(decimals):
    between = 5.0 * 10.0 ** -(decimals + 1)
    for number in (
        between,
        1e300,
        math.inf,
        -math.inf,
        math.nan,
        math.nextafter(largest(decimals), math.inf),
    ):
        assert not holds(number, decimals)
    assert holds(largest(decimals), decimals) == (
        decimal_grid.at(float(furthest(decimals)), decimals) == largest(decimals)
    )
