"""When the end of a run is announced.

How long code runs may depend on the rows it reads, so nobody but those who read its log learns it exactly. The code
ends; the run keeps its place and its state for everybody else until the next step after its start; then state, pages,
messages, mail, log and queue move together. Called inside a transaction.
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
"""How long an author's cancel, or one by the clock, takes, whether the code still ran or had ended unannounced. A kill
takes less."""
AT_ONCE = 200


def boundary(run: Run, moment: datetime) -> datetime:
    """The first step at or after this moment.

    Steps are counted from the start: equal lengths are then told as equal. Steps of the clock would tell more of a
    length each time the author starts the same code at another second. Never more than a step away: a start that lies
    ahead means that a clock was set back meanwhile.
    """
    start = run.started_at or run.created_at
    step = timedelta(seconds=run.end_step_seconds)
    return min(start + max(1, -((start - moment) // step)) * step, moment + step)


def settle(run: Run, **facts: object) -> Run:
    """The code of this run, which the caller has locked, has ended: keep how, and announce it when it is time."""
    now = timezone.now()
    if run.state == Run.State.CANCELLING:
        told_at = _cancel_told_at(run, now)
        _write(run, ended_at=now, told_at=told_at, **facts)
    else:
        told_at = boundary(run, now) if run.kind == Run.Kind.PRIVATE else now
        workflow.move("end", run, by=User.objects.system_actor(), ended_at=now, told_at=told_at, **facts)
    return announce(run) if told_at <= now else run


def _write(run: Run, **facts: object) -> None:
    for name, value in facts.items():
        setattr(run, name, value)
    run.save(update_fields=list(facts))


def cancel_is_told_at(run: Run, now: datetime, *, by: User) -> datetime:
    """When a cancel asked for now may be announced. An author must not learn from it whether the code still ran."""
    return now + CANCEL_TAKES if _is_foreseen(run, by) else now


def _is_foreseen(run: Run, by: User | None) -> bool:
    """Whether the author has chosen, or knows beforehand, the moment of this cancel: access may end by the clock."""
    chosen = by is not None and (by == run.request.author or by.state == User.State.SYSTEM)
    return run.kind == Run.Kind.PRIVATE and chosen


def _cancel_told_at(run: Run, now: datetime) -> datetime:
    if run.told_at is not None and run.told_at > now:
        return run.told_at
    return boundary(run, now) if _is_foreseen(run, run.cancelled_by) else now


def announce(run: Run) -> Run:
    """Tell everybody how this run, which the caller has locked, has ended."""
    system, end = User.objects.system_actor(), {"finished_at": run.told_at}
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
    claims.tell_waiting()
    return done


def hold(run: Run) -> Release:
    """What a run on private data wrote waits for somebody to look at it."""
    return Release.objects.create(
        run=run, author=run.request.author, expires_at=timezone.now() + timedelta(days=settings.HELD_DAYS)
    )


def _throw_away(run: Run) -> None:
    """What a run wrote that was cancelled between its end and the announcement."""
    if run.outputs.exists():
        Look.objects.filter(output__run=run).delete()
        run.outputs.all().delete()
        transaction.on_commit(partial(storage.drop_outputs, run.pk), robust=True)


def announce_due() -> None:
    """Announce every end whose step has come."""
    due = Run.objects.working().filter(ended_at__isnull=False, told_at__lte=timezone.now())
    for pk in due.order_by("told_at").values_list("pk", flat=True)[:AT_ONCE]:
        try:
            _announce_one(pk)
        except Exception:  # one end that cannot be announced keeps no other from its turn
            logger.exception("The end of run %s could not be announced in this round.", pk)


@transaction.atomic
def _announce_one(pk: UUID) -> None:
    rows = Run.objects.working().filter(ended_at__isnull=False, told_at__lte=timezone.now())
    beside = ("request__author", "request__dataset__owner")
    run = rows.select_for_update(of=("self",), skip_locked=True).select_related(*beside).filter(pk=pk).first()
    if run is not None:
        announce(run)
