"""Start and cancel runs: on private data by an approval, on mock data by the author of a draft."""

from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import User
from common import live, rows
from common.access import require
from common.errors import Refused
from requests_app import rules
from requests_app.audit_entries import record
from requests_app.execution import cancellation, doorbell
from requests_app.models import Approval, CodeRequest, Run
from requests_app.services import keys
from requests_app.services.drafts import snapshot


def start_run(item: CodeRequest, *, by: User, key: UUID) -> Run:
    """Queue a run of the approved version. The idempotency key `key` returns the same run when it is used again."""
    with transaction.atomic():
        locked = rows.locked(item)
        if old := Run.objects.filter(key=key).first():
            return keys.of_same_request(old, locked)
        require(rules.may_start_run, by, locked)
        approval = Approval.objects.select_related("version__revision").get(version=locked.latest_id)
        run = _queue(locked, approval, by=by, key=key)
        queued(run, by=by)
    return run


def _queue(item: CodeRequest, approval: Approval, *, by: User, key: UUID) -> Run:
    """Create the run with its own copy of what was approved, which is compared again when the data is opened."""
    version = approval.version
    return Run.objects.create(
        kind=Run.Kind.PRIVATE,
        request=item,
        version=version,
        approval=approval,
        revision=version.revision,
        code=version.code,
        sha256=version.sha256,
        parameters=version.parameters,
        environment=version.environment,
        environment_sha256=version.environment_sha256,
        asked_by=by,
        key=key,
        wall_seconds=item.dataset.wall_seconds,
        memory_mb=item.dataset.memory_mb,
        end_step_seconds=item.dataset.end_step_seconds,
    )


def cancel_run(run: Run, *, by: User) -> Run:
    """Cancel a queued run at once; a run in progress is killed by its worker within seconds."""
    with transaction.atomic():
        locked = rows.locked(run)
        require(rules.may_cancel_run, by, locked)
        return cancellation.cancel(locked, by=by, acting=by)


LIVE_MOCK_RUNS = 3


def run_on_mock(item: CodeRequest, *, by: User, key: UUID) -> Run:
    """Queue a run of the draft on the mock data of the current revision. The same key returns the same run again."""
    with transaction.atomic():
        locked = rows.locked(item)
        if old := Run.objects.filter(key=key).first():
            return keys.of_same_request(old, locked)
        require(rules.may_run_on_mock, by, locked)
        if not locked.code.strip():
            raise Refused("There is no code to run. Write some first.")
        if Run.objects.live().filter(kind=Run.Kind.MOCK, asked_by=by).count() >= LIVE_MOCK_RUNS:
            raise Refused(
                f"You already have {LIVE_MOCK_RUNS} live mock runs. Wait for one to end, or cancel one."
            )
        bound = snapshot(locked)
        run = Run.objects.create(
            kind=Run.Kind.MOCK,
            request=locked,
            revision=bound.revision,
            code=locked.code,
            sha256=bound.sha256,
            parameters=locked.parameters,
            environment=bound.environment,
            environment_sha256=bound.environment_sha256,
            asked_by=by,
            key=key,
            wall_seconds=min(locked.dataset.wall_seconds, settings.MOCK_WALL_SECONDS),
            memory_mb=locked.dataset.memory_mb,
        )
        queued(run, by=by)
    return run


def queued(run: Run, *, by: User) -> None:
    """Record the request for a run, refresh the pages, and wake a worker after commit."""
    item = run.request
    record("run.ask", item, by=by, on=run, kind=run.kind, sha256=run.sha256)
    live.changed("request", item.pk)
    doorbell.ring(run.pk)
