"""The life of an answer in a worker: commit, open, measure, charge people, draw noise, store. In that order.

A worker that dies before the commit has read nothing: another worker takes the question, or the reservation is given
back. A worker that dies after it has spent budget and released nothing: the charge is final, the answer is lost, and
noise is never drawn twice for one charge. The ledger alone decides which of the two happened. Answers of one dataset
are computed one after the other, under a Postgres advisory lock, so that its per-person ledger has one order. An answer
becomes visible a public time after its turn began (engine.plan.deadlines), however long it took to compute. What
differs for answers that take long is in `turns`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from common.errors import Refused
from common.locks import one_at_a_time
from privacy import dates, rules
from privacy.declarations import engine_table
from privacy.engine.accounting import noise_epsilon
from privacy.engine.figures import Figures
from privacy.engine.language.query import PersonQuantiles, Quantiles
from privacy.engine.language.schema import QueryRefused
from privacy.engine.language.wire import decode, encode
from privacy.engine.measure.evaluate import Bools
from privacy.engine.plan import joint
from privacy.engine.plan.mechanisms import mechanism_of
from privacy.engine.release import Measured, measure
from privacy.execution import opening, preparation, settling
from privacy.execution.opening import Attempt
from privacy.execution.questions import Question, question_of
from privacy.ledgers import budget_ledger
from privacy.ledgers.person_ledger import Share, SubjectLedger, open_ledger
from privacy.models import EVERYBODY, Answer, Budget, LedgerLine, Promise
from privacy.presentation import caps_in_words

LONG_GIVEN_UP = timedelta(hours=2)
"""What takes long waits longer for a worker than a query: for other code and models, which take minutes each."""
SEARCHED = "95 % for each quantile, from the noisy counts of its search: a union bound over the steps"


def compute(pk: str) -> None:
    """Compute one pending answer, once. A second delivery of the task finds it settled and does nothing."""
    answer = Answer.objects.select_related("budget__promise__dataset", "revision", "line").get(pk=pk)
    # The lock is held until the release: otherwise many answers in a row would show how long each took.
    with one_at_a_time(answer.budget.promise.dataset_id), opening.lost_unless_stored(answer) as attempt:
        answer.refresh_from_db()
        if not opening.waits(answer):
            return
        preparation.prepare_for(answer)
        attempt.begun = timezone.now()
        _compute(attempt)


def _compute(attempt: Attempt) -> None:
    answer = attempt.answer
    budget = answer.budget
    if why := rules.may_be_answered(budget):
        settling.give_back(answer, why)
        return
    with open_ledger(opening.folder_of(budget.promise)) as ledger:
        if why := opening.disagreement(budget, ledger, threshold=opening.is_threshold(answer)):
            settling.give_back(answer, why)
            return
        try:
            question = question_of(answer)
            attempt.seconds = question.seconds(budget.promise)
            attempt.counted = caps_in_words.facts(question.query, question.spec)
        except QueryRefused as why:
            settling.give_back(answer, str(why))
            return
        line = opening.commit(attempt, ledger)
        figures = _answer(answer, line, ledger, question)
    result = dates.as_result(figures, query=question.query, table=question.spec)
    _store(attempt, line, result)


def _answer(answer: Answer, line: LedgerLine, ledger: SubjectLedger, question: Question) -> Figures:
    measured, active = charged(answer, line, ledger, question)
    return measured.release(answer.sigma, active)


def charged(
    answer: Answer, line: LedgerLine, ledger: SubjectLedger, question: Question
) -> tuple[Measured, Bools | None]:
    """Measure what a question asks and charge each person for it. Returns also who takes part; None for all."""
    promise = answer.budget.promise
    store = opening.open_columns(answer.budget, line, question.table, question.plans, wanted=question.wanted)
    measured = measure(
        question.query,
        engine_table(store, question.spec),
        worst_case=answer.line.units // answer.releases,
        threshold_delta=promise.delta_each,
    )
    active = ledger.charge(
        answer.budget_id,
        ledger.places(store.digests, name=store.listing, owed=opening.owed(promise)),
        measured.charges,
        line=line.pk,
        threshold=opening.is_threshold(answer),
    )
    # Whether people are looked at once more follows from what is public, not from whether somebody is left out.
    return measured, active if answer.extended or not active.all() else None


def _store(attempt: Attempt, line: LedgerLine, result: dict[str, Any]) -> None:
    """Release an answer when it is due. Nothing is written earlier: the notification, the audit log and the record
    would reveal how long the rows took."""
    answer, (at, doublings) = attempt.answer, attempt.due()
    settling.sleep_until(at)
    settling.release(
        answer,
        line,
        at=at,
        result=result,
        facts={**record_of(answer, result), "released_at": at.isoformat(), **attempt.counted},
        doublings=doublings,
    )


def record_of(answer: Answer, result: dict[str, Any]) -> dict[str, object]:
    """Return what the record of an answer to a query says, but for the time and how much of each person counts."""
    promise, query = answer.budget.promise, decode(answer.query)
    return {
        **facts_of(answer),
        "query": encode(query),
        "mechanism": mechanism_of(query),
        "joint_factor": joint.factor_of(result),
        "threshold_delta_used": promise.delta_each if opening.is_threshold(answer) else 0.0,
        **({"intervals": SEARCHED} if isinstance(query.measure, Quantiles | PersonQuantiles) else {}),
    }


def facts_of(answer: Answer) -> dict[str, object]:
    """Return what the record of every answer holds."""
    promise = answer.budget.promise
    return {
        "answer": str(answer.pk),
        "dataset": promise.dataset.name,
        "revision": answer.revision.number,
        "revision_sha256": answer.revision.sha256,
        "query_sha256": answer.query_sha256,
        "unit": "one person with all their rows, added or removed",
        "sigma_in_clips": str(Fraction(answer.sigma, 2**30)),
        "releases": answer.releases,
        "mu": answer.mu,
        "delta": promise.delta,
        "epsilon_alone": noise_epsilon(answer.mu, promise.noise_delta),
        "mode": "extended: may silently leave people out" if answer.extended else "complete",
        "scientist": EVERYBODY if answer.budget.is_everybody else str(answer.budget.scientist_id),
    }


def sweep() -> list[Answer]:
    """Sweep up after killed workers: give back what was never opened, mark the rest as lost.

    Returns the answers that still wait for a worker and need to be queued again.
    """
    now = timezone.now()
    given_up = now - settings.ANSWER_GIVEN_UP
    unanswered = LedgerLine.objects.filter(
        kind=LedgerLine.Kind.RESERVE, settled_by=None, answer=None, at__lt=given_up
    )
    for line in unanswered.exclude(purpose__has_key="joint"):  # which wait for other portals, up to days
        budget_ledger.void(line, by=User.objects.system())
    pending = Answer.objects.filter(state=Answer.State.PENDING).select_related(
        "line", "budget__promise__dataset"
    )
    committed = Q(line__settled_by__kind=LedgerLine.Kind.COMMIT)
    for answer in pending.filter(committed, line__settled_by__at__lt=given_up):
        if _last_moment(answer) < given_up:
            settling.lose(answer)
    unopened = pending.filter(~committed | Q(line__settled_by=None))
    query = Q(kind=Answer.Kind.QUERY)
    for answer in unopened.filter(
        query & Q(created_at__lt=given_up) | ~query & Q(created_at__lt=now - LONG_GIVEN_UP)
    ):
        settling.give_back(answer, "No worker started on it in time. Ask again.")
    waiting = pending.filter(line__settled_by=None, created_at__lt=now - settings.ANSWER_WAITS)
    if pending.filter(committed & ~query).exists():  # the others wait for it, not for a message
        waiting = waiting.filter(query)
    return list(waiting[:100])


def _last_moment(answer: Answer) -> datetime:
    """Return when an answer that was charged must have been told; for a query, that is soon after its turn began."""
    begun = answer.begun_at or answer.created_at
    return opening.last_moment(answer.kind, begun, answer.deadline) if answer.deadline else begun


def change_share(
    budget: Budget, mu: float, *, by: User, also: Callable[[Budget], object] = lambda _: None
) -> Budget:
    """Change what a unit of a budget is worth, in both ledgers; `also` runs in the database transaction."""
    with agreed(budget.promise) as ledger:
        if mu < Budget.objects.get(pk=budget.pk).mu and ledger.spent(budget.pk).any():
            raise Refused(budget_ledger.CANNOT_SHRINK)
        changed = budget_ledger.rescale(budget, mu, by=by, also=also)
        # Second, so that a crash in between leaves people charged too much, never too little. The next answer or change
        # corrects it.
        ledger.keep(changed.pk, Share(changed.mu, changed.generation))
    return changed


@contextmanager
def agreed(promise: Promise) -> Iterator[SubjectLedger]:
    """Hold the dataset's advisory lock, with its per-person ledger open and both ledgers agreeing on the budgets.

    Raises Refused when they differ: what the database has lost of the promise could be given a second time.
    """
    with one_at_a_time(promise.dataset_id), open_ledger(opening.folder_of(promise)) as ledger:
        budgets = {budget.pk: budget for budget in promise.budgets.all()}
        for pk, share in ledger.shares().items():
            if pk not in budgets or not budgets[pk].had(share.mu, share.generation):
                raise Refused(f"The database has lost a budget, or a change of one. {opening.RESTORED}")
        yield ledger
