"""Joint questions: the sum of the portals' totals is the central total, and each part is priced and noised as said."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import masks
from privacy.engine import figures, joint_release
from privacy.engine.joint_release import MIN_SHARE, figures_of, noisy_vector, share_for, units_of
from privacy.engine.language.expressions import Column, In
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import (
    Count,
    CountSubjects,
    Distribution,
    Histogram,
    KeyCounts,
    Mean,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
)
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure.contributions import CAP, ONE, worst_case_units
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.plan import pricing
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_fit import FITS, asked
from tests.privacy.make_table import SPEC, table

WAGE, HOURS = Column("wage"), Column("hours")
MEAN = Query(table="wages", measure=Mean(WAGE))
COUNT = Query(table="wages", measure=CountSubjects())
JOINT = {
    "count": Query(table="wages", measure=Count(), by=("region", "union"), where=In("union", ("1",))),
    "mean": Query(table="wages", measure=Mean(WAGE), by=("region",)),
    "regression": Query(table="wages", measure=Regression(WAGE, (HOURS,), ("hours",))),
    "distribution": Query(table="wages", measure=Distribution(WAGE, 32)),
    "histogram": Query(table="wages", measure=Histogram(WAGE, (0.0, 10.0, 20.0, 60.0)), by=("union",)),
}
PRICE = {"k": 3, "h": 2, "mu": 1.0, "delta": 1e-6}


def plan_of(query):
    return joint_release.check(query, SPEC)


def exact(query, data):
    found = measure(query, data)
    assert found.totals is not None
    return found.totals(None).ravel()


def parts_of(data, many):
    """The people of a table as `many` portals hold them: each some of them, in order."""
    at = np.linspace(0, data.subjects, many + 1).astype(int)
    for first, last in pairwise(at):
        begin, end = data.offsets[first], data.offsets[last]
        columns = {
            name: Values(each.numbers[begin:end], each.valid[begin:end])
            for name, each in data.rows.columns.items()
        }
        offsets = data.offsets[first : last + 1] - begin
        yield table_from_columns(Rows(SPEC, columns, int(end - begin)), offsets)


@pytest.mark.parametrize("many", [2, 3, 5])
@pytest.mark.parametrize("query", JOINT.values(), ids=JOINT)
def test_the_sum_of_totals_is_the_central_total_bit_for_bit(query, many):
    data = table(subjects=200)
    central = exact(query, data)
    apart = [exact(query, part) for part in parts_of(data, many)]
    assert np.any(central)
    assert sum(apart).tolist() == central.tolist()
    assert central.shape == (math.prod(joint_release.width(query, plan_of(query))),)


@pytest.mark.parametrize("query", JOINT.values(), ids=JOINT)
def test_vectors_add_up_to_the_figures_of_a_local_answer(query):
    """From masked vectors with little noise come the local figures, with the interval of share sqrt(k)."""
    data, private = table(subjects=200), [masks.new_key() for _ in range(3)]
    publics = [masks.public_of(each) for each in private]
    hidden = [
        masks.masked(
            noisy_vector(measure(query, part), MIN_SHARE, None),
            private=private[k],
            place=k,
            publics=publics,
            transcript=bytes(32),
            round_=0,
            input_sha256=bytes(32),
        )
        for k, part in enumerate(parts_of(data, 3))
    ]
    total = masks.total(hidden)
    noise = (total - exact(query, data)) / MIN_SHARE
    assert 0 < np.abs(noise).max() < 6 * math.sqrt(3)
    cells = total.reshape(joint_release.width(query, plan_of(query)))
    told = figures_of(query, SPEC, total, MIN_SHARE, 3)
    assert told == figures.of_sums(query, plan_of(query), cells, MIN_SHARE * math.sqrt(3))
    assert any(each.value is not None for line in told.lines for each in line.figures)


def test_a_part_holds_its_people_and_its_own_noise():
    """Noise of each part has the standard deviation `share`, is new each time, and leaves out who takes no part."""
    query = Query(table="wages", measure=Distribution(HOURS, 256))
    measured = measure(query, table(subjects=20))
    assert measured.totals is not None
    nobody = np.zeros(20, dtype=np.bool_)
    drawn = [noisy_vector(measured, 2**40, nobody).view(np.int64) / 2**40 for _ in range(8)]
    assert 0.9 < np.std(drawn) < 1.1
    assert len(set(np.ravel(drawn))) == 8 * 256
    close = noisy_vector(measured, MIN_SHARE, None).view(np.int64) - measured.totals(None).ravel()
    assert 0.7 < np.std(close) / MIN_SHARE < 1.3


def test_sums_wrap_around_where_a_sampler_would_saturate():
    measured = measure(COUNT, table(subjects=5))
    full = np.array([[2**63 - 1]], dtype=np.int64)
    object.__setattr__(measured, "totals", lambda _: full)
    drawn = [int(noisy_vector(measured, 2**59, None)[0]) for _ in range(40)]
    assert min(drawn) < 2**63 - 1 < max(drawn)


REFUSED = {
    "undeclared values": (KeyCounts("job", 1), "Undeclared values"),
    "quantiles": (Quantiles(WAGE, (0.5,)), "Quantiles"),
    "quantiles of people": (PersonQuantiles(None, (0.5,)), "Quantiles"),
    "a synthetic table": (SyntheticTable(("union", "region"), 4), "Models and synthetic tables"),
    "a model": (asked(FITS["linear"]).measure, "Models and synthetic tables"),
    "what is not declared": (Mean(Column("height")), "height"),
}


@pytest.mark.parametrize(("kind", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_joint_is_refused(kind, says):
    with pytest.raises(QueryRefused, match=says):
        plan_of(Query(table="wages", measure=kind))
    with pytest.raises(QueryRefused, match=says):
        figures_of(Query(table="wages", measure=kind), SPEC, np.zeros(1, dtype=np.int64), MIN_SHARE, 2)


def test_a_vector_has_at_most_10_000_numbers(monkeypatch):
    query = JOINT["mean"]
    cells, each = joint_release.width(query, plan_of(query))
    assert each == 2
    monkeypatch.setattr(joint_release, "MAX_CELLS", cells * each)
    assert joint_release.width(query, plan_of(query)) == (cells, each)
    monkeypatch.setattr(joint_release, "MAX_CELLS", cells * each - 1)
    with pytest.raises(QueryRefused, match="more than 5 numbers"):
        plan_of(query)


def test_only_one_sum_becomes_a_vector():
    measured = measure(Query(table="wages", measure=Quantiles(WAGE, (0.5,))), table(subjects=5))
    with pytest.raises(ValueError, match="all at once"):
        noisy_vector(measured, MIN_SHARE, None)
    with pytest.raises(ValueError, match="sigma must be between"):
        noisy_vector(measure(COUNT, table(subjects=5)), MIN_SHARE - 1, None)


def test_a_total_has_the_length_of_its_query():
    with pytest.raises(ValueError, match="not \\(2,\\)"):
        figures_of(MEAN, SPEC, np.zeros(3, dtype=np.int64), MIN_SHARE, 2)


@settings(max_examples=30)
@given(st.integers(MIN_SHARE, 2**58), st.integers(1, 9), st.floats(0.01, 10))
def test_the_price_is_that_of_the_noise_that_is_counted_on(share, h, mu):
    mu_squared = Fraction(mu) ** 2
    units = units_of(share, h, mu_squared)
    exactly = Fraction(CAP) * ONE * ONE / (h * share * share * mu_squared)
    assert units - 1 < exactly <= units
    assert units_of(share, 1, mu_squared) == worst_case_units(share, mu_squared)
    assert units_of(share, 4 * h, mu_squared) == units_of(2 * share, h, mu_squared)


@pytest.mark.parametrize(("share", "h"), [(MIN_SHARE, 0), (MIN_SHARE, -1), (0, 1)])
def test_nobody_counts_on_fewer_than_themselves(share, h):
    with pytest.raises(ValueError, match="counts on itself"):
        units_of(share, h, Fraction(1))


@settings(max_examples=30)
@given(st.floats(0.002, 1), st.integers(2, 9), st.integers(1, 8), st.floats(0.05, 2))
def test_what_is_asked_for_is_never_exceeded_and_nearly_reached(part, k, h, mu):
    plan, terms = plan_of(COUNT), {"k": k, "h": h, "mu": mu, "delta": 1e-6}
    share = share_for(COUNT, plan, {"share": part}, **terms)
    assert units_of(share, h, Fraction(mu) ** 2) / CAP <= part
    assert units_of(share - 1, h, Fraction(mu) ** 2) / CAP > part * (1 - 1e-4)
    error = 10 * part
    share = share_for(COUNT, plan, {"error": 10 + error}, **terms)
    reached, closer = (joint_release.half_width(COUNT, plan, each, k) for each in (share, share - 1))
    assert closer < (10 + error) * (1 + 1e-15)
    assert reached == pytest.approx(10 + error, rel=1e-7)
    share = share_for(COUNT, plan, {"epsilon": part}, **terms)
    assert ONE / (math.sqrt(h) * share) == pytest.approx(pricing.mu_of({"epsilon": part}, 1e-6, mu), rel=1e-7)


def test_the_error_of_a_mean_is_known_with_the_number_of_rows():
    plan = plan_of(MEAN)
    share = share_for(MEAN, plan, {"error": 0.5}, size=10_000, **PRICE)
    assert joint_release.half_width(MEAN, plan, share, 3, size=10_000) == pytest.approx(0.5, rel=1e-7)
    assert joint_release.half_width(MEAN, plan, share, 3) is None
    with pytest.raises(QueryRefused, match="Count them first"):
        share_for(MEAN, plan, {"error": 0.5}, **PRICE)


@pytest.mark.parametrize(
    ("price", "says"),
    [
        ({"error": 0.01}, "precise"),
        ({"error": 1e300}, "noise"),
        ({"error": -1.0}, "positive"),
        ({"epsilon": 500.0}, "Epsilon"),
        ({"share": 1.5}, "share of the budget"),
        ({"share": 1e-12}, "noise"),
    ],
)
def test_prices_out_of_range_are_refused(price, says):
    with pytest.raises(QueryRefused, match=says):
        share_for(COUNT, plan_of(COUNT), price, **PRICE)


def test_sums_that_might_wrap_are_refused():
    joint_release.must_not_wrap([10**9, 10**9 // 2], 2**50)
    most = 2**30 * (2**32 - 2 * 3_000)
    edge = math.isqrt(most**2 // (1600 * 3))
    joint_release.must_not_wrap([1_000] * 3, edge)
    with pytest.raises(QueryRefused, match="noise"):
        joint_release.must_not_wrap([1_000] * 3, edge + 2**20)
    with pytest.raises(QueryRefused, match="too many people"):
        joint_release.must_not_wrap([2**30, 2**30], MIN_SHARE)
