"""What the compiled passes find is what the reference finds, whatever is filtered, missing, clipped or left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine.measure.contributions import FREE, ONE, SUM, charges, contribute, price_of
from privacy.engine.measure.evaluate import EVERYWHERE, Values
from privacy.engine.measure.kernels import add_counts, add_grouped, add_rows, add_sizes
from privacy.engine.measure.ranks import Ranks

CELLS = 4
WORST = 12_345
SEEDS = st.integers(0, 2**32 - 1)
ONCE = settings(deadline=None, derandomize=True, max_examples=30)


class Crowd:
    """People of 0 to 6 rows, one with more rows than count; some rows filtered out, missing, some people left out."""

    def __init__(self, seed, *, people=1500, filtered=True, missing=True, partly=True):
        draw = np.random.default_rng(seed)
        sizes = draw.integers(0, 7, people)
        sizes[int(draw.integers(people))] = 5000
        self.offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.rows, self.people = int(self.offsets[-1]), people
        self.codes = draw.integers(0, CELLS, self.rows).astype(np.int8)
        self.x = draw.integers(0, 1001, self.rows).astype(np.int16)
        self.keep = draw.random(self.rows) < 0.5 if filtered else EVERYWHERE
        self.valid = draw.random(self.rows) < 0.5 if missing else EVERYWHERE
        self.active = draw.random(people) < 0.5 if partly else EVERYWHERE

    def expected(self, units, *, grouped=False):
        there = np.ones(self.rows, bool)
        for flags in (self.keep, self.valid):
            there &= flags if len(flags) else True
        return contribute(
            self.offsets,
            np.where(there, self.codes if grouped else 0, -1).astype(np.int32),
            np.column_stack(units).astype(np.int64),
            size=CELLS if grouped else 1,
            mode=SUM,
            active=self.active if len(self.active) else None,
        )

    def nothing(self, *shape):
        return np.zeros(shape, dtype=np.int64), np.empty(self.people, dtype=np.int64)


def crowds(function):
    varied = given(seed=SEEDS, filtered=st.booleans(), missing=st.booleans(), partly=st.booleans())
    return ONCE(varied(function))


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
@crowds
def test_counts_by_group(share, seed, filtered, missing, partly):
    crowd = Crowd(seed, filtered=filtered, missing=missing, partly=partly)
    weight = round(share * ONE)
    total, squares = crowd.nothing(CELLS, 1)
    add_counts(
        crowd.offsets, crowd.keep, crowd.codes, crowd.valid, weight, FREE, crowd.active, total, squares
    )
    same(total, squares, crowd.expected([np.full(crowd.rows, weight)], grouped=True))


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("width", [1, 2])
@crowds
def test_sums_and_means_by_group(width, share, seed, filtered, missing, partly):
    crowd = Crowd(seed, filtered=filtered, missing=missing, partly=partly)
    slope, shift, weight = ONE * share / 500, -ONE * share, round(ONE * share / 2)
    total, squares = crowd.nothing(CELLS, width)
    columns = (crowd.keep, crowd.codes, EVERYWHERE, crowd.x, crowd.valid)
    add_grouped(crowd.offsets, *columns, slope, shift, weight, FREE, crowd.active, total, squares)
    units = [np.rint(crowd.x * slope + shift), np.full(crowd.rows, weight)][:width]
    same(total, squares, crowd.expected(units, grouped=True))


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("width", [1, 2])
@crowds
def test_sums_and_means(width, share, seed, filtered, missing, partly):
    crowd = Crowd(seed, filtered=filtered, missing=missing, partly=partly)
    slope, shift, weight = ONE * share / 500, -ONE * share, round(ONE * share / 2)
    total, squares = crowd.nothing(1, width)
    columns = (crowd.keep, crowd.x, crowd.valid)
    add_rows(crowd.offsets, *columns, slope, shift, weight, FREE, crowd.active, total, squares)
    units = [np.rint(crowd.x * slope + shift), np.full(crowd.rows, weight)][:width]
    same(total, squares, crowd.expected(units))


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
@crowds
def test_counts(share, seed, filtered, missing, partly):
    crowd = Crowd(seed, filtered=filtered, missing=missing, partly=partly)
    weight, none = round(share * ONE), np.empty(0)
    total, squares = crowd.nothing(1, 1)
    columns = (crowd.keep, none, crowd.valid)
    add_rows(crowd.offsets, *columns, 0.0, 0.0, weight, FREE, crowd.active, total, squares)
    expected = crowd.expected([np.full(crowd.rows, weight)])
    same(total, squares, expected)
    if not filtered and not missing:
        total, squares = crowd.nothing(1, 1)
        add_sizes(crowd.offsets, weight, FREE, crowd.active, total, squares)
        same(total, squares, expected)


@pytest.mark.parametrize("releases", [1, 12])
@crowds
def test_a_pass_charges_what_its_squared_norms_are_charged(releases, seed, filtered, missing, partly):
    crowd = Crowd(seed, filtered=filtered, missing=missing, partly=partly)
    columns = (crowd.offsets, crowd.keep, crowd.x, crowd.valid, ONE / 3000, 0.0, ONE // 5)
    total, squares = crowd.nothing(1, 2)
    add_rows(*columns, FREE, crowd.active, total, squares)
    again, spent = np.zeros((1, 2), dtype=np.int64), np.empty(crowd.people, dtype=np.uint32)
    add_rows(*columns, price_of(WORST, releases), crowd.active, again, spent)
    assert again.tolist() == total.tolist()
    assert spent.tolist() == (charges(squares, WORST) * releases).tolist()


@pytest.mark.parametrize("share", [0.05, 0.5])
@crowds
def test_signed_counts(share, seed, filtered, missing, partly):
    crowd = Crowd(seed, people=200, filtered=filtered, missing=missing, partly=partly)
    stops = np.linspace(0.0, 1000.0, 33)[1:-1]
    below, above = round(0.25 * share * ONE), -round(0.75 * share * ONE)
    values = Values(crowd.x, crowd.valid)
    ranks = Ranks(crowd.offsets, crowd.keep, values, stops, -above, crowd.active)
    found = [ranks.signed_count(place, below, above) for place in range(len(stops))]
    expected = [crowd.expected([np.where(crowd.x <= stop, below, above)]).total[0, 0] for stop in stops]
    assert found == expected


def test_a_number_that_is_not_one_has_a_place_but_does_not_count():
    values = Values(np.array([np.nan, 1.0, np.inf, -np.inf]), np.array([False, True, False, False]))
    stops = np.array([1.0, 2.0, 3.0])
    ranks = Ranks(np.array([0, 2, 4]), EVERYWHERE, values, stops, ONE // 2, EVERYWHERE)
    assert [ranks.signed_count(place, 1, -1) for place in range(3)] == [1, 1, 1]


def test_a_price_fits_the_whole_budget():
    with pytest.raises(ValueError, match="worst case"):
        price_of(2**31, 2)


def same(total, squares, expected):
    assert total.tolist() == expected.total.tolist()
    assert squares.tolist() == expected.squares.tolist()
