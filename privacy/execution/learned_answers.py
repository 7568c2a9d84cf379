"""Models and synthetic tables in a worker: charged in a turn, computed after it, told at a public deadline."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from privacy import dates
from privacy.engine.figures import Figures
from privacy.execution import lifecycle, opening, turns
from privacy.execution.questions import Question, question_of, seconds_after
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import Answer, LedgerLine
from privacy.presentation import caps_in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What follows from the question and the declarations: known before anything is charged."""

    opens: Question
    seconds: float
    doublings: int
    """How often the time was doubled because earlier answers took longer."""


def compute(pk: str) -> None:
    """Compute one pending model or table, once. A second delivery of the task finds it settled and does nothing."""
    answer = Answer.objects.select_related("budget__promise__dataset", "revision", "line").get(pk=pk)
    with opening.lost_unless_stored(answer) as attempt:
        taken = turns.take(attempt, _read, _charged)
        if taken is None:
            return
        learning, release = taken
        question = learning.opens
        result = dates.as_result(release(), query=question.query, table=question.spec)
        counted = caps_in_words.facts(question.query, question.spec)
        facts = {**lifecycle.record_of(answer, result), **counted}
        turns.tell(attempt, result=result, facts=facts, doubled=learning.doublings)


def _read(answer: Answer) -> Learning:
    question, promise = question_of(answer), answer.budget.promise
    doublings = promise.doublings_now
    seconds = seconds_after(question.design, question.spec, promise)
    return Learning(opens=question, seconds=seconds * 2**doublings, doublings=doublings)


def _charged(
    answer: Answer, line: LedgerLine, ledger: SubjectLedger, learning: Learning
) -> Callable[[], Figures]:
    measured, active = lifecycle.charged(answer, line, ledger, learning.opens)
    return partial(measured.release, answer.sigma, active)
