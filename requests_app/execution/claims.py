"""Claim the next run for a worker under a fresh lease. An advisory lock keeps claims from exceeding the limits."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from common import live
from requests_app import workflow
from requests_app.execution import doorbell, neighbours, queue_order
from requests_app.execution.neighbours import Around
from requests_app.execution.queue_order import Busy, Caps, Hold, Waiting
from requests_app.models import Pause, Run, Worker

CLAIM_LOCK = 7_236_102
PAGES_REFRESHED = 50
RECENT = 50

_PARTY = ("asked_by", "request__dataset", "kind", "request__author")
_WAITING = (*_PARTY, "pk", "created_at")
_BUSY = (*_PARTY, "kernel", "started_at", "wall_seconds", "end_step_seconds")


def claim(worker: str) -> Run | None:
    """Give this worker the run whose turn it is, under a fresh lease; return None when none may start on it now."""
    if not Run.objects.filter(state=Run.State.QUEUED).exists():  # spurious wake-up: the queue is empty
        return None
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
        here = Worker.objects.able().filter(name=worker).first()
        if here is None or not may_start() or _free_places(here) <= 0:
            return None
        kernel = kernel_of(here)
        for waiting in Queue.of_heads().startable(kernel):
            if run := give(waiting.run, worker, kernel):
                refresh_waiting()
                return run
    return None


def may_start() -> bool:
    return not Pause.objects.filter(ended_at=None).exists()


def _free_places(worker: Worker) -> int:
    """Return how many more runs the worker may take.

    A run keeps its place until its end is announced, although its process is free earlier: otherwise the start of the
    next run would reveal when this one ended.
    """
    return worker.slots - Run.objects.working().filter(worker=worker.name).count()


def kernel_of(worker: Worker) -> str:
    """Return the kernel a run on this worker would use: one of its own, where the executor separates kernels."""
    return f"own {uuid4()}" if worker.separates_kernels else worker.kernel


def give(pk: UUID, worker: str, kernel: str = "") -> Run | None:
    """Give this run to this worker under a fresh lease; return None when it is no longer queued."""
    with transaction.atomic(savepoint=False):
        run = Run.objects.select_for_update(of=("self",)).select_related("request").get(pk=pk)
        if run.state != Run.State.QUEUED:  # cancelled a moment ago
            return None
        workflow.move(
            "start",
            run,
            by=User.objects.system_actor(),
            lease=uuid4(),
            worker=worker,
            kernel=kernel,
            started_at=timezone.now(),
            missed_beats=0,
            heartbeat_at=Now(),
        )
        del run.heartbeat_at  # set by the database's clock: reload it on the next access
        return run


class Queue:
    """A snapshot of the queued runs and of those that have a place."""

    def __init__(self, waiting: Iterable[tuple[Any, ...]]) -> None:
        waits = list(waiting)
        hands = list(Run.objects.working().values_list(*_BUSY))
        private = {row[1] for row in (*waits, *hands) if row[2] == Run.Kind.PRIVATE}
        around = neighbours.around(private)
        self.busy = [_busy(row, around) for row in hands]
        self.waiting = [_waiting(row, around) for row in waits]
        self.caps, self.now = caps(), timezone.now()

    @classmethod
    def of_heads(cls) -> "Queue":
        """Load the first run of each person, kind and dataset: those behind it wait for the same reason."""
        return cls(_heads())

    @classmethod
    def with_heads_and(cls, run: Run) -> "Queue":
        """Load the same with this run as the last element of `waiting`."""
        own = Run.objects.filter(pk=run.pk).values_list(*_WAITING)
        return cls([*(row for row in _heads() if row[4] != run.pk), *own])

    def startable(self, kernel: str) -> list[Waiting[UUID]]:
        """Return the queued runs that may start on this kernel now, in queue order."""
        return queue_order.startable(self.waiting, self.busy, self.caps, self.now, kernel)

    def hold(self, run: Waiting[UUID], kernels: Sequence[str]) -> Hold | None:
        """Return what holds this run back on all of these kernels; None when it may start on one."""
        holds = [
            queue_order.hold_in_turn(run, self.waiting, self.busy, self.caps, self.now, kernel)
            for kernel in kernels
        ]
        return holds[0] if holds and None not in holds else None


def _heads() -> Iterable[tuple[Any, ...]]:
    return (
        Run.objects.filter(state=Run.State.QUEUED)
        .order_by("asked_by", "kind", "request__dataset", "created_at")
        .distinct("asked_by", "kind", "request__dataset")
        .values_list(*_WAITING)
    )


def kernels() -> list[str]:
    """Return the kernels on which a run may start now: those of the workers that take new runs."""
    return [kernel_of(worker) for worker in Worker.objects.able()]


def in_order() -> list[Waiting[UUID]]:
    """Return the whole queue, the next run first."""
    queued = Run.objects.filter(state=Run.State.QUEUED).order_by("created_at").values_list(*_WAITING)
    hands = Run.objects.working().values_list(*_BUSY)
    # Neighbours decide which run may start, not the order, so they are left out.
    return queue_order.fair_order(
        [_waiting(row, {}) for row in queued], [_busy(row, {}) for row in hands], timezone.now()
    )


# From rows to parties


def _party(row: Sequence[Any], around: dict[UUID, Around]) -> dict[str, Any]:
    person, dataset, kind, author = row[:4]
    known = around.get(dataset, Around())
    return {
        "person": person,
        "dataset": dataset,
        "is_mock": kind == Run.Kind.MOCK,
        "author": author,
        "staff": known.staff,
        "people": known.people,
        "strict": known.strict,
    }


def _waiting(row: Sequence[Any], around: dict[UUID, Around]) -> Waiting[UUID]:
    pk, since = row[4:]
    run = Waiting(run=pk, since=since, **_party(row, around))
    return replace(run, passed=_was_passed(run, around)) if run.is_mock else run


def _was_passed(mock_run: Waiting[UUID], around: dict[UUID, Around]) -> bool:
    """Return whether, while this mock run waited, a run on private data has started that it must not overlap with."""
    return any(
        (known.strict or not mock_run.steered_by.isdisjoint(known.people))
        and known.last_start
        and known.last_start > mock_run.since
        for known in around.values()
    )


def _busy(row: Sequence[Any], around: dict[UUID, Around]) -> Busy[UUID]:
    kernel, started_at, wall, step = row[4:]
    at_most = wall + (step if row[2] == Run.Kind.PRIVATE else 0)
    ends = started_at + timedelta(seconds=at_most) if started_at else None
    return Busy(kernel=kernel, ends=ends, **_party(row, around))


def caps() -> Caps:
    slots = Worker.objects.able().aggregate(all=Sum("slots"))["all"] or 0
    return Caps(per_person=settings.RUNS_PER_PERSON, per_dataset=settings.RUNS_PER_DATASET, slots=slots)


def estimated_wait(run: Run, position: int | None) -> str:
    """Estimate in coarse words how long this run will wait; "" if unknown.

    The estimate uses the median length, as announced, of everybody's last runs of its kind.
    """
    slots = caps().slots
    if position is None or not slots or not may_start() or _waits_for_a_turn(run):
        return ""
    ended = Run.objects.filter(kind=run.kind, started_at__isnull=False, finished_at__isnull=False)
    times = ended.order_by("-finished_at").values_list("started_at", "finished_at")[:RECENT]
    lengths = [finished - started for started, finished in times if started and finished]
    if not lengths:
        return ""
    return queue_order.estimate(
        ahead=position - 1,
        in_hand=Run.objects.working().count(),
        slots=slots,
        typical=statistics.median_high(lengths),
    )


def _waits_for_a_turn(run: Run) -> bool:
    """Return whether the run waits for a neighbour or a turn: the page then shows a time bound, not an estimate."""
    queue = Queue.with_heads_and(run)
    return queue.hold(queue.waiting[-1], kernels()) in (Hold.NEIGHBOUR, Hold.TURN)


def ring_next() -> None:
    """Wake workers for the runs that may start: after a place has become free, or a wake-up was lost."""
    free = {worker: places for worker in Worker.objects.able() if (places := _free_places(worker)) > 0}
    if not free or not may_start() or not Run.objects.filter(state=Run.State.QUEUED).exists():
        return
    queue = Queue.of_heads()
    may = [run.run for kernel in {kernel_of(worker) for worker in free} for run in queue.startable(kernel)]
    for pk in list(dict.fromkeys(may))[: sum(free.values())]:
        doorbell.ring(pk)


def refresh_waiting() -> None:
    """Refresh the pages of queued runs after positions in the queue have changed."""
    queued = Run.objects.filter(state=Run.State.QUEUED).order_by("created_at")
    live.changed("run", *queued.values_list("pk", flat=True)[:PAGES_REFRESHED])
