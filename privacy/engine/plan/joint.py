"""Joint intervals: 95 % intervals that hold all at once are wider than intervals that each hold by themselves."""

import math
from collections.abc import Mapping
from typing import Any

from privacy.engine.language.query import Distribution, Measure
from privacy.engine.plan.pricing import NORMAL, Z95

ALONE = frozenset({"quantile"})
"""Figures whose intervals are not widened by a factor."""


def factor(several: int) -> float:
    """Return by how much each of `several` intervals must be widened so that all hold together with 95 %.

    z_d / z_1 with z_d = Phi^-1((1 + .95^(1/d)) / 2): exact where the noise of each is independent of that of others, as
    in groups, and safe where it is not, as in the bins of a distribution (Sidak, Rectangular confidence regions for the
    means of multivariate normal distributions, JASA 62, 1967).
    """
    if several < 2:
        return 1.0
    # 1 - .95^(1/d), without loss for a large d; the upper quantile by symmetry.
    return -NORMAL.inv_cdf(-math.expm1(math.log(0.95) / several) / 2) / Z95


def lines_of(measure: Measure, cells: int) -> int:
    """Return how many intervals of one kind the answer will have. `cells`: the number of groups."""
    return measure.bins if isinstance(measure, Distribution) else cells


def factor_of(result: Mapping[str, Any]) -> float | None:
    """Return the factor for the intervals of an answer, per kind of figure; None if there are not several of a kind.

    Figures lost in the noise count too, so that the noise does not choose the factor.
    """
    told = {f["name"] for line in result["lines"] for f in line["figures"] if f["half_width"] is not None}
    several = len(result["lines"])
    return factor(several) if several > 1 and told - ALONE else None
