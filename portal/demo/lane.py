"""Idempotent steps through the review lane: each does nothing if it has already been done.

Code really runs in the sandbox, by a worker that is registered while the demo is created.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F
from django.utils.module_loading import import_string

from accounts.models import User
from datasets.models import Dataset
from portal.demo import people
from requests_app import services
from requests_app.execution import announcement, claims, lifecycle, worker_presence
from requests_app.models import CodeRequest, Output, Release, Run, Worker
from requests_app.services import releases
from runner.contract import Executor

WORKER = "demo@seed"
PATIENCE_SECONDS = 60
NAMESPACE = uuid.UUID("6f7a52d4-3a1b-4a0e-9c55-0d2f4cf2b9a1")
State = CodeRequest.State


@dataclass(slots=True)
class Lane:
    """The review lane with a worker. Without a sandbox nothing runs, and `refusal` says why."""

    executor: Executor
    presence: worker_presence.Presence
    refusal: str = ""

    def ran(self, item: CodeRequest) -> Run | None:
        """Return the finished private run of an approved request, or None if it cannot run."""
        item = fresh(item)
        done = item.runs.filter(kind=Run.Kind.PRIVATE, finished_at__isnull=False).first()
        if done or self.refusal or item.state != State.APPROVED:
            return done
        queued = item.runs.filter(kind=Run.Kind.PRIVATE).first()
        return self._finish(queued or services.start_run(item, by=item.author, key=_key(item, "run")))

    def tried(self, item: CodeRequest) -> Run | None:
        """Return a finished mock run, or None if it cannot run."""
        done = item.runs.filter(kind=Run.Kind.MOCK).first()
        if done or self.refusal:
            return done
        return self._finish(services.run_on_mock(fresh(item), by=item.author, key=_key(item, "mock")))

    def _finish(self, run: Run) -> Run:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while run.state in Run.LIVE and not self.refusal:
            self.presence.beat()
            if time.monotonic() > deadline:
                self.refusal = f"the run of “{run.request}” was not claimed within {PATIENCE_SECONDS} seconds"
            elif claimed := claims.claim(WORKER):
                _announce(lifecycle.execute(claimed, self.executor))
            else:
                time.sleep(0.1)  # another worker has it
                _announce(run)
            run.refresh_from_db()
        return run


def _announce(run: Run) -> None:
    """Announce the run's end at once. The demo holds no private data, so the end need not wait for its time step."""
    ended = Run.objects.filter(pk=run.pk, ended_at__isnull=False, finished_at=None)
    ended.update(announce_at=F("ended_at"))
    announcement.announce_due()


@contextmanager
def opened() -> Iterator[Lane]:
    """Yield the lane with a registered worker, which signs off at the end."""
    executor: Executor = import_string(settings.EXECUTOR)()
    presence = worker_presence.Presence(WORKER, executor, slots=1)
    presence.beat()
    try:
        yield Lane(executor, presence, Worker.objects.get(name=WORKER).refusal)
    finally:
        worker_presence.sign_off(WORKER)


def request(
    dataset: Dataset, one: people.Person, title: str, code: str, *, purpose: str, context: str
) -> CodeRequest:
    """Return the request with this title; create it if there is none."""
    author = people.find(one)
    item = CodeRequest.objects.filter(dataset=dataset, author=author, title=title).first()
    if item is None:
        item = services.new_request(dataset, by=author, title=title)
        item = write(item, code, purpose=purpose, context=context)
    return item


def write(item: CodeRequest, code: str, **fields: str) -> CodeRequest:
    item = fresh(item)
    return services.save_draft(item, by=item.author, number=item.draft_number, code=code, **fields)


def submitted(item: CodeRequest) -> CodeRequest:
    if fresh(item).state == State.DRAFT:
        services.submit(fresh(item), by=item.author, key=_key(item, "submit-1"))
    return fresh(item)


def revised(item: CodeRequest, code: str) -> CodeRequest:
    """Submit a second version after changes were requested."""
    item = fresh(item)
    if item.state == State.CHANGES_REQUESTED:
        write(item, code)
        services.submit(fresh(item), by=item.author, key=_key(item, "submit-2"))
    return fresh(item)


def in_review(item: CodeRequest, *, by: User) -> CodeRequest:
    item = submitted(item)
    if item.state == State.SUBMITTED and item.latest:
        services.begin_review(item.latest, by=by)
    return fresh(item)


def remarked(item: CodeRequest, text: str, *, by: User, line: int) -> None:
    """Comment on a line of the latest version."""
    item = fresh(item)
    waiting = item.state in CodeRequest.OPEN
    if waiting and item.latest and not item.latest.comments.filter(author=by, line=line).exists():
        services.comment(item.latest, by=by, text=text, line=line)


def judged(
    item: CodeRequest, verdict: str, *, by: User, comment: str = "", runs: int | None = None
) -> CodeRequest:
    """Give a verdict on the version under review."""
    item = fresh(submitted(item))
    if item.state in CodeRequest.OPEN and item.latest:
        seen = item.latest.sha256
        services.review(item.latest, by=by, seen=seen, verdict=verdict, comment=comment, runs=runs)
    return fresh(item)


def checked(run: Run | None, decision: str, *, by: User, comment: str = "") -> Release | None:
    """Check the outputs of a run and decide on the release."""
    release = Release.objects.filter(run=run).first() if run else None
    if release is None or release.state not in Release.OPEN:
        return release
    let_out = "release" if decision == "release" else "withhold"
    for output in release.run.outputs.filter(verdict=Output.Verdict.PENDING):
        releases.set_verdict(output, by=by, verdict=let_out, comment=comment)
    return releases.decide(release, by=by, decision=decision, comment=comment)


def cancelled(item: CodeRequest) -> None:
    """Start a run and cancel it as its author before it begins."""
    item = fresh(item)
    if item.state == State.APPROVED and not item.runs.filter(kind=Run.Kind.PRIVATE).exists():
        run = services.start_run(item, by=item.author, key=_key(item, "run"))
        services.cancel_run(run, by=item.author)


def fresh(item: CodeRequest) -> CodeRequest:
    return CodeRequest.objects.select_related("latest", "dataset__owner", "author").get(pk=item.pk)


def _key(item: CodeRequest, what: str) -> uuid.UUID:
    """Return the idempotency key of a step, so that an interrupted step is not taken twice."""
    return uuid.uuid5(NAMESPACE, f"{item.pk}/{what}")
