"""What the scientist already knows about a question: how many rows it covers, and how far off centre their mean is.

It comes from what the owner has published, and from the scientist's own earlier answers to the same revision with the
same conditions. All of it is released, so using it again costs no privacy (post-processing).

While the true count is within its interval, it is at least the released value less half the width. People with more
rows than the cap are scaled down, in a mean by less than in a count with the same cap, so such a count is never too
large.
"""

from dataclasses import dataclass, replace
from typing import Any

from datasets.models import Revision
from privacy.engine.language import wire
from privacy.engine.language.expressions import columns_of
from privacy.engine.language.query import Count, CountSubjects, Mean, PersonQuantiles, Quantiles, Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.plan import pricing
from privacy.engine.plan.caps import rows_that_count
from privacy.engine.plan.designs import Design, design
from privacy.engine.plan.pricing import Offer
from privacy.models import Answer, Budget, Promise

FIRST_COUNT = 0.02
"""The most that a count asked first may cost, as a part of the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBasis:
    """What a quoted error rests on: `at_least` so many rows or people, and a mean at most `off` from the middle of its
    bounds, in half widths."""

    at_least: float
    size: float
    """The number of rows or people that was published or released."""
    of_people: bool
    is_bound: bool
    """Whether the error that follows is a worst case; otherwise it is an estimate."""
    off: float = 1.0
    answer: Answer | None = None
    """The scientist's own answer that it comes from; None when the owner has published it."""

    @property
    def source(self) -> str:
        """`mean` or `count`, for the scientist's own answer; or `published`."""
        if self.answer is None:
            return "published"
        return "mean" if self.answer.query["measure"]["kind"] == "mean" else "count"


def error_basis(
    budget: Budget, query: Query, plan: Design, spec: TableSpec, revision: Revision
) -> ErrorBasis | None:
    """Return what a quoted error can rest on, or None where nothing is known or nothing is needed.

    The best source is used: an earlier answer to the same mean, published rows, an earlier count, published people.
    """
    if not pricing.is_relative(query, plan):
        return None
    own = Answer.objects.out().filter(budget=budget, revision=revision).order_by("sigma", "created_at")
    found = (
        _mean(own, query, plan)
        or _published_rows(budget.promise, query, spec)
        or _count(own, query, spec)
        or _published_people(budget.promise, query, spec)
    )
    if found is None or not found.is_bound:
        return found
    # One of several tables may hold only some of the people, and some people may have reached their limit.
    everybody = not budget.may_leave_out and revision.tables.count() == 1
    return found if everybody else replace(found, is_bound=False)


def count_first(budget: Budget, query: Query, spec: TableSpec) -> tuple[Query, Offer] | None:
    """Return the count that would show a question's error before it is asked, with its price; None when there is none.

    It is exact enough for a tenth of the published size, but costs no more than FIRST_COUNT.
    """
    counted = replace(query, measure=CountSubjects() if _is_per_person(query) else Count(), by=())
    size = budget.promise.public_rows.get(query.table) or budget.promise.public_size
    wanted = size / (10 * pricing.CLEAR)
    try:
        if isinstance(query.measure, PersonQuantiles) or not pricing.is_relative(query, design(query, spec)):
            return None
        plan = design(counted, spec)
        offer = pricing.offer_for_mu(plan, budget.mu * FIRST_COUNT**0.5, budget.mu)
        if offer.sigma * (pricing.error_per_sigma(counted, plan, None) or 0.0) < wanted:
            offer = pricing.offer_for_error(counted, plan, wanted, budget.mu, None)
    except QueryRefused:
        return None
    return counted, offer


def people_at_least(budget: Budget, query: Query, spec: TableSpec, revision: Revision) -> float | None:
    """Return the number of people that a question's conditions leave, at least; None where it is not known.

    The published number where there are no conditions; otherwise from an earlier count of people, or from one of rows
    divided by the cap on rows per person.
    """
    if query.where is None:
        return budget.promise.public_size
    own = Answer.objects.out().filter(budget=budget, revision=revision).order_by("sigma", "created_at")
    if people := _count(own, replace(query, measure=PersonQuantiles(), rows=None), spec):
        return people.at_least
    rows = _count(own, replace(query, measure=Count()), spec)
    return rows.at_least / rows_that_count(query, spec) if rows else None


def _is_per_person(query: Query) -> bool:
    """Return whether the question counts people, not rows."""
    measure = query.measure
    return isinstance(measure, PersonQuantiles) or (isinstance(measure, Mean) and measure.per_subject)


def _mean(own: Any, query: Query, plan: Design) -> ErrorBasis | None:
    """Read an earlier answer to the same mean: how many rows it covered, and its value."""
    if not isinstance(query.measure, Mean):
        return None
    for answer in own.filter(query=wire.encode(query)):
        figures = _figures(answer)
        mean, n = figures["mean"], figures["n"]
        safe = pricing.at_least(n["value"], n["half_width"])
        if mean["value"] is not None and safe is not None:
            return ErrorBasis(
                at_least=safe,
                size=n["value"],
                of_people=query.measure.per_subject,
                is_bound=False,
                off=pricing.off_middle(plan.scales[0], mean["value"], mean["half_width"]),
                answer=answer,
            )
    return None


def _count(own: Any, query: Query, spec: TableSpec) -> ErrorBasis | None:
    """Read an earlier count with the same conditions: of rows or, since rows are never fewer, of people."""
    people = replace(query, measure=CountSubjects(), by=())
    counts = [people] if _is_per_person(query) else [replace(people, measure=Count()), people]
    for counted in counts:
        for answer in own.filter(query=wire.encode(counted)):
            n = _figures(answer)["count"]
            safe = pricing.at_least(n["value"], n["half_width"])
            if safe is not None:
                return ErrorBasis(
                    at_least=safe,
                    size=n["value"],
                    of_people=isinstance(counted.measure, CountSubjects),
                    is_bound=_is_bound(query, spec),
                    answer=answer,
                )
    return None


def _published_rows(promise: Promise, query: Query, spec: TableSpec) -> ErrorBasis | None:
    """Use the published rows of a table. Of a person's at most `max_rows` rows, the part `rows` / `max_rows` counts."""
    rows = promise.public_rows.get(query.table)
    if not rows or query.where is not None or _is_per_person(query):
        return None
    counting_at_least = rows * min(1.0, (query.rows or spec.max_rows) / spec.max_rows)
    return ErrorBasis(
        at_least=min(rows, max(counting_at_least, promise.public_size)),
        size=rows,
        of_people=False,
        is_bound=_is_bound(query, spec),
    )


def _published_people(promise: Promise, query: Query, spec: TableSpec) -> ErrorBasis | None:
    """Use the published number of people: each has at least one row."""
    if query.where is not None:
        return None
    people = promise.public_size
    return ErrorBasis(at_least=people, size=people, of_people=True, is_bound=_is_bound(query, spec))


def _is_bound(query: Query, spec: TableSpec) -> bool:
    """Return whether every counted row has a value: rows without one are not in a mean."""
    of = query.measure.of if isinstance(query.measure, Mean | Quantiles | PersonQuantiles) else None
    return of is None or not any(spec.columns[name].nullable for name in columns_of(of))


def _figures(answer: Answer) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in (answer.result or {})["lines"][0]["figures"]}
