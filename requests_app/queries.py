"""What pages and the API read across objects: lists, versions, the queue, workers, releases. Results are bounded."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import Q, QuerySet, prefetch_related_objects
from django.utils import timezone

from accounts.models import User
from common import code_environments
from common.access import require
from datasets.models import Dataset, Revision
from requests_app import rules
from requests_app.code import findings
from requests_app.execution import claims, waiting_words
from requests_app.models import (
    Approval,
    CodeRequest,
    CodeRequestQuerySet,
    Output,
    Pause,
    Release,
    Run,
    Version,
    Worker,
)
from requests_app.outputs import release_record

EARLIER_SHOWN = 50
"""How many earlier versions a page takes into account."""
RELEASES_SHOWN = 100


# Requests and versions


def narrowed(rows: CodeRequestQuerySet, wanted: Mapping[str, Any], *, user: User) -> CodeRequestQuerySet:
    """Return the requests that match the filters of the list: q, state, dataset, whose."""
    if text := wanted.get("q"):
        rows = rows.filter(Q(title__icontains=text) | Q(author__name__icontains=text))
    if state := wanted.get("state"):
        rows = rows.filter(state=state)
    if dataset := wanted.get("dataset"):
        rows = rows.filter(dataset=dataset)
    if wanted.get("whose") == "mine":
        rows = rows & CodeRequest.objects.written_by(user)
    if wanted.get("whose") == "to_review":
        rows = rows & CodeRequest.objects.to_review_by(user)
    return rows


def versions(user: User) -> "QuerySet[Version]":
    """Return the versions of the requests that this person sees. Whether they read the code is a rule."""
    requests = CodeRequest.objects.visible_to(user).order_by().values("pk")
    related = ("request__dataset__owner", "request__author", "request__latest__revision", "revision")
    return Version.objects.filter(request__in=requests).select_related(*related)


def earlier_than(version: Version) -> list[Version]:
    """Return the versions before this one, the latest first."""
    before = Version.objects.filter(request=version.request_id, number__lt=version.number)
    return list(before.select_related("approval", "revision").order_by("-number")[:EARLIER_SHOWN])


@dataclass(frozen=True, slots=True)
class Base:
    """A version that the code is compared with."""

    name: str
    label: str
    version: Version


def bases(earlier: list[Version]) -> list[Base]:
    """Return the last approved and the last submitted version before this one."""
    approved = next((old for old in earlier if getattr(old, "approval", None)), None)
    found = []
    if approved is not None:
        found.append(Base("approved", f"Since approved (version {approved.number})", approved))
    if earlier and earlier[0] != approved:
        found.append(Base("submitted", f"Since version {earlier[0].number}", earlier[0]))
    return found


def described(dataset: Dataset) -> Revision | None:
    """Return the revision that a mock run uses, with its declarations."""
    revision = dataset.current
    if revision is not None:
        prefetch_related_objects([revision], "tables__columns")
    return revision


def hints(code: str, revision: Revision | None, item: CodeRequest) -> list[findings.Finding]:
    """Return the findings in the code of a draft, with its parameters and in its environment."""
    tables = revision.tables.all() if revision else []
    declared = ((table.name, tuple(column.name for column in table.columns.all())) for table in tables)
    return _found(code, tuple(declared), tuple(item.parameters), code_environments.modules(item.environment))


@lru_cache(maxsize=64)
def _found(
    code: str,
    tables: tuple[tuple[str, tuple[str, ...]], ...],
    parameters: tuple[str, ...],
    packages: frozenset[str],
) -> list[findings.Finding]:
    """Cache the hints: saving, the panel and the page need the same ones, and long code takes a while."""
    return findings.find(code, dict(tables), parameters, packages)


def runs_left(approval: Approval) -> int:
    return max(approval.runs_allowed - approval.runs.filter(Run.COUNTED).count(), 0)


# Runs and what they wrote


def outputs_of_runs(user: User) -> "QuerySet[Output]":
    """Return the files of the runs that this person sees. Whether they may open a file is a rule."""
    runs = Run.objects.visible_to(user).order_by().values("pk")
    related = ("run__request__dataset__owner", "run__request__author", "run__release")
    return Output.objects.filter(run__in=runs).select_related(*related)


def record_for(user: User, release: Release) -> dict[str, Any]:
    """Return the record of a release as this person may read it."""
    require(rules.may_read_record, user, release)
    record: dict[str, Any] = release.record
    if user.oversees:
        return release_record.for_auditor(record)
    if user == release.run.request.author:
        return release_record.for_author(record)
    return record


def last_mock_runs(version: Version, user: User) -> list[Run]:
    """Return the last mock run of a version by each person, the newest first: its author's, and reviewers' that this
    person may see. Auditors know of the author's."""
    seen = Run.objects.on_mock_by_author() if user.oversees else Run.objects.visible_to(user)
    rows = seen.filter(version=version, kind=Run.Kind.MOCK).order_by("asked_by_id", "-created_at")
    runs = list(rows.distinct("asked_by_id").select_related("asked_by").defer("code"))
    for run in runs:
        run.request = version.request
    return sorted(runs, key=lambda run: run.created_at, reverse=True)


# The queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How a run waits: its place in the queue, what for, and about how long."""

    position: int | None
    estimate: str
    reason: str


def waits(run: Run) -> Waits | None:
    """Return how a queued run waits, or None for another."""
    if run.state != Run.State.QUEUED:
        return None
    position = queue_position(run)
    return Waits(position=position, estimate=claims.estimated_wait(run, position), reason=waiting_reason(run))


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
