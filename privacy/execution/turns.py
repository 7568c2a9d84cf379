"""Answers that take long: code in blocks, models and synthetic tables.

The dataset's lock is held to commit the charge and to charge people, for a public time (the turn), and not while the
answer is computed: otherwise nobody else could ask meanwhile. From then on neither ledger is read again for this
answer: what is computed was fixed by the question, and who takes part by the charge. Everything is told at the
deadline, which was fixed with the charge from public numbers. A worker that dies after the charge loses the answer.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from django.db import transaction
from django.utils import timezone

from common.locks import one_at_a_time
from privacy import rules
from privacy.engine.language.schema import QueryRefused
from privacy.execution import opening, preparation, settling
from privacy.execution.opening import Attempt
from privacy.execution.questions import Question
from privacy.ledgers.person_ledger import SubjectLedger, open_ledger
from privacy.models import Answer, LedgerLine, Promise


class Work(Protocol):
    """What an answer says about its run, with the declarations: known before anything is charged."""

    @property
    def opens(self) -> Question:
        """What is opened and charged in its turn."""

    @property
    def seconds(self) -> float:
        """The public time from the end of its turn to its deadline."""


W = TypeVar("W", bound=Work)
R = TypeVar("R")
Charge = Callable[[Answer, LedgerLine, SubjectLedger, W], R]


def take(attempt: Attempt, read: Callable[[Answer], W], charge: "Charge[W, R]") -> tuple[W, R] | None:
    """Charge an answer, once. Returns what it is about and what `charge` returns; None if it is not to be computed.

    `read`: checks the question again; raises QueryRefused when it cannot be asked any more. `charge`: charges everybody
    whom it is about. The lock is held for a public time, however long that took.
    """
    answer = attempt.answer
    with one_at_a_time(answer.budget.promise.dataset_id):
        answer.refresh_from_db()
        return _taken(attempt, read, charge) if opening.waits(answer) else None


def _taken(attempt: Attempt, read: Callable[[Answer], W], charge: "Charge[W, R]") -> tuple[W, R] | None:
    answer = attempt.answer
    budget = answer.budget
    if why := rules.may_be_answered(budget):
        settling.give_back(answer, why)
        return None
    try:
        work = read(answer)
    except QueryRefused as refused:
        settling.give_back(answer, str(refused))
        return None
    preparation.prepare_table(work.opens, budget.promise)
    attempt.begun = timezone.now()
    attempt.seconds = work.opens.seconds(budget.promise)
    try:
        with open_ledger(opening.folder_of(budget.promise)) as ledger:
            if why := opening.disagreement(budget, ledger, threshold=opening.is_threshold(answer)):
                settling.give_back(answer, why)
                return None
            attempt.deadline = attempt.due()[0] + timedelta(seconds=work.seconds)
            line = opening.commit(attempt, ledger)
            return work, charge(answer, line, ledger, work)
    finally:
        if attempt.line is not None:
            attempt.end_turn()


def tell(
    attempt: Attempt,
    *,
    result: dict[str, object],
    facts: dict[str, object],
    also: Callable[[], object] = lambda: None,
    doubled: int | None = None,
) -> None:
    """Release an answer at its deadline, unless it may no longer be given then. `also` runs in the same transaction.

    `doubled`: how often its time was doubled when it was charged; if it is late, the times of later answers are doubled
    once more. None if its time does not depend on the rows.
    """
    answer, line = attempt.answer, attempt.line
    if line is None or attempt.deadline is None:
        raise ValueError("Nothing was charged in a turn.")
    at, times = opening.next_moment(attempt.begun, attempt.deadline)
    doublings, doubled_at = attempt.doublings, attempt.turn_ended or at
    if doubled is not None and times:
        doublings, doubled_at = doubled + times, at
    settling.sleep_until(at)
    answer.budget.refresh_from_db()
    if at > opening.last_moment(answer.kind, attempt.begun, attempt.deadline):
        with transaction.atomic():
            promise = Promise.objects.select_for_update().get(pk=answer.budget.promise_id)
            settling.double(promise, doublings, doubled_at)
        settling.lose(answer)
        return
    if rules.may_be_answered(answer.budget):
        settling.lose(answer)
        return
    with transaction.atomic():
        told = settling.release(
            answer,
            line,
            at=at,
            result=result,
            facts={**facts, "released_at": at.isoformat()},
            doublings=doublings,
            doubled_at=doubled_at,
        )
        if told:
            also()
