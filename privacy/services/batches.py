"""Batches: several questions in one call, priced together and charged in one transaction or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

import numpy as np

from accounts.models import User
from common.access import require
from common.errors import Conflict, Refused
from common.locks import one_at_a_time
from privacy import rules
from privacy.engine.language.display import EVERYTHING
from privacy.engine.language.query import MAX_CELLS
from privacy.engine.language.sql import Statement
from privacy.engine.language.wire import encode
from privacy.engine.measure.contributions import CAP, Integers
from privacy.ledgers import budget_ledger
from privacy.models import Answer, Batch, Budget
from privacy.services import questions
from privacy.services.questions import Asking, Declarations, Quote

MOST = 64
"""The most questions in one batch."""


class QuestionRefused(Refused):
    """One question of a batch cannot be priced. `number`: which, from 0."""

    def __init__(self, text: str, *, number: int) -> None:
        super().__init__(text)
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A question and the one price at which it is asked."""

    said: Statement
    error: float | None = None
    epsilon: float | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchQuote:
    """Checked queries with their prices, each alone and all together, shown before anything is spent."""

    quotes: tuple[Quote, ...]
    said: tuple[Statement, ...]
    free: tuple[Answer | int | None, ...]
    """What answers each at no cost: a stored answer, or an earlier question of the batch, by its place."""
    spent: Integers
    """Units used so far in each public cell."""
    cap: int

    @property
    def is_charged(self) -> tuple[bool, ...]:
        return tuple(each is None for each in self.free)

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
) -> BatchQuote:
    """Price up to MOST questions together. Spends nothing.

    `declared`: the declarations, when the caller has read them already. Raises Refused when one of them cannot be
    priced.
    """
    if not 0 < len(wishes) <= MOST:
        raise Refused(f"Ask between 1 and {MOST} questions at once.")
    require(rules.may_ask, by, budget)
    declared = declared or questions.declarations_of(budget)
    quotes = [_quote(budget, each, k, declared) for k, each in enumerate(wishes)]
    if sum(each.plan.cells for each in quotes) > MAX_CELLS:
        raise Refused(f"These questions have more than {MAX_CELLS:,} groups together. Ask fewer at once.")
    free = questions.free_of_charge(budget, quotes)
    may_leave_out = budget.may_leave_out or budget_ledger.rests_on_constants(
        budget, *(_charge(each) for each, answered in zip(quotes, free, strict=True) if answered is None)
    )
    return BatchQuote(
        quotes=tuple(replace(each, may_leave_out=each.may_leave_out or may_leave_out) for each in quotes),
        said=tuple(each.said for each in wishes),
        free=tuple(free),
        spent=budget.worst_case(budget.promise.cells.size),
        cap=budget.cap,
    )


def _quote(budget: Budget, wish: Wish, place: int, declared: Declarations) -> Quote:
    prices = {"error": wish.error, "epsilon": wish.epsilon, "share": wish.share}
    try:
        return questions.priced(budget, wish.said.query, declared, **prices)
    except Refused as refused:
        raise QuestionRefused(f"Question {place + 1}: {refused}", number=place) from refused


def _charge(quoted: Quote) -> budget_ledger.Charge:
    return budget_ledger.Charge(quoted.revision.pk, quoted.query.table, quoted.offer.units, quoted.cells)


def ask_many(budget: Budget, quoted: BatchQuote, *, key: UUID, by: User) -> Batch:
    """Charge what was quoted, all of it or nothing, and have the answers computed.

    The same key returns the same batch. A stored answer costs nothing. Raises Denied, BudgetExceeded or Conflict.
    """
    many = len(quoted.quotes)
    wanted = [
        Asking(quote=each, key=key_of_question(key, k), text=said.text, place=(k, many))
        for k, (each, said) in enumerate(zip(quoted.quotes, quoted.said, strict=True))
    ]
    asked = [_asked(each, said) for each, said in zip(wanted, quoted.said, strict=True)]
    require(rules.may_ask, by, budget)
    with one_at_a_time(budget.pk):
        if earlier := _asked_before(budget, key, asked):
            return earlier
        answers = questions.ask_all(budget, wanted, by=by)
        return Batch.objects.create(
            budget=budget, key=key, asked=asked, answers=[answer.pk for answer in answers]
        )


def _asked(each: Asking, said: Statement) -> dict[str, object]:
    """Return one question of a batch as it is stored, with what it shows unless that is everything."""
    shown = {} if said.display == EVERYTHING else {"display": encode(said.display)}
    return {"query": each.purpose["query"], "asked": each.purpose["asked"], **shown}


def _asked_before(budget: Budget, key: UUID, asked: list[dict[str, object]]) -> Batch | None:
    """Return the batch that was asked with a key; raise Conflict if that was something else.

    Looked up before anything is charged: a batch that was free has no line in the ledger. The database compares: it
    returns large numbers as other ones than it was given.
    """
    with_key = Batch.objects.filter(budget=budget, key=key)
    same = with_key.filter(asked=asked).first()
    if same is None and with_key.exists():
        raise Conflict(questions.OTHER_QUESTIONS)
    return same


def key_of_question(key: UUID, place: int) -> UUID:
    """Return the key of one question: it follows from the batch's key and its place, so a replay finds its charge."""
    return uuid5(key, str(place))
