"""How an answer ends: released at its public time, given back, or lost. Each happens once."""

import time
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import documents
from common import live
from common.errors import Conflict
from privacy import notifications
from privacy.audit_entries import record
from privacy.engine.measure.contributions import CAP
from privacy.ledgers import budget_ledger
from privacy.models import Answer, Budget, LedgerLine, Promise


def sleep_until(at: datetime) -> None:
    time.sleep(max(0.0, (at - timezone.now()).total_seconds()))


def release(  # noqa: PLR0913 -- each is named at the call
    answer: Answer,
    line: LedgerLine,
    *,
    at: datetime,
    result: dict[str, Any],
    facts: dict[str, object],
    doublings: int = 0,
    doubled_at: datetime | None = None,
) -> bool:
    """Store what is released at `at`, which is now. Returns False if it has been told to be lost meanwhile.

    `facts`: its record. `doublings`: how often the public time of the dataset's answers is doubled from `doubled_at`.
    """
    with transaction.atomic():
        promise = Promise.objects.select_for_update().get(pk=answer.budget.promise_id)
        if not Answer.objects.select_for_update().filter(pk=answer.pk, state=Answer.State.PENDING).exists():
            return False  # the scientist has already been shown that it is lost
        apply(promise, line)
        double(promise, doublings, doubled_at or at)
        answer.state = Answer.State.RELEASED
        answer.result = result
        answer.visible_at = at
        answer.record = facts
        answer.document_salt = documents.new_salt()
        answer.save(update_fields=["state", "result", "visible_at", "record", "document_salt"])
        answer.refresh_from_db(fields=["result", "record"])  # numbers as the database writes them
        _announce(
            answer,
            "answer.released",
            at=at,  # the moment of this line is a little later, by what storing it took
            facts={"mu": answer.mu},
            charge=str(line.pk),
            document_sha256=documents.sha256(answer.document_salt, answer.document),
        )
        budget = Budget.objects.get(pk=answer.budget_id)
        if budget.is_everybody:
            notifications.sampled_mock_drawn(budget.promise)
        elif budget.share_used - answer.line.units / CAP < Budget.LOW <= budget.share_used:
            notifications.budget_is_low(budget)
    return True


def apply(promise: Promise, line: LedgerLine) -> None:
    """Note that people were charged for a line and something was released for it. The caller has locked the promise."""
    promise.last_applied = max(line.pk, promise.last_applied)
    promise.save(update_fields=["last_applied"])


def double(promise: Promise, doublings: int, at: datetime) -> None:
    """Double the public time of the dataset's answers so often, from `at`, unless it is already."""
    if doublings > promise.doublings_now:
        promise.doublings, promise.doubled_at = doublings, at
        promise.save(update_fields=["doublings", "doubled_at"])


def give_back(answer: Answer, why: str) -> None:
    """Void an answer for which no worker has opened the data; do nothing otherwise."""
    try:
        budget_ledger.void(answer.line, by=User.objects.system())
    except Conflict:
        if LedgerLine.objects.filter(settles=answer.line_id, kind=LedgerLine.Kind.COMMIT).exists():
            return
    _close(answer, Answer.State.VOIDED, why=why)


def lose(answer: Answer) -> None:
    """Mark an answer as lost: it was charged, and nothing is released."""
    _close(answer, Answer.State.LOST)


def _close(answer: Answer, state: Answer.State, **detail: str) -> None:
    """Close an answer for which nothing was released, once."""
    with transaction.atomic():
        waiting = Answer.objects.filter(pk=answer.pk, state=Answer.State.PENDING)
        if waiting.update(state=state, record=detail):
            _announce(answer, f"answer.{state}", facts=detail)


def _announce(answer: Answer, action: str, **detail: object) -> None:
    record(action, answer.budget, by=answer.budget.scientist, on=answer, **detail)
    live.changed("user", answer.budget.scientist_id)
    live.changed("answer", answer.pk)
