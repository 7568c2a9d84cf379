"""How a query is answered: how often noise is drawn, and in words."""

from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import Distribution, PersonQuantiles, Quantiles, Query
from privacy.engine.measure.prefixes import takes_roots
from privacy.engine.plan.fits import STEPS
from privacy.engine.plan.searches import MOST_STEPS
from privacy.engine.plan.tables import TABLE_RELEASES


def most_releases(query: Query) -> int:
    """Return the most releases that a query can need, each at the full price.

    Queries asked before searches used the column's own values always needed this many.
    """
    match query.measure:
        case Quantiles(_, at) | PersonQuantiles(_, at):
            return MOST_STEPS * len(at)
        case SyntheticTable():
            return TABLE_RELEASES
        case Fit():
            return (query.measure.steps or STEPS) + 1
        case _:
            return 1


def mechanism_of(query: Query) -> str:
    """Describe how a query is answered, for its record."""
    text = "discrete Gaussian on integers, one subject's contribution clipped in L2"
    if isinstance(query.measure, Distribution) and takes_roots(query.measure.bins):
        text += "; on the square-root factor of the prefix sums over bins, shares made to rise"
    if isinstance(query.measure, SyntheticTable):
        text += "; one row of each person counted in pairs of columns, in two passes; a model fitted to them"
    if isinstance(query.measure, Fit):
        text += (
            "; gradient descent on sums of gradients, each the mean over one subject's rows; subjects chosen by their "
            "keyed digests test the model in one release instead"
        )
    return text
