"""Decide when the end of a run is announced, and announce it.

How long code runs may depend on the rows it reads, so only those who read its log learn it exactly. For everybody else
a run that has ended keeps its place and its state until the next step, counted from its start; then its state, pages,
notifications, e-mails, audit log and queue change together. Call these functions inside a transaction.
"""

import logging
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from datasets import storage
from requests_app import notifications, visibility, workflow
from requests_app.execution import claims
from requests_app.models import Look, Release, Run

logger = logging.getLogger(__name__)

CANCEL_TAKES = timedelta(seconds=3)
"""How long a cancel by the author, or by the clock, takes: the same whether the code still runs or has ended
unannounced. A kill takes less."""
AT_ONCE = 200


def boundary(run: Run, moment: datetime) -> datetime:
    """Return the first step at or after this moment.

    Steps are counted from the run's start, so that equal lengths are announced as equal. Steps of the wall clock would
    reveal more about the length each time the author starts the same code at another second. The result is at most one
    step away: a start in the future means that a clock was set back.
    """
    start = run.started_at or run.created_at
    step = timedelta(seconds=run.end_step_seconds)
    return min(start + max(1, -((start - moment) // step)) * step, moment + step)


def settle(run: Run, **facts: object) -> Run:
    """Store how the code of this run has ended, and announce it if it is time. The caller has locked the run."""
    now = timezone.now()
    if run.state == Run.State.CANCELLING:
        announce_at = _announce_cancel_at(run, now)
        _write(run, ended_at=now, announce_at=announce_at, **facts)
    else:
        announce_at = boundary(run, now) if run.kind == Run.Kind.PRIVATE else now
        workflow.move(
            "end", run, by=User.objects.system_actor(), ended_at=now, announce_at=announce_at, **facts
        )
    return announce(run) if announce_at <= now else run


def _write(run: Run, **facts: object) -> None:
    for name, value in facts.items():
        setattr(run, name, value)
    run.save(update_fields=list(facts))


def cancel_announced_at(run: Run, now: datetime, *, by: User) -> datetime:
    """Return when a cancel requested now may be announced: the author must not learn whether the code still ran."""
    return now + CANCEL_TAKES if _is_foreseen(run, by) else now


def _is_foreseen(run: Run, by: User | None) -> bool:
    """Return whether the author chose or foresaw the moment of this cancel: access may end by the clock."""
    chosen = by is not None and (by == run.request.author or by.state == User.State.SYSTEM)
    return run.kind == Run.Kind.PRIVATE and chosen


def _announce_cancel_at(run: Run, now: datetime) -> datetime:
    if run.announce_at is not None and run.announce_at > now:
        return run.announce_at
    return boundary(run, now) if _is_foreseen(run, run.cancelled_by) else now


def announce(run: Run) -> Run:
    """Tell everybody how this run, which the caller has locked, has ended."""
    system, end = User.objects.system_actor(), {"finished_at": run.announce_at}
    if run.state == Run.State.CANCELLING:
        done = workflow.move("cancelled", run, by=system, **visibility.NO_FAILURE, **end)
        _throw_away(done)
    elif run.close_code:
        done = workflow.move("fail", run, by=system, **end)
    else:
        done = workflow.move("succeed", run, by=system, **end)
        if done.kind == Run.Kind.PRIVATE:
            hold(done)
    notifications.run_finished(done)
    claims.ring_next()
    claims.refresh_waiting()
    return done


def hold(run: Run) -> Release:
    """Hold the outputs of a run on private data until somebody has checked them."""
    return Release.objects.create(
        run=run, author=run.request.author, expires_at=timezone.now() + timedelta(days=settings.HELD_DAYS)
    )


def _throw_away(run: Run) -> None:
    """Delete the outputs of a run that was cancelled between its end and the announcement."""
    if run.outputs.exists():
        Look.objects.filter(output__run=run).delete()
        run.outputs.all().delete()
        transaction.on_commit(partial(storage.drop_outputs, run.pk), robust=True)


def announce_due() -> None:
    """Announce every end that is due, at most AT_ONCE of them."""
    due = Run.objects.working().filter(ended_at__isnull=False, announce_at__lte=timezone.now())
    for pk in due.order_by("announce_at").values_list("pk", flat=True)[:AT_ONCE]:
        try:
            _announce_one(pk)
        except Exception:  # an end that cannot be announced must not block the others
            logger.exception("Could not announce the end of run %s. The next sweep tries again.", pk)


@transaction.atomic
def _announce_one(pk: UUID) -> None:
    rows = Run.objects.working().filter(ended_at__isnull=False, announce_at__lte=timezone.now())
    related = ("request__author", "request__dataset__owner")
    run = (
        rows.select_for_update(of=("self",), skip_locked=True).select_related(*related).filter(pk=pk).first()
    )
    if run is not None:
        announce(run)
