"""Requests for tests, brought into a given state through the real services."""

from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from accounts.models import User
from datasets import storage
from datasets.models import Dataset
from requests_app import services
from requests_app.execution import announcement, claims, lifecycle
from requests_app.models import CodeRequest, Output, Release, Run, Version, Worker
from requests_app.services import releases
from runner.contract import Capabilities, CloseCode, JobResult, JobSpec, OutputFile, Status
from tests.makers import accounts, datasets

CODE = 'def main(wages):\n    return {"mean_wage": float(wages["wage"].mean())}\n'
STAGES = (
    "draft",
    "submitted",
    "in_review",
    "changes_requested",
    "rejected",
    "approved",
    "ran",
    "failed",
    "released",
)


class WritesOutputs:
    """An executor that runs nothing: it writes the given files, or fails with the given code."""

    def __init__(self, files: dict[str, bytes] | None = None, *, code: CloseCode | None = None) -> None:
        self.code, self.files = code, files or {"result.json": b'{"mean_wage": 1507.5}'}
        self.specs: list[JobSpec] = []

    def probe(self) -> Capabilities:
        return Capabilities(executor="writes outputs", layers=())

    def sweep(self) -> None:
        return None

    def run(self, spec: JobSpec, *, started: Any = lambda: None, cancelled: Any = lambda: False) -> JobResult:
        self.specs.append(spec)
        started()
        if self.code is not None:
            return JobResult(status=Status.FAILED, code=self.code, stderr="a private message", exit_code=1)
        return JobResult(
            status=Status.SUCCEEDED,
            exit_code=0,
            stdout="a private line",
            outputs=tuple(map(self._write(spec), self.files)),
        )

    def _write(self, spec: JobSpec) -> Any:
        def write(name: str) -> OutputFile:
            path = spec.out / name
            path.write_bytes(self.files[name])
            kind = name.rpartition(".")[2]
            return OutputFile(name=name, type=kind, bytes=path.stat().st_size, sha256=storage.sha256_of(path))

        return write


def worker(name: str = "sandbox@test", **fields: Any) -> Worker:
    """Create a worker that is alive."""
    now = timezone.now()
    fields = {"host": "test", "pid": 1, "slots": 4, "started_at": now, "heartbeat_at": now, **fields}
    return Worker.objects.update_or_create(name=name, defaults=fields)[0]


def code_request(
    *,
    at: str = "draft",
    dataset: Dataset | None = None,
    author: User | None = None,
    reviewer: User | None = None,
    executor: Any = None,
    **draft: Any,
) -> CodeRequest:
    """Create a request at one of STAGES. The author gets access to the dataset if they have none."""
    if at not in STAGES:
        raise ValueError(f"{at} is not one of {', '.join(STAGES)}.")
    data = dataset or datasets.dataset()
    by = author or accounts.scientist()
    if not data.grants.live().filter(user=by).exists():
        datasets.grant(data, by)
    item = services.new_request(data, by=by, title=draft.pop("title", "Mean wage"))
    words = {"purpose": "To know the mean wage.", "context": "A first look.", "code": CODE, **draft}
    item = services.save_draft(item, by=by, number=0, **words)
    if at != "draft":
        _drive(item, at, reviewer or data.owner, executor)
    return fresh(item)


def _drive(item: CodeRequest, at: str, reviewer: User, executor: Any) -> None:
    version = submission(item)
    match at:
        case "submitted":
            return
        case "in_review":
            services.begin_review(version, by=reviewer)
        case "changes_requested" | "rejected":
            verdict = "reject" if at == "rejected" else "request_changes"
            services.review(version, by=reviewer, seen=version.sha256, verdict=verdict, comment="Too fine.")
        case _:
            approve(version, by=reviewer)
    if at in ("ran", "failed", "released"):
        code = CloseCode.EXIT_NONZERO if at == "failed" else None
        run = execute(start(fresh(item)), executor or WritesOutputs(code=code))
        if at == "released":
            release(run, by=reviewer)


def version(item: CodeRequest) -> Version:
    """Return the version that is submitted now."""
    if item.latest is None:
        raise AssertionError(f"{item} has not been submitted.")
    return item.latest


def fresh(item: CodeRequest) -> CodeRequest:
    """Read the request again, without anything cached."""
    return CodeRequest.objects.select_related("latest", "dataset__owner", "author").get(pk=item.pk)


def submission(item: CodeRequest, *, key: UUID | None = None) -> Version:
    return services.submit(item, by=item.author, key=key or uuid4())


def approve(version: Version, *, by: User | None = None, **scope: Any) -> None:
    """Approve a version, as the owner or as `by`."""
    reviewer = by or version.request.dataset.owner
    services.review(version, by=reviewer, seen=version.sha256, verdict="approve", **scope)


def start(item: CodeRequest, *, key: UUID | None = None) -> Run:
    return services.start_run(item, by=item.author, key=key or uuid4())


def trial(item: CodeRequest, *, key: UUID | None = None) -> Run:
    """Queue a mock run."""
    return services.run_on_mock(item, by=item.author, key=key or uuid4())


def tried(item: CodeRequest, *, by: User | None = None, key: UUID | None = None, **parameters: Any) -> Run:
    """Queue a run of the latest version on mock data, by its owner or by another reviewer."""
    reviewer = by or item.dataset.owner
    return services.try_on_mock(version(item), by=reviewer, key=key or uuid4(), parameters=parameters)


def claimed(run: Run) -> Run:
    """Claim the run for a worker that is alive, whatever else is waiting."""
    got = claims.give(run.pk, worker().name)
    if got is None:
        raise AssertionError(f"{run} does not wait: {fresh_run(run).state}.")
    return got


def execute(run: Run, executor: Any = None) -> Run:
    """Claim the run, execute it, and announce its end."""
    return announced(lifecycle.execute(claimed(run), executor or WritesOutputs()))


def announced(run: Run) -> Run:
    """Announce the end of a run whose code has ended, as the sweep does at the next step, and read it again."""
    due = Run.objects.filter(pk=run.pk, ended_at__isnull=False, finished_at=None)
    if due.update(announce_at=timezone.now()):
        announcement.announce_due()
    return Run.objects.get(pk=run.pk)


def release(run: Run, *, by: User | None = None) -> Release:
    """Release everything that a run wrote, as the owner or as `by`."""
    reviewer = by or run.request.dataset.owner
    for output in run.outputs.filter(verdict=Output.Verdict.PENDING):
        releases.set_verdict(output, by=reviewer, verdict="release")
    return releases.decide(Release.objects.get(run=run), by=reviewer, decision="release")


def fresh_run(run: Run, **fields: Any) -> Run:
    """Read the run again, after setting `fields` as no service would."""
    if fields:
        Run.objects.filter(pk=run.pk).update(**fields)
    return Run.objects.get(pk=run.pk)
