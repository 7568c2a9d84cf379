"""Conversions between (epsilon, delta), Gaussian DP and zero-concentrated DP.

Every function is accurate to 1e-9 relative for epsilon in [1e-3, 50] and delta in [1e-15, 0.1], and any error is on the
safe side: an epsilon or delta is never too small, a mu or rho never too large. Arguments outside these ranges raise
ValueError. Nothing here depends on data.

Gaussian DP (Dong, Roth and Su, Gaussian differential privacy, JRSS B 84, 2022, Corollary 1; Balle and Wang, ICML 2018):
    delta(epsilon; mu) = Phi(-epsilon/mu + mu/2) - exp(epsilon) Phi(-epsilon/mu - mu/2).
With t1 = epsilon/mu - mu/2, t2 = t1 + mu and the Mills ratio R(t) = Phi(-t)/phi(t), exp(epsilon) phi(t2) = phi(t1), so
    delta = phi(t1) (R(t1) - R(t2)) = phi(t1) Integral_{t1}^{t2} (1 - t R(t)) dt,
whose integrand is positive, so nothing cancels.

Zero-concentrated DP (Canonne, Kamath and Steinke, The discrete Gaussian, NeurIPS 2020, Corollary 13):
    delta = inf_{a > 1} exp((a - 1)(a rho - epsilon)) / (a - 1) (1 - 1/a)^a.
Any a gives a valid bound, so an inexact optimum costs accuracy in second order and validity never.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfcx, log_ndtr, ndtr

EPSILON_RANGE = (1e-3, 50.0)
DELTA_RANGE = (1e-15, 0.1)
MU_RANGE = (1e-9, 100.0)
RHO_RANGE = (1e-18, 5000.0)

SLACK = 1e-9
"""The most by which the epsilon of Gaussian DP is below that of our discrete noise, over a million released numbers
with noise of at least 1/8 clip each."""

# Results are moved to the safe side by this much (relative, in delta); rounding errors stay below a tenth of it.
SAFETY = 1e-12
_SMALLEST = math.ulp(0.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_SQRT_HALF_PI = math.sqrt(math.pi / 2)


def gdp_delta(epsilon: float, mu: float) -> float:
    """Return the smallest delta such that mu-GDP implies (epsilon, delta)-DP. Raises ValueError outside the ranges."""
    epsilon, mu = _checked("epsilon", epsilon, EPSILON_RANGE), _checked("mu", mu, MU_RANGE)
    return _up(_gdp_log_delta(epsilon, mu))


def gdp_mu(epsilon: float, delta: float) -> float:
    """Return the largest mu such that mu-GDP implies (epsilon, delta)-DP. Raises ValueError outside the ranges."""
    return _gdp_mu(_checked("epsilon", epsilon, EPSILON_RANGE), _checked("delta", delta, DELTA_RANGE))


def _gdp_mu(epsilon: float, delta: float) -> float:
    target = math.log(delta) - SAFETY
    root = _root(lambda x: _gdp_log_delta(epsilon, math.exp(x)) - target, math.log(1e-6), math.log(100.0))
    return math.exp(root) * (1 - 1e-14)


def gdp_epsilon(mu: float, delta: float) -> float:
    """Return the smallest epsilon such that mu-GDP implies (epsilon, delta)-DP; 0.0 if delta alone covers it.

    Raises ValueError if mu or delta is outside its range.
    """
    mu, delta = _checked("mu", mu, MU_RANGE), _checked("delta", delta, DELTA_RANGE)
    target = math.log(delta) - SAFETY
    if _gdp_log_delta(0.0, mu) <= target:
        return 0.0
    high = mu * mu / 2 + 10 * mu
    root = _root(lambda epsilon: _gdp_log_delta(epsilon, mu) - target, 0.0, high)
    return root * (1 + 1e-14) + _SMALLEST


def noise_mu(epsilon: float, delta: float) -> float:
    """Return the largest mu whose discrete noise is (epsilon, delta)-DP, SLACK included. Raises like gdp_mu."""
    epsilon, delta = _checked("epsilon", epsilon, EPSILON_RANGE), _checked("delta", delta, DELTA_RANGE)
    return _gdp_mu(epsilon - SLACK, delta)


def noise_epsilon(mu: float, delta: float) -> float:
    """Return the epsilon, SLACK included, of discrete noise of this mu at this delta. Raises like gdp_epsilon.

    A mu below MU_RANGE counts as its lower end.
    """
    return gdp_epsilon(max(mu, MU_RANGE[0]), delta) + SLACK


def zcdp_delta(epsilon: float, rho: float) -> float:
    """Return a delta such that rho-zCDP implies (epsilon, delta)-DP, the best of any one Renyi order.

    Raises ValueError outside the ranges.
    """
    epsilon, rho = _checked("epsilon", epsilon, EPSILON_RANGE), _checked("rho", rho, RHO_RANGE)

    def slope(x: float) -> float:
        return (2 * math.exp(x) + 1) * rho - epsilon + _log_one_minus_inverse(x)

    if slope(-60.0) >= 0:
        return 1.0
    b = math.exp(_root(slope, -60.0, 60.0))
    return _up(min(0.0, _zcdp_log_delta(b, epsilon, rho)))


def zcdp_epsilon(rho: float, delta: float) -> float:
    """Return an epsilon such that rho-zCDP implies (epsilon, delta)-DP, the best of any one Renyi order; at least 0.0.

    Raises ValueError outside the ranges.
    """
    rho, delta = _checked("rho", rho, RHO_RANGE), _checked("delta", delta, DELTA_RANGE)

    def slope(x: float) -> float:
        b = math.exp(x)
        return b * b * rho + math.log1p(b) + math.log(delta)

    x = _root(slope, -60.0, math.log(1 / delta))
    b = math.exp(x)
    terms = ((b + 1) * rho, _log_one_minus_inverse(x), -(math.log1p(b) + math.log(delta)) / b)
    return max(0.0, sum(terms) + SAFETY / b + 4e-15 * sum(map(abs, terms)))


def zcdp_rho(epsilon: float, delta: float) -> float:
    """Return a rho such that rho-zCDP implies (epsilon, delta)-DP, the largest of any one Renyi order.

    Raises ValueError outside the ranges.
    """
    epsilon, delta = _checked("epsilon", epsilon, EPSILON_RANGE), _checked("delta", delta, DELTA_RANGE)

    def excess(x: float) -> float:
        b = math.exp(x)
        return (
            -(math.log1p(b) + math.log(delta)) * (2 * b + 1) / (b * b) + _log_one_minus_inverse(x) - epsilon
        )

    x = _root(excess, -20.0, math.log(1 / delta - 1))
    b = math.exp(x)
    terms = (epsilon, -_log_one_minus_inverse(x), (math.log1p(b) + math.log(delta)) / b)
    return (sum(terms) - SAFETY / b - 4e-15 * sum(map(abs, terms))) / (b + 1)


def _checked(name: str, value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise ValueError(f"{name.capitalize()} must be a number, not {value!r}.")
    if not low <= value <= high:
        found = str(value)[:50].removesuffix(".0")
        raise ValueError(f"{name.capitalize()} must be between {low:g} and {high:g}, not {found}.")
    return float(value)


def _up(log_delta: float) -> float:
    """Return exp(log_delta), moved to the safe side; never 0."""
    return min(1.0, max(_SMALLEST, math.exp(log_delta + SAFETY)))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where in [low, high] a monotone function changes sign, to the last bits of a float."""
    return float(brentq(function, low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=500))


def _gdp_log_delta(epsilon: float, mu: float) -> float:
    t1, t2 = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    if t1 < 0:
        return math.log(float(ndtr(-t1)) - math.exp(epsilon + float(log_ndtr(-t2))))
    log_phi = -t1 * t1 / 2 - _LOG_SQRT_2PI
    if mu >= 1:
        return log_phi + math.log(_mills(t1) - _mills(t2))
    points = t1 + (_NODES + 1) * (mu / 2)
    integral = sum(weight * _mills_defect(t) for weight, t in zip(_WEIGHTS, points, strict=True)) * mu / 2
    return log_phi + math.log(integral)


def _mills(t: float) -> float:
    """R(t) = Phi(-t) / phi(t)."""
    return _SQRT_HALF_PI * float(erfcx(t / math.sqrt(2)))


def _mills_defect(t: float) -> float:
    """1 - t R(t) for t >= 0; by Laplace's continued fraction where the difference would cancel."""
    if t < 3:
        return 1 - t * _mills(t)
    tail = 0.0
    for k in range(120, 1, -1):
        tail = k / (t + tail)
    first = 1 / (t + tail)
    return first / (t + first)


def _log_one_minus_inverse(x: float) -> float:
    """log(1 - 1/a) with a = 1 + exp(x), accurate at either end."""
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


def _zcdp_log_delta(b: float, epsilon: float, rho: float) -> float:
    """The logarithm of the bound at the Renyi order 1 + b."""
    return b * ((b + 1) * rho - epsilon + _log_one_minus_inverse(math.log(b))) - math.log1p(b)
