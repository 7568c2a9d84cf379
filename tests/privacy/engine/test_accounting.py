"""The conversions agree with 60-digit arithmetic, and err to the safe side only."""

from itertools import product

import mpmath as mp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine import accounting as ac

EPSILONS = [1e-3, 0.01, 0.3, 1, 4, 10, 50]
DELTAS = [1e-15, 1e-9, 1e-6, 1e-3, 0.1]
GRID = list(product(EPSILONS, DELTAS))
TOLERANCE = 1e-9
mp.mp.dps = 60


def exact_gdp_delta(epsilon, mu):
    epsilon, mu = mp.mpf(epsilon), mp.mpf(mu)
    return mp.ncdf(-epsilon / mu + mu / 2) - mp.exp(epsilon) * mp.ncdf(-epsilon / mu - mu / 2)


def exact_zcdp_delta(epsilon, rho):
    def log_bound(a):
        return (a - 1) * (a * rho - epsilon + mp.log(1 - 1 / a)) - mp.log(a)

    a = bisect(
        lambda a: (2 * a - 1) * rho - epsilon + mp.log(1 - 1 / a),
        low=mp.mpf(10) ** -30,
        high=mp.mpf(10) ** 25,
    )
    return min(mp.mpf(1), mp.exp(log_bound(a)))


def bisect(rising, *, low, high):
    """The root of a rising function of a = 1 + x, x searched geometrically."""
    for _ in range(400):
        middle = mp.sqrt(low * high)
        low, high = (middle, high) if rising(1 + middle) < 0 else (low, middle)
    return 1 + low


def above(got, true):
    return 0 <= (mp.mpf(got) - true) / true <= TOLERANCE


@pytest.mark.parametrize(("epsilon", "delta"), GRID)
def test_gdp_mu_is_exact_and_never_too_large(epsilon, delta):
    mu = ac.gdp_mu(epsilon, delta)
    assert exact_gdp_delta(epsilon, mu) <= delta
    assert exact_gdp_delta(epsilon, mu * (1 + TOLERANCE)) >= delta


@pytest.mark.parametrize(("epsilon", "delta"), GRID)
def test_gdp_epsilon_and_delta_are_exact_and_never_too_small(epsilon, delta):
    mu = ac.gdp_mu(epsilon, delta)
    assert above(ac.gdp_delta(epsilon, mu), exact_gdp_delta(epsilon, mu))
    back = ac.gdp_epsilon(mu, delta)
    assert exact_gdp_delta(back, mu) <= delta
    assert exact_gdp_delta(back * (1 - TOLERANCE), mu) >= delta


@pytest.mark.parametrize(("epsilon", "delta"), GRID)
def test_zcdp_is_exact_and_on_the_safe_side(epsilon, delta):
    rho = ac.zcdp_rho(epsilon, delta)
    assert exact_zcdp_delta(epsilon, mp.mpf(rho)) <= delta
    assert exact_zcdp_delta(epsilon, mp.mpf(rho) * (1 + TOLERANCE)) >= delta
    assert above(ac.zcdp_delta(epsilon, rho), exact_zcdp_delta(epsilon, mp.mpf(rho)))
    back = ac.zcdp_epsilon(rho, delta)
    assert exact_zcdp_delta(back, mp.mpf(rho)) <= delta
    assert exact_zcdp_delta(back * (1 - TOLERANCE), mp.mpf(rho)) >= delta


@settings(deadline=None, max_examples=60)
@given(
    st.floats(1e-3, 50, allow_nan=False).filter(lambda x: x > 0),
    st.floats(-15, -1).map(lambda x: min(0.1, max(1e-15, 10**x))),
)
def test_anywhere_in_the_ranges_the_guarantee_holds(epsilon, delta):
    assert exact_gdp_delta(epsilon, ac.gdp_mu(epsilon, delta)) <= delta
    assert exact_zcdp_delta(epsilon, mp.mpf(ac.zcdp_rho(epsilon, delta))) <= delta


def test_known_values():
    assert ac.gdp_mu(1, 1e-6) == pytest.approx(0.236704, abs=1e-6)
    assert ac.zcdp_rho(1, 1e-6) == pytest.approx(0.024356, abs=1e-6)
    assert ac.zcdp_epsilon(0.005, 1e-5) == pytest.approx(0.375261235699, rel=1e-9)


def test_a_delta_too_small_for_a_float_is_not_called_zero():
    assert 0 < ac.gdp_delta(50, 0.01) < 1e-300


def test_where_delta_alone_covers_the_loss_epsilon_is_zero():
    assert ac.gdp_epsilon(0.01, 0.1) == 0.0
    assert ac.zcdp_epsilon(1e-9, 0.1) == 0.0


@pytest.mark.parametrize("bad", [0, -1, 51, float("nan"), float("inf"), "1", None, True])
def test_an_epsilon_outside_is_refused_with_its_name(bad):
    for call in (
        lambda: ac.gdp_mu(bad, 1e-6),
        lambda: ac.zcdp_rho(bad, 1e-6),
        lambda: ac.gdp_delta(bad, 0.1),
    ):
        with pytest.raises(ValueError, match="Epsilon must"):
            call()


@pytest.mark.parametrize("bad", [0, -1e-6, 0.11, 1, float("nan"), float("inf")])
def test_a_delta_outside_is_refused_with_its_name(bad):
    for call in (
        lambda: ac.gdp_mu(1, bad),
        lambda: ac.zcdp_epsilon(0.1, bad),
        lambda: ac.gdp_epsilon(0.1, bad),
    ):
        with pytest.raises(ValueError, match="Delta must"):
            call()


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_a_mu_or_rho_outside_is_refused_with_its_name(bad):
    with pytest.raises(ValueError, match="Mu must"):
        ac.gdp_delta(1, bad)
    with pytest.raises(ValueError, match="Rho must"):
        ac.zcdp_delta(1, bad)


def test_a_rho_far_above_epsilon_promises_nothing():
    assert ac.zcdp_delta(1.0, 61.5) == 1.0
    assert ac.zcdp_delta(1e-3, 5000.0) == 1.0
    assert 0.999 < ac.zcdp_delta(1.0, 60.0) <= 1.0


def test_a_number_past_all_floats_is_refused_like_any_other():
    with pytest.raises(ValueError, match="Epsilon must be between"):
        ac.gdp_mu(10**400, 1e-6)
