"""Batches: several questions in one call, priced together and reserved in one transaction or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

import numpy as np

from accounts.models import User
from common.access import require
from common.errors import Refused
from privacy import rules
from privacy.engine.language.query import Query
from privacy.engine.measure.contributions import CAP, Integers
from privacy.ledgers import budget_ledger
from privacy.models import Answer, Budget
from privacy.services import questions
from privacy.services.questions import Asking, Declarations, Quote

MOST = 64
"""The most questions in one batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A question and the one price at which it is asked. `text`: its SQL, if it was asked in SQL."""

    query: Query
    error: float | None = None
    epsilon: float | None = None
    share: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Checked queries with their prices, each alone and all together, shown before anything is spent."""

    quotes: tuple[Quote, ...]
    texts: tuple[str, ...]
    is_charged: tuple[bool, ...]
    """Whether each is charged: otherwise a stored answer, or an earlier question of the batch, answers it."""
    spent: Integers
    """Units used so far in each public cell."""
    cap: int

    @property
    def charged(self) -> list[Quote]:
        return [each for each, is_charged in zip(self.quotes, self.is_charged, strict=True) if is_charged]

    @property
    def units(self) -> int:
        """What the ledger will charge: the sum of its new lines."""
        return sum(each.offer.units for each in self.charged)

    @property
    def share(self) -> float:
        """The part of the whole budget that the batch costs: less than the sum if it asks about groups kept apart."""
        added = np.zeros(len(self.spent))
        for each in self.charged:
            added[each.cells] += each.offer.units
        return float(added.max(initial=0)) / CAP

    @property
    def left(self) -> int:
        """Units left, of CAP, in the cells that the batch touches."""
        return min((each.left for each in self.quotes), default=self.cap)

    @property
    def unaffordable(self) -> str:
        """Why the budget cannot pay for all of this together, or an empty string."""
        charges = [(each.offer.units, each.cells) for each in self.charged]
        short = budget_ledger.shortage(self.spent, self.cap, charges)
        return short.sentence if short else ""


def quote_many(
    budget: Budget, wishes: Sequence[Wish], *, by: User, declared: Declarations | None = None
) -> Batch:
    """Price up to MOST questions together. Spends nothing.

    `declared`: the declarations, when the caller has read them already. Raises Refused when one of them cannot be
    priced.
    """
    if not 0 < len(wishes) <= MOST:
        raise Refused(f"Ask between 1 and {MOST} questions at once.")
    require(rules.may_ask, by, budget)
    declared = declared or questions.declarations_of(budget)
    quotes = [_quote(budget, each, k, declared) for k, each in enumerate(wishes)]
    free = questions.free_of_charge(budget, quotes)
    may_leave_out = budget.may_leave_out or budget_ledger.rests_on_constants(
        budget, *(_charge(each) for each, answered in zip(quotes, free, strict=True) if answered is None)
    )
    return Batch(
        quotes=tuple(replace(each, may_leave_out=each.may_leave_out or may_leave_out) for each in quotes),
        texts=tuple(each.text for each in wishes),
        is_charged=tuple(answered is None for answered in free),
        spent=budget.worst_case(budget.promise.cells.size),
        cap=budget.cap,
    )


def _quote(budget: Budget, wish: Wish, place: int, declared: Declarations) -> Quote:
    prices = {"error": wish.error, "epsilon": wish.epsilon, "share": wish.share}
    try:
        return questions.priced(budget, wish.query, declared, **prices)
    except Refused as refused:
        raise Refused(f"Question {place + 1}: {refused}") from refused


def _charge(quoted: Quote) -> budget_ledger.Charge:
    return budget_ledger.Charge(quoted.revision.pk, quoted.query.table, quoted.offer.units, quoted.cells)


def ask_many(budget: Budget, batch: Batch, *, key: UUID, by: User) -> list[Answer]:
    """Charge what was quoted, all of it or nothing, and have the answers computed; one for each question, in order.

    Each question has a key of its own, derived from the batch's key and its place, so that the same key returns the
    same answers. A stored answer costs nothing. Raises Denied, BudgetExceeded or Conflict.
    """
    many = len(batch.quotes)
    wanted = [
        Asking(quote=quoted, key=uuid5(key, str(k)), text=text, place=(k, many))
        for k, (quoted, text) in enumerate(zip(batch.quotes, batch.texts, strict=True))
    ]
    return questions.ask_all(budget, wanted, by=by)
