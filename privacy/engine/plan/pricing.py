"""Pricing: what an answer costs and how accurate it will be, before anything is spent, from public numbers alone.

One currency: c = mu^2 = 2 rho, the squared ratio of a subject's contribution to the noise. It adds up over queries
(Gaussian DP composes as sqrt(mu_1^2 + mu_2^2), Dong, Roth and Su 2022, Corollary 2), and a budget of mu_a^2 is CAP
units, so that every charge is a whole number, rounded up.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Protocol

from privacy.engine.accounting import noise_mu
from privacy.engine.language.query import (
    Count,
    CountSubjects,
    Histogram,
    Mean,
    PersonQuantiles,
    Quantiles,
    Query,
    Sum,
)
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure.contributions import CAP, ONE, worst_case_units
from privacy.engine.measure.mechanisms import MAX_SIGMA, MIN_SIGMA
from privacy.engine.plan.designs import KAPPA, Design, Scale
from privacy.engine.plan.searches import certain

NORMAL = NormalDist()
TOO_NOISY = "An answer with this much noise would say nothing. Choose a smaller error or spend more."
TOO_EXACT = "No budget can pay for an answer this precise. Choose a larger error or spend less."
Z95 = NORMAL.inv_cdf(0.975)
CLEAR = 4
"""A noisy number of rows is usable if it is at least this many times the half width of its interval. Reduced by that
half width it may be 3/5 of the true number: the price of an error based on it is then (5/3)^2 = 2.8 times what was
needed, or 1.8 times if the number itself was right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A query at a price.

    `sigma`: noise in units of the contribution (ONE is the clip). `units`: the worst-case charge of all releases
    together, out of CAP. `mu`: the Gaussian DP of this answer alone.
    """

    sigma: int
    units_each: int
    releases: int
    mu: float

    @property
    def units(self) -> int:
        return self.units_each * self.releases

    @property
    def share(self) -> float:
        """The part of the whole budget that the answer costs."""
        return self.units / CAP


class Priced(Protocol):
    """What has a price: the plan of an answer, with the number of releases at the full price that it needs.

    `joined`: how many of them may be drawn as one, which has so much less noise.
    """

    @property
    def releases(self) -> int: ...

    @property
    def joined(self) -> int: ...


def joined_sigma(sigma: int, releases: int) -> int:
    """Return ceil(sigma / sqrt(releases)), exactly: one release with such noise costs at most what so many cost."""
    return math.isqrt(-(-sigma * sigma // releases) - 1) + 1


def offer_for_mu(plan: Priced, mu: float, budget_mu: float) -> Offer:
    """Return the offer whose noise makes this answer mu-GDP. Raises QueryRefused."""
    if not (math.isfinite(mu) and mu > 0):
        raise QueryRefused("The privacy loss must be a positive number.")
    return _offer(plan, math.ceil(ONE * math.sqrt(plan.releases) / mu), budget_mu)


def offer_for_epsilon(design: Design, epsilon: float, delta: float, budget_mu: float) -> Offer:
    """Return the offer whose answer is (epsilon, delta)-DP on its own. Raises QueryRefused."""
    return offer_for_mu(design, mu_of({"epsilon": epsilon}, delta, budget_mu), budget_mu)


def mu_of(asked: Mapping[str, float], delta: float, budget_mu: float) -> float:
    """Return the Gaussian DP of an answer that costs {"epsilon": …} at `delta`, or {"share": …} of the whole budget.

    Raises QueryRefused for a price out of range.
    """
    if (share := asked.get("share")) is not None:
        _check_share(share)
        return budget_mu * math.sqrt(share)
    try:
        return noise_mu(asked["epsilon"], delta)
    except ValueError as outside:
        raise QueryRefused(str(outside), place="epsilon") from outside


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise QueryRefused(
            "The share of the budget must be above 0 and at most 1, such as 0.05.", place="share"
        )


def offer_for_share(design: Design, share: float, budget_mu: float) -> Offer:
    """Return the most exact offer whose `share` is at most this part of the whole budget. Raises QueryRefused.

    The inverse of `worst_case_units`, exact in whole numbers: with one unit of noise less, the answer would cost more.
    """
    units = units_within(share, design.releases)
    square = Fraction(CAP) * ONE * ONE / (units * Fraction(budget_mu) ** 2)
    return _offer(design, math.isqrt(math.ceil(square) - 1) + 1, budget_mu)


def units_within(share: float, releases: int = 1) -> int:
    """Return the most units that each of so many releases may cost within this share of the budget.

    Raises QueryRefused.
    """
    _check_share(share)
    units = math.floor(Fraction(share) * CAP / releases)
    if (units + 1) * releases / CAP <= share:  # the share is that of so many units, rounded to a float
        units += 1
    if units < 1:
        raise QueryRefused(TOO_NOISY)
    return units


def offer_for_error(
    query: Query, design: Design, half_width: float, budget_mu: float, size: float | None, off: float = 1.0
) -> Offer:
    """Return the cheapest offer whose 95 % interval reaches `half_width` to either side, in the answer's own units.

    `size` and `off` as for `error_per_sigma`. Raises QueryRefused.
    """
    return _offer(design, math.floor(sigma_for_error(query, design, half_width, size, off)), budget_mu)


def sigma_for_error(
    query: Query, design: Design, half_width: float, size: float | None, off: float = 1.0
) -> float:
    """Return the noise, in units, at which the interval reaches so far; at most twice the largest that is drawn.

    Arguments as for `offer_for_error`. Raises QueryRefused.
    """
    if not (math.isfinite(half_width) and half_width > 0):
        raise QueryRefused("The error must be a positive number.")
    per_sigma = error_per_sigma(query, design, size, off)
    if per_sigma is None:
        raise QueryRefused(_unknown(query, design))
    return min(half_width / per_sigma, 2.0 * MAX_SIGMA)


def is_relative(query: Query, design: Design) -> bool:
    """Return whether the error can be known in advance once the number of rows (or people) is known."""
    return isinstance(query.measure, Mean | Quantiles | PersonQuantiles) and not design.groups


def at_least(n: float, half_width: float) -> float | None:
    """Return a safe number of rows from a noisy one: the noisy number less its half width.

    None if it is below CLEAR half widths: such a number would make the quote too expensive.
    """
    return n - half_width if n >= max(1.0, CLEAR * half_width) else None


def off_middle(scale: Scale, mean: float, half_width: float) -> float:
    """Return how far from the middle of its bounds a noisy mean may lie, in half widths of the bounds, from 0 to 1."""
    return min(1.0, (abs(mean - scale.middle) + half_width) / scale.half)


def _unknown(query: Query, design: Design) -> str:
    if is_relative(query, design):
        return (
            "The error of this answer depends on the number of rows. Count them first, or choose “I want to spend this "
            "much” and enter an ε."
        )
    return "The error of this answer depends on the data. Choose “I want to spend this much” and enter an ε."


def error_per_sigma(query: Query, design: Design, size: float | None, off: float = 1.0) -> float | None:
    """Return half the width of the 95 % interval per unit of sigma, or None if it depends on the data.

    `size`: a lower bound of the number of rows (or people, if each person counts once) that the query is about; None if
    unknown. `off`: the most that the mean lies from the middle of its bounds, in half widths of the bounds.
    Sums and counts: z C sigma. A mean: z h sigma / n sqrt(1 + u^2/KAPPA^2), with u = off.
    A quantile: the error of the rank, as a share of n, is z C sigma / n, with the z that all steps of the search keep
    to together (`searches.certain`). The requested share lies in [F(v-) - error, F(v) + error], v- being the value
    before v, apart from ties and from the values in the cell that v represents.
    """
    unit = Z95 * design.clip / ONE
    match query.measure:
        case Count() | CountSubjects() | Sum() | Histogram():
            return unit
        case Mean() if size and is_relative(query, design):
            return unit * design.scales[0].half / size * math.sqrt(1 + (off / KAPPA) ** 2)
        case Quantiles() | PersonQuantiles() if size and design.grid is not None:
            return certain(design.grid.steps) * design.clip / ONE / size
        case _:
            return None


def _offer(plan: Priced, sigma: int, budget_mu: float) -> Offer:
    if sigma < MIN_SIGMA * math.sqrt(plan.joined):
        raise QueryRefused(TOO_EXACT)
    if sigma > MAX_SIGMA:
        raise QueryRefused(TOO_NOISY)
    units = worst_case_units(sigma, Fraction(budget_mu) ** 2)
    mu = math.sqrt(plan.releases) * ONE / sigma
    return Offer(sigma=sigma, units_each=units, releases=plan.releases, mu=mu)
