"""Sampled mocks: owners replace mock data by rows of a synthetic table that the privacy engine released.

Everybody sees mock data, so the table is charged to everybody's budget of the promise: mu_m^2 adds to the mu_a^2 of
every scientist, and all budgets together stay within mu_G^2. That budget grows with each sampled mock, up to
Promise.MOCK_SHARE of mu_G^2. The owner sees the table before anybody else does, and replaces the mock data with it or
not: either way, it stays charged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy.typing as npt
from django.db import transaction

from accounts.models import User
from common import rows
from common.access import require
from common.errors import Conflict, Refused
from common.locks import one_at_a_time
from datasets.models import SampledMock, Table
from datasets.queries import current_revision, sampled_mocks
from datasets.services import mocks
from privacy import rules
from privacy.declarations import specs_of
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language.learning import MAX_SYNTHETIC_BINS, SyntheticTable
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import decode
from privacy.engine.measure.contributions import CAP, ONE, worst_case_units
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import Z95, joined_sigma
from privacy.engine.plan.tables import SECOND, TablePlan
from privacy.engine.synthetic_rows import MAX_SYNTHETIC_ROWS, draw
from privacy.execution import lifecycle
from privacy.models import Answer, AnswerQuerySet, Budget, Promise
from privacy.services import questions
from privacy.services.budgets import create_budget
from privacy.services.questions import Asking, Declarations, Quote
from privacy.shares import percent

ROOM = Fraction(1, 10**6)
"""How much larger, as a part, everybody's budget is than what it pays for: units are rounded up at each change."""
PREVIEWED = 8
"""Rows of a preview."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MockQuote:
    """A checked synthetic table for mock data with its price, shown before anything is spent."""

    quote: Quote
    share: float
    """The part of the promise's mu^2 that it takes for good."""
    left: float
    """The part that sampled mocks may still take, before this one."""

    @property
    def epsilon(self) -> float:
        """What it alone amounts to, at the promise's delta."""
        return self.quote.epsilon

    @property
    def seconds(self) -> float:
        """From its charge to the answer."""
        return self.quote.seconds

    @property
    def people_off(self) -> float:
        """By how many people one cell of a pair that is kept is off, at most in 95 of 100 cases."""
        plan, sigma = self.quote.plan.tables, joined_sigma(self.quote.offer.sigma, SECOND)
        return Z95 * sigma / TablePlan.again(max(1, len(plan.columns) - 1)) if plan else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the owner sees of a released synthetic table before the mock data is replaced."""

    names: list[str]
    rows: list[list[str]]
    off: float
    """The largest half width of the share of a part of one column."""
    kept: list[tuple[str, str]]
    """Pairs of columns that it keeps."""
    made_up: list[str]
    """Columns that it does not have: they are drawn from the declarations."""


def offered(spec: TableSpec) -> list[str]:
    """Return the columns that a synthetic table can have."""
    return [name for name in spec.columns if _fits(spec, name)]


def _fits(spec: TableSpec, name: str) -> bool:
    try:
        design(_query(spec.name, [name], MAX_SYNTHETIC_BINS, None), spec)
    except QueryRefused:
        return False
    return True


def room(promise: Promise) -> float:
    """Return the part of the promise's mu^2 that sampled mocks may still take; 0 if none."""
    budgets = list(promise.budgets.all())
    others = sum((each.mu_squared for each in budgets if not each.is_everybody), Fraction(0))
    used = sum((_used(each) for each in budgets if each.is_everybody), Fraction(0))
    most = min(Promise.MOCK_SHARE * promise.mu_squared, promise.mu_squared - others) / (1 + 2 * ROOM)
    return max(0.0, float((most - used) / promise.mu_squared))


def _used(budget: Budget) -> Fraction:
    """Return the mu^2 that a budget has spent or reserved."""
    return Fraction(budget.units_used, CAP) * budget.mu_squared


def quote(  # noqa: PLR0913 -- the parts of a synthetic table and its price, each named at the call
    promise: Promise,
    *,
    by: User,
    table: str,
    columns: Sequence[str],
    share: float,
    bins: int = 16,
    focus: str | None = None,
) -> MockQuote:
    """Price a synthetic table for the mock data of `table` at this part of the promise's mu^2. Spends nothing.

    Raises Denied, and Refused when it cannot be made or would take more than sampled mocks may.
    """
    require(rules.may_sample_mock, by, promise)
    return _priced(promise, _query(table, columns, bins, focus), share)


def _priced(promise: Promise, query: Query, share: float) -> MockQuote:
    left = room(promise)
    if not 0 < share <= 1:
        raise Refused("The share of the promise must be above 0 % and at most 20 %.")
    if share > left * (1 + 1e-3):
        raise Refused(_too_much(left))
    revision = current_revision(promise.dataset)
    # Priced as if the whole promise were the budget: its share is that of the promise.
    whole = Budget(promise=promise, scientist=User.objects.system_actor(), mu=promise.mu)
    declared = Declarations(revision, specs_of(revision, promise.constants))
    priced = questions.priced(whole, query, declared, share=min(share, left))
    return MockQuote(quote=priced, share=priced.offer.share, left=left)


def _query(table: str, columns: Sequence[str], bins: int, focus: str | None) -> Query:
    return Query(table=table, measure=SyntheticTable(columns=tuple(columns), bins=bins, focus=focus or None))


def _too_much(left: float) -> str:
    if not left:
        return "Nothing is left of the promise for sampled mocks. What was taken, or given to scientists, stays so."
    return (
        f"Sampled mocks may take {percent(left)} more of the promise: {percent(float(Promise.MOCK_SHARE))} in all, and "
        "no more than is not given to scientists. Choose a smaller share."
    )


def make(  # noqa: PLR0913 -- as `quote`
    promise: Promise,
    *,
    by: User,
    key: UUID,
    table: str,
    columns: Sequence[str],
    share: float,
    bins: int = 16,
    focus: str | None = None,
) -> Answer:
    """Charge a synthetic table to everybody's budget and have it computed. Nobody but the owner sees it yet.

    The same idempotency key, or a table that has been made at least as exactly, returns that answer at no cost. Raises
    what `quote` does, and Conflict while another one is being computed.
    """
    require(rules.may_sample_mock, by, promise)
    query = _query(table, columns, bins, focus)
    with one_at_a_time(promise.pk):
        budget = promise.budgets.filter(scientist=User.objects.system()).first()
        if before := Answer.objects.filter(budget=budget, line__key=key).first():
            if before.query_sha256 != questions.digest_of(query):
                raise Conflict(questions.OTHER_QUESTIONS)
            return before
        quoted = _priced(promise, query, share).quote
        if budget and (stored := questions.stored(budget, quoted)):
            return stored
        budget = _with_room_for(promise, budget, quoted, by=by)
        units = worst_case_units(quoted.offer.sigma, budget.mu_squared)
        offer = replace(quoted.offer, units_each=units)
        (answer,) = questions.charged(budget, [Asking(quote=replace(quoted, offer=offer), key=key)], by)
        return answer


def _with_room_for(promise: Promise, budget: Budget | None, quoted: Quote, *, by: User) -> Budget:
    """Return everybody's budget, as large as it has to be to pay for this as well."""
    cost = quoted.offer.releases * Fraction(ONE, quoted.offer.sigma) ** 2
    mu = float(((_used(budget) if budget else 0) + cost) * (1 + ROOM)) ** 0.5
    if budget is None:
        with lifecycle.agreed(promise), transaction.atomic():
            return create_budget(rows.locked(promise), User.objects.system(), mu, by=by)
    return lifecycle.change_share(budget, mu, by=by) if mu > budget.mu else budget


# What was made


def answers_of(promise: Promise) -> AnswerQuerySet:
    """Return the synthetic tables that were made for mock data, newest first."""
    return Answer.objects.filter(
        budget__promise=promise, budget__scientist=User.objects.system_actor()
    ).select_related("budget__promise__dataset", "budget__scientist", "revision", "line")


def preview(answer: Answer) -> Preview:
    """Return what a released table holds, with rows that are drawn from it. Raises Conflict if it is not released."""
    released, table = _released(answer), _table(answer)
    columns = [column["name"] for column in released["columns"]]
    half_widths = [
        figure["half_width"] or 0.0 for line in (answer.result or {})["lines"] for figure in line["figures"]
    ]
    names = [column.name for column in table.columns.all()]
    return Preview(
        names=names,
        rows=mocks.first_drawn(table, draw(released, PREVIEWED)),
        off=max(half_widths),
        kept=[
            (columns[pair["columns"][0]], columns[pair["columns"][1]])
            for pair in released["pairs"]
            if pair["in_tree"]
        ],
        made_up=[name for name in names if name not in columns],
    )


def replace_mock(answer: Answer, *, by: User) -> SampledMock:
    """Replace the mock data of a table by rows drawn from a released synthetic table, always the same rows.

    Raises Denied, and Conflict when it is not released or its revision is no longer published.
    """
    promise, table = answer.budget.promise, _table(answer)
    rows_drawn: dict[str, npt.NDArray[Any]] = draw(
        _released(answer), min(max(table.mock_rows, 1), MAX_SYNTHETIC_ROWS)
    )
    return mocks.sample(
        table,
        rows_drawn,
        by=by,
        answer=answer.pk,
        epsilon=noise_epsilon(answer.mu, promise.noise_delta),
        delta=promise.delta,
    )


def restore_mock(promise: Promise, table: str, *, by: User) -> None:
    """Go back to the declared mock of a table. Raises Denied, or Conflict if it has no sampled mock."""
    shown = sampled_mocks(current_revision(promise.dataset)).get(table)
    if shown is None:
        raise Conflict(f"“{table[:100]}” has no sampled mock.")
    mocks.restore(shown.table, by=by)


def _released(answer: Answer) -> dict[str, Any]:
    if not answer.is_out or answer.result is None:
        raise Conflict("This synthetic table is not released.")
    found: dict[str, Any] = answer.result["table"]
    return found


def _table(answer: Answer) -> Table:
    return answer.revision.tables.prefetch_related("columns").get(name=decode(answer.query).table)
