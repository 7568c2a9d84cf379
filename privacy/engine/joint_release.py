"""Joint questions: one query to several portals, each of which adds noise of its own before anything leaves it.

The vector of a portal is its exact sums plus noise of standard deviation `share`, modulo 2^64. The sum over all k
portals is the sum over all people plus noise of share sqrt(k), and figures follow from it as from a local answer. Each
portal charges its people as if it had added variance h share^2: h portals, itself among them, are counted on to add
their noise and to keep it. Noise of several portals adds up to a discrete Gaussian but for a distance that is zero for
all purposes at these scales (Kairouz, Liu and Steinke, The distributed discrete Gaussian mechanism, ICML 2021).
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from privacy.engine import figures
from privacy.engine.figures import Figures
from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import MAX_CELLS, KeyCounts, PersonQuantiles, Quantiles, Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.measure.contributions import CAP, ONE, Integers, worst_case_of
from privacy.engine.measure.evaluate import Bools
from privacy.engine.measure.mechanisms import MAX_SIGMA, MIN_SIGMA, add_noise
from privacy.engine.plan import pricing
from privacy.engine.plan.designs import Design, design
from privacy.engine.release import Measured

Vector = npt.NDArray[np.uint64]
MIN_SHARE = MIN_SIGMA
"""The least noise that a portal adds: with less, its part would not be Gaussian for all purposes."""
TAIL = 40
"""Noise is smaller than so many standard deviations, except once in 10^350."""
ROOM = 2**62
"""Sums with their noise stay below it, so that modulo 2^64 they are read with the right sign."""


def check(query: Query, spec: TableSpec) -> Design:
    """Check a joint query against the declarations and plan it. Raises QueryRefused; reads no rows."""
    match query.measure:
        case KeyCounts():
            raise QueryRefused("Undeclared values cannot be counted in several portals together.")
        case Quantiles() | PersonQuantiles():
            raise QueryRefused(
                "Quantiles cannot be asked of several portals together. Ask for the distribution instead."
            )
        case Fit() | SyntheticTable():
            raise QueryRefused(
                "Models and synthetic tables cannot be asked of several portals together. Ask each portal."
            )
        case _:
            plan = design(query, spec)
            width(query, plan)
            return plan


def width(query: Query, plan: Design) -> tuple[int, int]:
    """Return (cells, numbers in each) of the vector of a joint query. Raises QueryRefused for more than MAX_CELLS."""
    cells, each = figures.shape_of(query, plan)
    if cells * each > MAX_CELLS:
        raise QueryRefused(
            f"This makes more than {MAX_CELLS:,} numbers in all groups. Group by fewer columns.",
            place="query.by",
        )
    return cells, each


def units_of(share: int, h: int, mu_squared: Fraction) -> int:
    """Return what a portal charges at most: ceil(CAP ONE^2 / (h share^2 mu^2)). Raises ValueError for h below 1."""
    if h < 1 or share < 1:
        raise ValueError("Each portal counts on itself at least, and adds noise.")
    return worst_case_of(Fraction(h) * share * share, mu_squared)


def share_for(  # noqa: PLR0913 -- a price has this many parts, each named at the call
    query: Query,
    plan: Design,
    asked: Mapping[str, float],
    *,
    k: int,
    h: int,
    mu: float,
    delta: float,
    size: float | None = None,
    off: float = 1.0,
) -> int:
    """Return the noise that each of k portals adds, in units: the least that is not more exact than what is asked.

    `asked`: the {"error": …} of the whole answer; or what one portal with this `h` and a budget of `mu` charges, as
    {"epsilon": …} at `delta` or as {"share": …} of the budget. More noise never costs more, so the largest of the
    portals' shares fits all. `size` and `off`: as for `pricing.error_per_sigma`. Raises QueryRefused.
    """
    if (error := asked.get("error")) is not None:
        square = Fraction(pricing.sigma_for_error(query, plan, error, size, off)) ** 2 / k
    elif (part := asked.get("share")) is not None:
        square = Fraction(CAP) * ONE * ONE / (h * pricing.units_within(part) * Fraction(mu) ** 2)
    else:
        square = Fraction(ONE) ** 2 / (h * Fraction(pricing.mu_of(asked, delta, mu)) ** 2)
    share = math.isqrt(math.ceil(square) - 1) + 1
    if share < MIN_SHARE:
        raise QueryRefused(pricing.TOO_EXACT)
    if share * share * k > MAX_SIGMA**2:
        raise QueryRefused(pricing.TOO_NOISY)
    return share


def half_width(
    query: Query, plan: Design, share: int, k: int, *, size: float | None = None, off: float = 1.0
) -> float | None:
    """Return half the width of the answer's 95 % interval, or None if it depends on the data.

    `size` and `off`: as for `pricing.error_per_sigma`.
    """
    per_sigma = pricing.error_per_sigma(query, plan, size, off)
    return None if per_sigma is None else per_sigma * share * math.sqrt(k)


def must_not_wrap(public_sizes: Sequence[int], share: int) -> None:
    """Check that the sum over all portals is read with the right sign: 2 sizes ONE + TAIL share sqrt(k) < ROOM.

    `public_sizes`: about how many people each portal announces. Raises QueryRefused.
    """
    left = ROOM - 2 * sum(public_sizes) * ONE
    if left <= 0:
        raise QueryRefused("These portals hold too many people for one sum. Ask fewer portals together.")
    if TAIL**2 * share**2 * len(public_sizes) >= left**2:
        raise QueryRefused(pricing.TOO_NOISY)


def noisy_vector(measured: Measured, share: int, active: Bools | None) -> Vector:
    """Return a portal's vector, shape (cells x width,): its exact sums plus noise of `share` units, modulo 2^64.

    `active`: who takes part, None for all. Call it once for a charge. Raises ValueError if the query is not answered
    from one sum, or for noise out of range.
    """
    if measured.totals is None:
        raise ValueError("Only sums to which noise is added all at once can be joint.")
    exact = measured.totals(active).ravel()
    # OpenDP would saturate at the ends of int64. Noise on zeros is added modulo 2^64, as the portals' vectors are.
    noise = add_noise(np.zeros_like(exact), share)
    return exact.astype(np.uint64) + noise.astype(np.uint64)


def figures_of(query: Query, spec: TableSpec, total: Integers, share: int, k: int) -> Figures:
    """Return the figures of k portals' total, shape (cells x width,), as those of a local answer.

    Raises QueryRefused for a query that cannot be joint, and ValueError for a total of another length.
    """
    plan = check(query, spec)
    cells, each = width(query, plan)
    if total.shape != (cells * each,):
        raise ValueError(f"The total has the shape {total.shape}, not ({cells * each},).")
    return figures.of_sums(query, plan, total.reshape(cells, each), share * math.sqrt(k))
