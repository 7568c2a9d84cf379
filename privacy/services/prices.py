"""Prices that scientists give, and what is chosen for a question from its price."""

from collections.abc import Mapping

from common.errors import Refused
from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.plan import pricing
from privacy.engine.plan.learning import explicit
from privacy.models import Answer, Budget

WORDS = {
    "error": "the error that you accept",
    "epsilon": "the epsilon that the answer may cost",
    "share": "the share of the budget that it may use",
}


def given(**prices: float | None) -> dict[str, float]:
    """Return the one price that is given, of those that can be. Raises Refused for none, or several."""
    found = {name: price for name, price in prices.items() if price is not None}
    if len(found) != 1:
        *most, last = (WORDS[name] for name in prices)
        raise Refused(f"Give either {', '.join(most)}, or {last}: one of them.")
    return found


def mu_of(asked: Mapping[str, float], budget: Budget) -> float:
    """Return the Gaussian DP of an answer at a price that is no error. Raises QueryRefused for one out of range."""
    return pricing.mu_of(asked, budget.promise.noise_delta, budget.mu)


def written_out(query: Query, asked: Mapping[str, float], spec: TableSpec, budget: Budget) -> Query:
    """Return a question with everything that is chosen for it, from its price and public numbers.

    Raises QueryRefused.
    """
    if not isinstance(query.measure, Fit | SyntheticTable):
        return query
    if "error" in asked:
        raise QueryRefused(
            "The error of a model or a synthetic table is not known in advance. Choose what to spend: an epsilon, or a "
            "share of the budget."
        )
    return explicit(query, spec, public_size=budget.promise.public_size, mu=mu_of(asked, budget))


def kind_of(query: Query) -> Answer.Kind:
    """Return which kind of answer a query has."""
    match query.measure:
        case Fit():
            return Answer.Kind.FIT
        case SyntheticTable():
            return Answer.Kind.TABLE
        case _:
            return Answer.Kind.QUERY
