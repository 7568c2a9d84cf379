"""What pages read across objects: the queue, the workers, earlier releases. All results are bounded."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from datasets.models import Dataset
from requests_app.execution import claims, waiting_words
from requests_app.models import Pause, Release, Run, Worker

RELEASES_SHOWN = 100


def queue_position(run: Run) -> int | None:
    """Return the run's place in the queue, from 1; None when it is not queued."""
    if run.state != Run.State.QUEUED:
        return None
    order = claims.in_order()
    return next((place for place, waiting in enumerate(order, start=1) if waiting.run == run.pk), None)


def waiting_reason(run: Run) -> str:
    """Return why a queued run has not started yet, in words for everybody who may see it; "" if not queued."""
    if run.state != Run.State.QUEUED:
        return ""
    if (paused := pause()) is not None:
        return f"An admin has paused all runs: {paused.reason}"
    if not Worker.objects.able().exists():
        return _no_worker()
    queue = claims.Queue.with_heads_and(run)
    return waiting_words.of(queue, queue.waiting[-1], claims.kernels())


def _no_worker() -> str:
    alive = Worker.objects.alive()
    if not alive.exists():
        return "No worker is running. Tell an admin."
    if alive.exclude(refusal="").exists():
        return (
            "No worker can run code safely at the moment: no run starts. The workers page shows admins why."
        )
    return "The workers take no new runs at the moment: an admin is draining them."


# Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLine:
    """A worker as it is now, with the number of its runs."""

    worker: Worker
    is_alive: bool
    busy: int

    @property
    def says(self) -> str:
        if not self.is_alive:
            return "Not responding"
        if self.worker.refusal:
            return "Runs no code"
        if self.worker.draining:
            return "Draining"
        return "Working" if self.busy else "Idle"


def workers() -> list[WorkerLine]:
    """Return every worker that has a row; the sweep deletes old ones."""
    busy = Counter(Run.objects.working().values_list("worker", flat=True))
    alive = set(Worker.objects.alive().values_list("pk", flat=True))
    return [
        WorkerLine(worker=worker, is_alive=worker.pk in alive, busy=busy[worker.name])
        for worker in Worker.objects.all()
    ]


def pause() -> Pause | None:
    """Return the pause in force, or None."""
    return Pause.objects.filter(ended_at=None).select_related("by").first()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLength:
    """The number of queued runs by kind, and since when the oldest waits."""

    mock: int
    private: int
    oldest: datetime | None


def queue_length() -> QueueLength:
    rows = Run.objects.filter(state=Run.State.QUEUED).order_by("created_at").values_list("kind", "created_at")
    waiting = list(rows)
    kinds = Counter(kind for kind, _ in waiting)
    oldest = waiting[0][1] if waiting else None
    return QueueLength(mock=kinds[Run.Kind.MOCK], private=kinds[Run.Kind.PRIVATE], oldest=oldest)


# Earlier releases


def release_history(dataset: Dataset, *, before: Release | None = None) -> list[Release]:
    """Return the latest releases of this dataset, newest first, to compare a new output with."""
    moment = before.decided_at if before is not None and before.decided_at else timezone.now()
    rows = Release.objects.filter(
        run__request__dataset=dataset,
        state__in=Release.PUBLIC,
        decided_at__lte=moment,
    ).select_related("run__request__author", "run__version", "decided_by")
    if before is not None:
        rows = rows.exclude(pk=before.pk)
    return list(rows.order_by("-decided_at")[:RELEASES_SHOWN])
