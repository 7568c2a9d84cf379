"""Before a question opens the data: both ledgers must agree, and its charge becomes final.

What is asked of this portal alone becomes an answer. A part of a joint question (`joint_legs`) does not, but both are
charged by the same rules.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from datasets import storage
from datasets.columns import ColumnPlan, ColumnStore
from datasets.models import Table
from privacy.engine.language.query import KeyCounts
from privacy.engine.language.wire import decode
from privacy.execution import settling
from privacy.ledgers import budget_ledger
from privacy.ledgers.person_ledger import Share, SubjectLedger
from privacy.models import Answer, Budget, LedgerLine, Promise

RESTORED = (
    "It was restored to an older state than the per-person ledger. An admin has to restore a newer one."
)


@dataclass(slots=True)
class Attempt:
    """One worker's attempt at an answer; with a line once it has committed the charge."""

    answer: Answer
    begun: datetime
    line: LedgerLine | None = None
    seconds: float = 0.0
    """How long the dataset's lock is held from the start of its turn, whatever is in the rows."""
    deadline: datetime | None = None
    """When code that answers in blocks is released. A query is released when the lock is."""
    turn_ended: datetime | None = None
    """When the lock of code was given up, blocks still to come."""
    doublings: int = 0
    """How often the time of that turn had to be doubled, if more often than it was already; otherwise 0."""
    counted: dict[str, object] = field(default_factory=dict)
    """How much of each person counts in it, for the record."""

    def due(self) -> tuple[datetime, int]:
        """Return (when its turn ends, how often its time was doubled). Fixed before the rows are read, unless the time
        was too short: then it is doubled, for the next answers as well."""
        return due(self.answer.budget.promise, self.begun, self.seconds)

    def end_turn(self) -> None:
        """Wait until the turn of an answer by code ends. Later, `due` would take its blocks for a time too short."""
        self.turn_ended, doublings = self.due()
        self.doublings = doublings if doublings > self.answer.budget.promise.doublings_now else 0
        settling.sleep_until(self.turn_ended)

    def told_at(self) -> datetime:
        """Return when its release, or its loss, is told: never the moment at which it happens to be ready."""
        return self.due()[0] if self.deadline is None else next_moment(self.begun, self.deadline)[0]


def due(promise: Promise, begun: datetime, seconds: float, *, ahead: float = 0.0) -> tuple[datetime, int]:
    """Return (when a turn of so many seconds ends, how often its time was doubled): at least `ahead` from now."""
    doublings, ready = promise.doublings_now, timezone.now() + timedelta(seconds=ahead)
    while (at := begun + timedelta(seconds=seconds * 2**doublings)) <= ready:
        doublings += 1
    return at, doublings


LATEST = {Answer.Kind.CODE: 1, Answer.Kind.FIT: 3, Answer.Kind.TABLE: 3}
"""How often the time of what takes long may be doubled until it is lost. Blocks have times of their own; how long a
training takes depends on the rows, of which there may be more than announced."""


def next_moment(begun: datetime, deadline: datetime) -> tuple[datetime, int]:
    """Return when what takes long may be told next, its deadline or after a multiple of its time; and how often that
    time is doubled."""
    doublings = 0
    while (at := begun + (deadline - begun) * (1 << doublings)) <= timezone.now():
        doublings += 1
    return at, doublings


def last_moment(kind: str, begun: datetime, deadline: datetime) -> datetime:
    """Return the moment after which an answer that takes long is lost, although it was charged."""
    return begun + (deadline - begun) * (1 << LATEST[Answer.Kind(kind)])


@contextmanager
def lost_unless_stored(answer: Answer) -> Iterator[Attempt]:
    """Mark the answer as lost, when it would have been told, if anything fails after the commit. If even that cannot be
    stored, `lifecycle.sweep` does it later."""
    attempt, ended = Attempt(answer, begun=timezone.now()), False
    try:
        yield attempt
        ended = True
    finally:
        if not ended and attempt.line is not None:
            settling.sleep_until(attempt.told_at())
            settling.lose(answer)


def waits(answer: Answer) -> bool:
    """Return whether no worker has opened the data for it, according to the ledger."""
    settled = LedgerLine.objects.filter(settles=answer.line_id).exists()
    return answer.state == Answer.State.PENDING and not settled


def commit(attempt: Attempt, ledger: SubjectLedger) -> LedgerLine:
    """Make the charge final in the database, before any row is read."""
    answer, budget = attempt.answer, attempt.answer.budget
    agree(budget, ledger)
    _may_leave_out(answer)
    attempt.line = final(answer.line, begun=attempt.begun)
    Answer.objects.filter(pk=answer.pk).update(
        begun_at=attempt.begun, opened_at=timezone.now(), deadline=attempt.deadline
    )
    return attempt.line


def agree(budget: Budget, ledger: SubjectLedger) -> None:
    """Have both ledgers know the size of a budget, and new lines follow all that people were charged for.

    The last step before a charge becomes final: whether somebody may be left out can be told only now.
    """
    ledger.keep(budget.pk, Share(budget.mu, budget.generation))
    _catch_up(budget.promise, ledger.last_line())


def final(line: LedgerLine, *, begun: datetime) -> LedgerLine:
    """Make a charge final. Its receipt says when: at `begun`, the start of its turn, as how long the ledgers took to
    read depends on who is in them."""
    return budget_ledger.commit(line, by=User.objects.system(), at=begun)


def open_columns(
    budget: Budget,
    line: LedgerLine,
    table: Table,
    plans: Sequence[ColumnPlan],
    *,
    wanted: frozenset[str] | None = None,
) -> ColumnStore:
    """Open the rows of a table: all columns, or those wanted. Raises Denied unless `line` says that it was charged."""
    return storage.open_columns(
        budget,
        table,
        plans,
        bytes(budget.promise.subject_key),
        rule=lambda _: None if line.kind == LedgerLine.Kind.COMMIT else "Nothing was charged.",
        wanted=wanted,
    )


def disagreement(budget: Budget, ledger: SubjectLedger, *, threshold: bool = False) -> str:
    """Return why the two ledgers cannot both pay for a question (one was restored to an older state), or an empty
    string. `threshold`: whether it releases undeclared values."""
    promise = budget.promise
    if ledger.last_line() < promise.last_applied:
        return "The per-person ledger is older than what was released. An admin has to restore a newer one."
    share = ledger.shares().get(budget.pk)
    if share is not None and not budget.had(share.mu, share.generation):
        return f"The database has lost a change of this budget. {RESTORED}"
    if threshold:
        used = ledger.thresholds()
        return budget_ledger.no_threshold_left(promise, used.get(budget.pk, 0), sum(used.values()))
    return ""


def is_threshold(answer: Answer) -> bool:
    """Return whether it releases undeclared values."""
    return answer.kind == Answer.Kind.QUERY and isinstance(decode(answer.query).measure, KeyCounts)


def owed(promise: Promise) -> dict[UUID, int]:
    """Return the units that new people begin with, by budget."""
    return {budget.pk: units for budget in promise.budgets.all() if (units := promise.owed(budget.pk))}


def folder_of(promise: Promise) -> Path:
    """Return the folder of a dataset's per-person ledger."""
    return storage.ledger_folder(promise.dataset_id)


def _may_leave_out(answer: Answer) -> None:
    """Mark the answer as possibly incomplete before reading any row, even if it was asked before that was known."""
    if answer.extended:
        return
    if answer.budget.may_leave_out or budget_ledger.rests_on_constants(answer.budget):
        answer.extended = True
        answer.save(update_fields=["extended"])


def _catch_up(promise: Promise, last: int) -> None:
    """Recover from a database restored to before `last`, the newest line in the per-person ledger.

    New lines are numbered beyond it, and no answer is called complete any more, because people may have reached their
    limit through charges that the database no longer has. A line that was kept since may have got the number of one
    that is lost.
    """
    lines = LedgerLine.objects.filter(kind=LedgerLine.Kind.COMMIT, budget__promise=promise)
    lines = lines.exclude(purpose__has_key=budget_ledger.KEPT)
    if not last or lines.filter(pk=last).exists():
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('privacy_ledgerline', 'id'),"
            " GREATEST(%s, (SELECT last_value FROM privacy_ledgerline_id_seq)))",
            [last],
        )
        promise.incomplete_since = timezone.now()
        promise.save(update_fields=["incomplete_since"])
        log.record(
            "protection.incomplete",
            by=User.objects.system(),
            on=promise,
            dataset_id=promise.dataset_id,
            line=last,
        )
