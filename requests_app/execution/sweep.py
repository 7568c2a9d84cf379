"""Periodic sweep, run by Celery beat every few seconds: end lost runs, resend wake-ups, expire what is due."""

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from common import live
from datasets import storage
from requests_app import notifications, workflow
from requests_app.environments import builds
from requests_app.execution import announcement, cancellation, claims, completion
from requests_app.models import CodeRequest, Release, Run, Worker
from runner.contract import CloseCode

logger = logging.getLogger(__name__)

MISSED = 3
GIVE_UP_AFTER = MISSED + 12
"""After this many missed heartbeats, storing the collected result has failed repeatedly: the run is given up."""
AT_ONCE = 200
PAGES_REFRESHED = 100
ATTEMPT_SECONDS = 24 * 3600
MOCK_OUTPUT_AGE = timedelta(days=30)
WORKER_AGE = timedelta(days=1)


def sweep_runs() -> None:
    """Run one sweep: announce the ends that are due, cancel runs that may not continue, end runs whose worker is gone,
    and wake workers for the runs that may start."""
    announcement.announce_due()
    cancellation.cancel_disallowed(Run.objects.live())
    for pk in lost_runs():
        try:
            end_lost(pk)
        except Exception:  # a run that cannot be ended must not block the others
            logger.exception("Could not end lost run %s. The next sweep tries again.", pk)
    with transaction.atomic():
        claims.ring_next()
        _refresh_pages()


def _refresh_pages() -> None:
    """Refresh the elapsed time on pages of runs in progress. The sweep does it, since a worker may die."""
    live.changed(
        "run", *Run.objects.working().order_by("started_at").values_list("pk", flat=True)[:PAGES_REFRESHED]
    )


def lost_runs() -> list[UUID]:
    """Return the runs on workers without a heartbeat for three periods, at most AT_ONCE of them.

    Both the clock and the count of sweeps must agree: the clock may jump, and sweeps may come in a burst.
    """
    Run.objects.in_hand().update(missed_beats=F("missed_beats") + 1)
    by_clock = Q(heartbeat_at__lt=Now() - settings.STALE_AFTER) | Q(
        heartbeat_at__gt=Now() + settings.STALE_AFTER
    )
    silent = Run.objects.in_hand().filter(by_clock | Q(heartbeat_at=None), missed_beats__gte=MISSED)
    return list(silent.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])


def end_lost(pk: UUID) -> None:
    """End a run whose worker is gone. A result that it had already collected is kept."""
    run = Run.objects.get(pk=pk)
    noted = (
        storage.noted_result(run.pk, run.lease) if run.lease and run.missed_beats < GIVE_UP_AFTER else None
    )
    if run.lease is None or noted is None or run.state == Run.State.CANCELLING:
        with transaction.atomic():
            _give_up(pk)
        return
    try:
        if run.state != Run.State.COLLECTING:  # its worker died after storing the result and before the step
            completion.step_under_lease("collect", run.pk, run.lease)
        completion.finish(run.pk, run.lease, completion.from_text(noted))
    except completion.LeaseLost:
        logger.info("Run %s has ended without the sweep.", pk)


def _give_up(pk: UUID) -> None:
    rows = Run.objects.in_hand().select_for_update(of=("self",), skip_locked=True)
    run = rows.select_related("request__author", "request__dataset__owner").filter(pk=pk).first()
    if run is None or run.missed_beats < MISSED:
        return
    lost = {} if run.state == Run.State.CANCELLING else {"close_code": CloseCode.WORKER_LOST}
    announcement.settle(run, **lost)


def expire() -> None:
    """Expire approvals and held outputs that are due, and delete leftover files and rows."""
    _expire_approvals()
    _expire_releases()
    builds.sweep()
    _delete_leftovers()


def _expire_approvals() -> None:
    """Expire approvals. A run that started in time may finish: its approval expires after it."""
    over = CodeRequest.objects.filter(
        state=CodeRequest.State.APPROVED, latest__approval__expires_at__lte=timezone.now()
    ).exclude(pk__in=Run.objects.working().values("request"))
    for item in over.order_by("pk")[:AT_ONCE]:
        with transaction.atomic():
            cancellation.expire(item, by=User.objects.system(), why="it has expired.")


def _expire_releases() -> None:
    over = Release.objects.filter(state__in=Release.OPEN, expires_at__lte=timezone.now())
    for release in over.order_by("pk")[:AT_ONCE]:
        with transaction.atomic():
            done = workflow.take("expire", release, by=User.objects.system())
            completion.bytes_go(done.run)
            notifications.release_expired(done)


def _delete_leftovers() -> None:
    working = set(Run.objects.working().values_list("pk", "lease"))
    for attempt in storage.old_attempts(ATTEMPT_SECONDS) - working:
        storage.drop_attempt(*attempt)
    old = Run.objects.filter(
        kind=Run.Kind.MOCK, finished_at__lt=timezone.now() - MOCK_OUTPUT_AGE, outputs__bytes_gone_at=None
    ).filter(outputs__isnull=False)
    for run in old.distinct()[:AT_ONCE]:
        run.outputs.update(bytes_gone_at=timezone.now())
        storage.drop_outputs(run.pk)
    Worker.objects.filter(heartbeat_at__lt=Now() - WORKER_AGE).delete()
