"""The life of an answer in a worker: commit, open, measure, charge people, draw noise, store. In that order.

A worker that dies before the commit has read nothing: another worker takes the question, or the reservation is given
back. A worker that dies after it has spent budget and released nothing: the charge is final, the answer is lost, and
noise is never drawn twice for one charge. The ledger alone decides which of the two happened. Answers of one dataset
are computed one after the other, under a Postgres advisory lock, so that its per-person ledger has one order. An answer
becomes visible a public time after its turn began (engine.plan.deadlines), however long it took to compute.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from audit import log
from common import live
from common.errors import Conflict, Refused
from common.locks import one_at_a_time
from datasets import storage
from privacy import dates, notifications, rules
from privacy.audit_entries import record
from privacy.declarations import engine_table
from privacy.engine.accounting import noise_epsilon
from privacy.engine.figures import Figures
from privacy.engine.language.query import KeyCounts, PersonQuantiles, Quantiles
from privacy.engine.language.schema import QueryRefused
from privacy.engine.language.wire import decode, encode
from privacy.engine.measure.contributions import CAP
from privacy.engine.plan import joint
from privacy.engine.plan.designs import mechanism_of
from privacy.engine.release import measure
from privacy.execution import preparation
from privacy.execution.questions import Question, question_of
from privacy.ledgers import budget_ledger
from privacy.ledgers.person_ledger import Share, SubjectLedger, open_ledger
from privacy.models import Answer, Budget, LedgerLine, Promise
from privacy.presentation import caps_in_words

SEARCHED = "95 % for each quantile, from the noisy counts of its search: a union bound over the steps"
RESTORED = (
    "It was restored to an older state than the per-person ledger. An admin has to restore a newer one."
)


@dataclass(slots=True)
class _Attempt:
    """One worker's attempt at an answer; with a line once it has committed the charge."""

    answer: Answer
    begun: datetime
    line: LedgerLine | None = None
    seconds: float = 0.0
    """How long after the start of its turn the answer is released."""
    counted: dict[str, object] = field(default_factory=dict)
    """How much of each person counts in it, for the record."""
    as_result: Callable[[Figures], dict[str, Any]] = asdict
    """Converts its figures into the stored result."""

    def due(self) -> tuple[datetime, int]:
        """Return (when to release it, how often its time was doubled). Fixed before the rows are read, unless the time
        was too short: then it is doubled, for the next answers as well."""
        doublings = self.answer.budget.promise.doublings_now
        while (at := self.begun + timedelta(seconds=self.seconds * 2**doublings)) <= timezone.now():
            doublings += 1
        return at, doublings


def compute(pk: str) -> None:
    """Compute one pending answer, once. A second delivery of the task finds it settled and does nothing."""
    answer = Answer.objects.select_related("budget__promise__dataset", "revision", "line").get(pk=pk)
    # The lock is held until the release: otherwise many answers in a row would show how long each took.
    with one_at_a_time(answer.budget.promise.dataset_id), _lost_unless_stored(answer) as attempt:
        answer.refresh_from_db()
        if not _waits(answer):
            return
        preparation.prepare_for(answer)
        attempt.begun = timezone.now()
        figures = _compute(attempt)
        if attempt.line is not None and figures is not None:
            _store(attempt, attempt.line, figures)


def _waits(answer: Answer) -> bool:
    """Return whether no worker has opened the data for it, according to the ledger."""
    settled = LedgerLine.objects.filter(settles=answer.line_id).exists()
    return answer.state == Answer.State.PENDING and not settled


@contextmanager
def _lost_unless_stored(answer: Answer) -> Iterator[_Attempt]:
    """Mark the answer as lost, at its release time, if anything fails after the commit. If even that cannot be stored,
    `sweep` does it later."""
    attempt, ended = _Attempt(answer, begun=timezone.now()), False
    try:
        yield attempt
        ended = True
    finally:
        if not ended and attempt.line is not None:
            _sleep_until(attempt.due()[0])
            _lose(answer)


def _compute(attempt: _Attempt) -> Figures | None:
    answer, system = attempt.answer, User.objects.system()
    budget = answer.budget
    if why := rules.may_ask(budget.scientist, budget):
        give_back(answer, why)
        return None
    with open_ledger(_folder_of(budget.promise)) as ledger:
        if why := _disagree(answer, ledger):
            give_back(answer, why)
            return None
        try:
            question = question_of(answer)
            attempt.seconds = question.seconds(budget.promise)
            attempt.counted = caps_in_words.facts(question.query, question.spec)
            attempt.as_result = partial(dates.as_result, query=question.query, table=question.spec)
        except QueryRefused as why:
            give_back(answer, str(why))
            return None
        ledger.keep(budget.pk, Share(budget.mu, budget.generation))
        _catch_up(answer, ledger.last_line())
        _may_leave_out(answer)
        attempt.line = budget_ledger.commit(answer.line, by=system)
        Answer.objects.filter(pk=answer.pk).update(begun_at=attempt.begun, opened_at=timezone.now())
        return _answer(answer, attempt.line, ledger, question)


def _disagree(answer: Answer, ledger: SubjectLedger) -> str:
    """Return why the two ledgers cannot both pay for this answer (one was restored to an older state), or an empty
    string."""
    budget = answer.budget
    promise = budget.promise
    if ledger.last_line() < promise.last_applied:
        return "The per-person ledger is older than what was released. An admin has to restore a newer one."
    share = ledger.shares().get(budget.pk)
    if share is not None and not budget.had(share.mu, share.generation):
        return f"The database has lost a change of this budget. {RESTORED}"
    if _is_threshold(answer):
        used = ledger.thresholds()
        return budget_ledger.no_threshold_left(promise, used.get(budget.pk, 0), sum(used.values()))
    return ""


def _is_threshold(answer: Answer) -> bool:
    return isinstance(decode(answer.query).measure, KeyCounts)


def _may_leave_out(answer: Answer) -> None:
    """Mark the answer as possibly incomplete before reading any row, even if it was asked before that was known."""
    if answer.extended:
        return
    if answer.budget.may_leave_out or budget_ledger.rests_on_constants(answer.budget):
        answer.extended = True
        answer.save(update_fields=["extended"])


def _catch_up(answer: Answer, last: int) -> None:
    """Recover from a database restored to before `last`, the newest line in the per-person ledger.

    New lines are numbered beyond it, and no answer is called complete any more, because people may have reached their
    limit through charges that the database no longer has.
    """
    lines = LedgerLine.objects.filter(kind=LedgerLine.Kind.COMMIT, budget__promise=answer.budget.promise_id)
    if not last or lines.filter(pk=last).exists():
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('privacy_ledgerline', 'id'),"
            " GREATEST(%s, (SELECT last_value FROM privacy_ledgerline_id_seq)))",
            [last],
        )
        answer.budget.promise.incomplete_since = timezone.now()
        answer.budget.promise.save(update_fields=["incomplete_since"])
        log.record(
            "protection.incomplete",
            by=User.objects.system(),
            on=answer.budget.promise,
            dataset_id=answer.budget.promise.dataset_id,
            line=last,
        )


def _answer(answer: Answer, line: LedgerLine, ledger: SubjectLedger, question: Question) -> Figures:
    promise = answer.budget.promise
    store = storage.open_columns(
        answer,
        question.table,
        question.plans,
        bytes(promise.subject_key),
        rule=lambda _: None if line.kind == LedgerLine.Kind.COMMIT else "Nothing was charged.",
        wanted=question.wanted,
    )
    measured = measure(
        question.query,
        engine_table(store, question.spec),
        worst_case=answer.line.units // answer.releases,
        threshold_delta=promise.delta_each,
    )
    active = ledger.charge(
        answer.budget_id,
        ledger.places(store.digests, name=store.listing, owed=_owed(promise)),
        measured.charges,
        line=line.pk,
        threshold=_is_threshold(answer),
    )
    # Whether people are looked at once more follows from what is public, not from whether somebody is left out.
    return measured.release(answer.sigma, active if answer.extended or not active.all() else None)


def _owed(promise: Promise) -> dict[UUID, int]:
    """Return the units that new people begin with, by budget."""
    return {budget.pk: units for budget in promise.budgets.all() if (units := promise.owed(budget.pk))}


def _store(attempt: _Attempt, line: LedgerLine, figures: Figures) -> None:
    """Release an answer when it is due. Nothing is written earlier: the notification, the audit log and the record
    would reveal how long the rows took."""
    answer, (at, doublings) = attempt.answer, attempt.due()
    _sleep_until(at)
    with transaction.atomic():
        promise = Promise.objects.select_for_update().get(pk=answer.budget.promise_id)
        if not Answer.objects.select_for_update().filter(pk=answer.pk, state=Answer.State.PENDING).exists():
            return  # the scientist has already been shown that it is lost
        promise.last_applied = max(line.pk, promise.last_applied)
        if doublings > promise.doublings_now:
            promise.doublings, promise.doubled_at = doublings, at
        promise.save(update_fields=["last_applied", "doublings", "doubled_at"])
        answer.state = Answer.State.RELEASED
        answer.result = attempt.as_result(figures)
        answer.visible_at = at
        answer.record = {**_record_of(answer, at), **attempt.counted}
        answer.save(update_fields=["state", "result", "visible_at", "record"])
        _announce(answer, "answer.released", mu=answer.mu)
        budget = Budget.objects.get(pk=answer.budget_id)
        before = budget.share_used - answer.line.units / CAP
        if before < Budget.LOW <= budget.share_used:
            notifications.budget_is_low(budget)


def _sleep_until(at: datetime) -> None:
    time.sleep(max(0.0, (at - timezone.now()).total_seconds()))


def _record_of(answer: Answer, at: datetime) -> dict[str, object]:
    promise, query = answer.budget.promise, decode(answer.query)
    return {
        "answer": str(answer.pk),
        "dataset": promise.dataset.name,
        "revision": answer.revision.number,
        "revision_sha256": answer.revision.sha256,
        "query": encode(query),
        "query_sha256": answer.query_sha256,
        "mechanism": mechanism_of(query),
        "unit": "one person with all their rows, added or removed",
        "sigma_in_clips": str(Fraction(answer.sigma, 2**30)),
        "releases": answer.releases,
        "joint_factor": joint.factor_of(answer.result or {"lines": []}),
        "mu": answer.mu,
        "delta": promise.delta,
        "threshold_delta_used": promise.delta_each if _is_threshold(answer) else 0.0,
        "epsilon_alone": noise_epsilon(answer.mu, promise.noise_delta),
        "mode": "extended: may silently leave people out" if answer.extended else "complete",
        "scientist": str(answer.budget.scientist_id),
        "released_at": at.isoformat(),
        **({"intervals": SEARCHED} if isinstance(query.measure, Quantiles | PersonQuantiles) else {}),
    }


def give_back(answer: Answer, why: str) -> None:
    """Void an answer for which no worker has opened the data; do nothing otherwise."""
    try:
        budget_ledger.void(answer.line, by=User.objects.system())
    except Conflict:
        if LedgerLine.objects.filter(settles=answer.line_id, kind=LedgerLine.Kind.COMMIT).exists():
            return
    _close(answer, Answer.State.VOIDED, why=why)


def _lose(answer: Answer) -> None:
    _close(answer, Answer.State.LOST)


def _close(answer: Answer, state: Answer.State, **detail: str) -> None:
    """Close an answer for which nothing was released, once."""
    with transaction.atomic():
        waiting = Answer.objects.filter(pk=answer.pk, state=Answer.State.PENDING)
        if waiting.update(state=state, record=detail):
            _announce(answer, f"answer.{state}", **detail)


def sweep() -> list[str]:
    """Sweep up after killed workers: give back what was never opened, mark the rest as lost.

    Returns the ids of answers that still wait for a worker and need to be queued again.
    """
    now = timezone.now()
    given_up = now - settings.ANSWER_GIVEN_UP
    for line in LedgerLine.objects.filter(
        kind=LedgerLine.Kind.RESERVE, settled_by=None, answer=None, at__lt=given_up
    ):
        budget_ledger.void(line, by=User.objects.system())
    pending = Answer.objects.filter(state=Answer.State.PENDING).select_related(
        "line", "budget__promise__dataset"
    )
    committed = Q(line__settled_by__kind=LedgerLine.Kind.COMMIT)
    for answer in pending.filter(committed, line__settled_by__at__lt=given_up):
        _lose(answer)
    for answer in pending.filter(~committed | Q(line__settled_by=None), created_at__lt=given_up):
        give_back(answer, "No worker started on it in time. Ask again.")
    waiting = pending.filter(line__settled_by=None, created_at__lt=now - settings.ANSWER_WAITS)
    return [str(pk) for pk in waiting.values_list("pk", flat=True)[:100]]


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
    with one_at_a_time(promise.dataset_id), open_ledger(_folder_of(promise)) as ledger:
        budgets = {budget.pk: budget for budget in promise.budgets.all()}
        for pk, share in ledger.shares().items():
            if pk not in budgets or not budgets[pk].had(share.mu, share.generation):
                raise Refused(f"The database has lost a budget, or a change of one. {RESTORED}")
        yield ledger


def _folder_of(promise: Promise) -> Path:
    return storage.ledger_folder(promise.dataset_id)


def _announce(answer: Answer, action: str, **detail: str | float) -> None:
    record(action, answer.budget, by=answer.budget.scientist, on=answer, facts=detail)
    live.changed("user", answer.budget.scientist_id)
    live.changed("answer", answer.pk)
