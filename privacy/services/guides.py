"""Guides: a cheap question about how many rows, or how much, each person has, asked before an expensive one.

Noise grows with the most that one person may add. The declarations say what anybody might have. A quantile over people
says what nearly everybody has, and with a cap at that number the question costs less or is more exact.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from privacy.engine.language import wire
from privacy.engine.language.bounds import bounds
from privacy.engine.language.query import Count, Histogram, Mean, PersonQuantiles, Query, Sum
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.plan import pricing
from privacy.engine.plan.caps import rows_that_count
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import Offer
from privacy.models import Answer, Budget
from privacy.services import prior_answers
from privacy.services.questions import Quote

MOST = 0.02
"""The most that a proposed guide may cost, as a part of the budget."""
MOST_OF_PRICE = 0.25
"""The most that a proposed guide may cost, as a part of the price of the question that it may make cheaper."""
DOWN = 1 - 1e-4
"""Prices are rounded up to whole units, so the target is lower by this factor."""
RANK_ERROR, WORST_RANK_ERROR = 0.01, 0.05
"""The rank error that a guide aims at, and the largest with which it is proposed."""


def guide(budget: Budget, quote: Quote) -> tuple[Query, Offer] | None:
    """Return the guide to ask before a question over many rows per person, with its price.

    None where it would not help, where it would cost too much compared with the question, or where it is not known
    whether the conditions leave enough people.
    """
    query, spec = quote.query, quote.spec
    measure = query.measure
    if not isinstance(measure, Count | Sum | Mean | Histogram) or _counts_people(query):
        return None
    asked = PersonQuantiles(measure.of) if isinstance(measure, Sum) else PersonQuantiles()
    found = Query(table=query.table, measure=asked, where=query.where)
    people = prior_answers.people_at_least(budget, query, spec, quote.revision)
    if people is None or rows_that_count(query, spec) == 1:
        return None
    most = min(MOST, MOST_OF_PRICE * quote.offer.share)
    try:
        plan = design(found, spec)
        offer = pricing.offer_for_mu(plan, budget.mu * (most * DOWN) ** 0.5, budget.mu)
        error = (pricing.error_per_sigma(found, plan, people) or math.inf) * offer.sigma
        if error < RANK_ERROR:
            offer = pricing.offer_for_error(found, plan, RANK_ERROR, budget.mu, people)
    except QueryRefused:
        return None
    dear = offer.units > min(MOST_OF_PRICE * quote.offer.units, quote.left)
    return None if dear or error > WORST_RANK_ERROR else (found, offer)


def better(answer: Answer, spec: TableSpec, meant: Query | None = None) -> Query | None:
    """Return the question that a released guide was asked for, capped at the rows per person that the guide found.

    None where the cap would not be smaller, where the answer is not a guide, or where the declarations have changed too
    much. `meant`: the question, when it is not the one for which the guide was first asked.
    """
    query = wire.decode(answer.query)
    if not isinstance(query.measure, PersonQuantiles) or not answer.is_out:
        return None
    asked = meant or meant_by(answer) or _plainest(query)
    try:
        rows = _rows(query.measure, _last(answer.result or {})[1], spec)
        fewer = rows is not None and rows < rows_that_count(asked, spec)
        return replace(asked, rows=rows) if fewer else None
    except QueryRefused:
        return None


def no_gain(answer: Answer, spec: TableSpec, meant: Query) -> str:
    """Return why a released guide does not make its question cheaper; empty where it does, or where the answer is not
    a guide."""
    query = wire.decode(answer.query)
    if not isinstance(query.measure, PersonQuantiles) or not answer.is_out:
        return ""
    try:
        share, value = _last(answer.result or {})
        rows, counting = _rows(query.measure, value, spec), rows_that_count(meant, spec)
    except QueryRefused:
        return ""
    if rows is None:
        return "The noise hides what people have here. Ask your question as it was."
    if rows < counting:
        return ""
    has = f"{share * 100:g} % have at most {_rows_in_words(rows)}"
    if query.measure.of is not None:
        has = f"{share * 100:g} % add up to at most what {_rows_in_words(rows)} can hold"
    declared = meant.rows is None and counting == spec.max_rows
    if rows == counting:
        beside = "as declared" if declared else "as many as count already"
    else:
        beside = f"more than the {counting:,} that count"
    return f"{has}, {beside}: your question cannot be made cheaper this way."


def meant_by(answer: Answer) -> Query | None:
    """Return the question for which a guide or a count was asked, as stored when the answer was charged."""
    meant = answer.line.purpose.get("meant")
    return None if meant is None else wire.decode(meant)


def _rows_in_words(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _counts_people(query: Query) -> bool:
    return isinstance(query.measure, Mean) and query.measure.per_subject


def _last(result: Mapping[str, Any]) -> tuple[float, float | None]:
    """Return the largest quantile that was asked for, and its value."""
    line = max(result["lines"], key=lambda each: float(each["key"][0]))
    value: float | None = line["figures"][0]["value"]
    return float(line["key"][0]), value


def _rows(measure: PersonQuantiles, value: float | None, spec: TableSpec) -> int | None:
    """Return the rows per person that a guide's value amounts to; for a sum, in rows of the largest size."""
    if value is None:
        return None
    if measure.of is None:
        return max(1, round(value))
    largest = bounds(measure.of, spec).magnitude
    return max(1, math.ceil(value / largest * (1 - 1e-9))) if largest else 1


def _plainest(query: Query) -> Query:
    """Return the simplest question that a guide helps with."""
    of = query.measure.of if isinstance(query.measure, PersonQuantiles) else None
    return replace(query, measure=Count() if of is None else Sum(of))
