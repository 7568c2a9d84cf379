"""What an answer costs, and how exact it will be: both told before anything is spent, from public numbers alone.

One currency: c = mu^2 = 2 rho, the squared ratio of a subject's contribution to the noise. It adds up over queries
(Gaussian DP composes as sqrt(mu_1^2 + mu_2^2), Dong, Roth and Su 2022, Corollary 2), and a budget of mu_a^2 is CAP
units, so that every charge is a whole number, rounded up.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from privacy.engine.accounting import noise_mu
from privacy.engine.language.query import Count, CountSubjects, Mean, PersonQuantiles, Quantiles, Query, Sum
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure.contributions import CAP, ONE, worst_case_units
from privacy.engine.measure.mechanisms import MAX_SIGMA, MIN_SIGMA
from privacy.engine.plan.designs import KAPPA, Design, Scale
from privacy.engine.plan.searches import certain

NORMAL = NormalDist()
Z95 = NORMAL.inv_cdf(0.975)
CLEAR = 4
"""A noisy number of rows serves where it is this many times half the width of its interval. Less that half, it may be
3/5 of the true one: the price of an error that rests on it is then (5/3)^2 = 2.8 times what was needed, 1.8 times where
the number itself was right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A query at a price.

    `sigma`: noise in units of the contribution (ONE is the clip). `units`: the worst-case charge, out of CAP, of all
    releases together. `mu`: what this answer alone amounts to as Gaussian DP.
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
        """The share of the whole budget that the answer costs."""
        return self.units / CAP


def offer_for_mu(design: Design, mu: float, budget_mu: float) -> Offer:
    """The offer whose noise makes this answer mu-GDP."""
    if not (math.isfinite(mu) and mu > 0):
        raise QueryRefused("The privacy loss must be a positive number.")
    return _offer(design, math.ceil(ONE * math.sqrt(design.releases) / mu), budget_mu)


def offer_for_epsilon(design: Design, epsilon: float, delta: float, budget_mu: float) -> Offer:
    """The offer whose answer is (epsilon, delta)-DP on its own."""
    try:
        mu = noise_mu(epsilon, delta)
    except ValueError as outside:
        raise QueryRefused(str(outside)) from outside
    return offer_for_mu(design, mu, budget_mu)


def offer_for_error(
    query: Query, design: Design, half_width: float, budget_mu: float, size: float | None, off: float = 1.0
) -> Offer:
    """The cheapest offer whose 95 % interval reaches `half_width` to either side, in the answer's own units.

    `size` and `off` as for `error_per_sigma`.
    """
    if not (math.isfinite(half_width) and half_width > 0):
        raise QueryRefused("The error must be a positive number.")
    per_sigma = error_per_sigma(query, design, size, off)
    if per_sigma is None:
        raise QueryRefused(_unknown(query, design))
    return _offer(design, math.floor(min(half_width / per_sigma, 2 * MAX_SIGMA)), budget_mu)


def is_relative(query: Query, design: Design) -> bool:
    """Whether its error is known before once it is known how many rows (or people) it is about."""
    return isinstance(query.measure, Mean | Quantiles | PersonQuantiles) and not design.groups


def at_least(n: float, half_width: float) -> float | None:
    """A safe number of rows from a noisy one: less half its interval. None where it does not stand clear of its noise,
    at CLEAR half widths: such a number would make the quote too dear."""
    return n - half_width if n >= max(1.0, CLEAR * half_width) else None


def off_middle(scale: Scale, mean: float, half_width: float) -> float:
    """How far from the middle a noisy mean may lie, in half widths of its bounds: between 0 and 1."""
    return min(1.0, (abs(mean - scale.middle) + half_width) / scale.half)


def _unknown(query: Query, design: Design) -> str:
    if is_relative(query, design):
        return (
            "The accuracy of this answer depends on the number of rows. Count them first, or choose an epsilon "
            "instead."
        )
    return "The accuracy of this answer depends on the data. Choose an epsilon instead."


def error_per_sigma(query: Query, design: Design, size: float | None, off: float = 1.0) -> float | None:
    """Half the width of the 95 % interval per unit of sigma; None where only the data could tell.

    `size`: how many rows (people, where each person counts once) the query is about, at least; None where
    nobody has said. `off`: how far the mean lies from the middle of its bounds, in half widths of them, at most.
    Sums and counts: z C sigma. A mean: z h sigma / n sqrt(1 + u^2/KAPPA^2), with u = off.
    A quantile: of the rank, as a share of n, z C sigma / n with the z that all steps of the search keep to together
    (`searches.certain`). The share asked for lies in [F(v-) - error, F(v) + error], v- being what lies before v: apart
    from ties, and from what the cell that v is told for holds.
    """
    unit = Z95 * design.clip / ONE
    match query.measure:
        case Count() | CountSubjects() | Sum():
            return unit
        case Mean() if size and is_relative(query, design):
            return unit * design.scales[0].half / size * math.sqrt(1 + (off / KAPPA) ** 2)
        case Quantiles() | PersonQuantiles() if size and design.grid is not None:
            return certain(design.grid.steps) * design.clip / ONE / size
        case _:
            return None


def _offer(design: Design, sigma: int, budget_mu: float) -> Offer:
    if sigma < MIN_SIGMA:
        raise QueryRefused(
            "No budget can pay for an answer this precise. Choose a larger error or a smaller epsilon."
        )
    if sigma > MAX_SIGMA:
        raise QueryRefused(
            "An answer with this much noise would say nothing. Choose a smaller error or a larger epsilon."
        )
    units = worst_case_units(sigma, Fraction(budget_mu) ** 2)
    mu = math.sqrt(design.releases) * ONE / sigma
    return Offer(sigma=sigma, units_each=units, releases=design.releases, mu=mu)
