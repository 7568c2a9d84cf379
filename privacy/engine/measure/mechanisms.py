"""Noise and thresholds. OpenDP's discrete Gaussian on integers is the only randomness in what is released.

The sampler is exact (Canonne, Kamath and Steinke, The discrete Gaussian for differential privacy, NeurIPS 2020) and
takes its bits from the operating system. At the scales used here (2**27 units and more) it is mu-GDP up to an epsilon
below 1e-9 over a million released numbers; the zCDP guarantee holds without any slack.
"""

import math
import threading
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import opendp.prelude as dp

from privacy.engine.measure.contributions import ONE, Integers

MIN_SIGMA = ONE // 8
"""No budget can pay for less noise than this, and the distance to the Gaussian would no longer be negligible."""
MAX_SIGMA = 2**60

dp.enable_features("contrib")


def threshold(sigma: int, keys: int, delta: float) -> int:
    """Return the noisy count, in units, that a key must reach to be released.

    Keys of one subject alone are then released with a probability of at most delta: max over t <= keys of
    ONE/sqrt(t) + sigma Phi^-1((1 - delta)^(1/t)) (Gopi et al., Differentially private set union, ICML 2020, theorem
    5.1). Raises ValueError if delta is not between 0 and 1.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta must be between 0 and 1, not {delta}.")
    normal = NormalDist()
    # 1 - (1 - delta)^(1/t), accurate for a small delta; the upper quantile by symmetry.
    tails = [-math.expm1(math.log1p(-delta) / t) for t in range(1, keys + 1)]
    reach = [ONE / math.sqrt(t) - sigma * normal.inv_cdf(tail) for t, tail in enumerate(tails, start=1)]
    return math.ceil(max(reach) * (1 + 1e-12))


def float_not_below(sigma: int) -> float:
    """Return the smallest float that is not below sigma. The nearest float may be, above 2**53."""
    nearest = float(sigma)
    return nearest if nearest >= sigma else math.nextafter(nearest, math.inf)


def add_noise(total: Integers, sigma: int) -> Integers:
    """Return `total` plus independent discrete Gaussian noise of standard deviation `sigma` units. Same shape.

    Raises ValueError if sigma lies outside [MIN_SIGMA, MAX_SIGMA].
    """
    if not MIN_SIGMA <= sigma <= MAX_SIGMA:
        raise ValueError(f"sigma must be between {MIN_SIGMA} and {MAX_SIGMA} units, not {sigma}.")
    noisy = _gaussian(total.size, sigma, threading.get_ident())(total.ravel().tolist())
    return np.array(noisy, dtype=np.int64).reshape(total.shape)


@lru_cache(maxsize=8)
def _gaussian(size: int, sigma: int, _thread: int) -> dp.Measurement:
    """Return OpenDP's mechanism for so many numbers. A model asks for the same one at each step, so it is kept: one for
    each thread, because OpenDP does not promise that threads may share it."""
    domain = dp.vector_domain(dp.atom_domain(T="i64"), size=size)
    return dp.m.make_gaussian(domain, dp.l2_distance(T="i64"), scale=float_not_below(sigma))
