"""Which run a worker takes next, and under which lease. One claim at a time, so that no limit is overrun."""

import statistics
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from common import live
from requests_app import bell, queueing, workflow
from requests_app.models import Pause, Run, Worker
from requests_app.queueing import Busy, Caps, Waiting

CLAIM_LOCK = 7_236_102
TOLD = 50
RECENT = 50

_FIELDS = ("pk", "asked_by", "request__dataset", "kind", "created_at")


def claim(worker: str) -> Run | None:
    """Give this worker the run whose turn it is, under a fresh lease; None when nothing may start on it now."""
    if not Run.objects.filter(
        state=Run.State.QUEUED
    ).exists():  # a bell too many: nobody waits for its answer
        return None
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
        if not may_start() or not Worker.objects.able().filter(name=worker).exists():
            return None
        for waiting in startable(busy(), caps()):
            if run := give(waiting.run, worker):
                tell_waiting()
                return run
    return None


def may_start() -> bool:
    return not Pause.objects.filter(ended_at=None).exists()


def give(pk: UUID, worker: str) -> Run | None:
    """Give this run to this worker under a fresh lease; None when it does not wait any more."""
    with transaction.atomic(savepoint=False):
        run = Run.objects.select_for_update(of=("self",)).select_related("request").get(pk=pk)
        if run.state != Run.State.QUEUED:  # cancelled a moment ago
            return None
        workflow.move(
            "start",
            run,
            by=User.objects.portal(),
            lease=uuid4(),
            worker=worker,
            started_at=timezone.now(),
            missed_beats=0,
            heartbeat_at=Now(),
        )
        del run.heartbeat_at  # the database's own clock: read anew by who asks for it
        return run


def startable(hands: list[Busy[UUID]], limits: Caps) -> list[Waiting[UUID]]:
    """The queued runs that nothing holds back, in the order of their turn; the first of each person and dataset."""
    heads = (
        Run.objects.filter(state=Run.State.QUEUED)
        .order_by("asked_by", "kind", "request__dataset", "created_at")
        .distinct("asked_by", "kind", "request__dataset")
    )
    order = queueing.fair_order(_waiting(heads.values_list(*_FIELDS)), hands, timezone.now())
    return [waiting for waiting in order if queueing.hold(waiting, hands, limits) is None]


def in_order() -> list[Waiting[UUID]]:
    """The whole queue in the order of its turn."""
    queued = Run.objects.filter(state=Run.State.QUEUED).order_by("created_at").values_list(*_FIELDS)
    return queueing.fair_order(_waiting(queued), busy(), timezone.now())


def _waiting(rows: Iterable[tuple[Any, ...]]) -> list[Waiting[UUID]]:
    return [
        Waiting(run=pk, person=person, dataset=dataset, is_mock=kind == Run.Kind.MOCK, since=since)
        for pk, person, dataset, kind, since in rows
    ]


def busy() -> list[Busy[UUID]]:
    """What the workers have in hand."""
    rows = Run.objects.working().values_list("asked_by", "request__dataset", "kind")
    return [
        Busy(person=person, dataset=dataset, is_mock=kind == Run.Kind.MOCK) for person, dataset, kind in rows
    ]


def caps() -> Caps:
    slots = Worker.objects.able().aggregate(all=Sum("slots"))["all"] or 0
    return Caps(per_person=settings.RUNS_PER_PERSON, per_dataset=settings.RUNS_PER_DATASET, slots=slots)


def estimated_wait(run: Run, position: int | None) -> str:
    """Roughly how long it takes until this run starts, by how long the last runs of its kind took; "" if unknown.

    A median over everybody's runs in coarse steps: nothing can be told from it about any one of them.
    """
    slots = caps().slots
    if position is None or not slots or not may_start():
        return ""
    ended = Run.objects.filter(kind=run.kind, started_at__isnull=False, finished_at__isnull=False)
    times = ended.order_by("-finished_at").values_list("started_at", "finished_at")[:RECENT]
    took = [finished - started for started, finished in times if started and finished]
    if not took:
        return ""
    return queueing.estimate(
        ahead=position - 1,
        in_hand=Run.objects.working().count(),
        slots=slots,
        typical=statistics.median_high(took),
    )


def ring_next() -> None:
    """A place has become free, or a bell was lost: wake a worker for the run whose turn it is."""
    if not may_start():
        return
    hands, limits = busy(), caps()
    if limits.slots > len(hands) and (waiting := startable(hands, limits)):
        bell.ring(waiting[0].run)


def tell_waiting() -> None:
    """Positions in the queue have moved: let the pages of those who wait ask again."""
    queued = Run.objects.filter(state=Run.State.QUEUED).order_by("created_at")
    live.changed("run", *queued.values_list("pk", flat=True)[:TOLD])
