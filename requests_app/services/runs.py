"""Start and cancel runs: on private data by an approval, on mock data by the author of a draft or by a reviewer."""

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import User
from common import rows
from common.access import require
from common.errors import Conflict, Refused
from requests_app import rules, workflow
from requests_app.audit_entries import record
from requests_app.code import fingerprint
from requests_app.execution import cancellation, doorbell
from requests_app.models import Approval, CodeRequest, Run, Version
from requests_app.services import keys
from requests_app.services.comments import locked_request
from requests_app.services.drafts import checked_parameters, snapshot


def start_run(item: CodeRequest, *, by: User, key: UUID) -> Run:
    """Queue a run of the approved version. The idempotency key `key` returns the same run when it is used again."""
    with transaction.atomic():
        locked = rows.locked(item)
        if old := _made_before(key, locked, by):
            return old
        require(rules.may_start_run, by, locked)
        approval = Approval.objects.select_related("version__revision").get(version=locked.latest_id)
        run = _queue(locked, approval, by=by, key=key)
        queued(run, by=by)
    return run


def _made_before(key: UUID, item: CodeRequest, by: User) -> Run | None:
    """Return the run that this key has already made. Raises Conflict for somebody else's, or another request's."""
    old = Run.objects.filter(key=key).first()
    if old is not None and old.asked_by_id != by.pk:
        raise Conflict("This idempotency key belongs to somebody else. Reload the page and try again.")
    return None if old is None else keys.of_same_request(old, item)


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
        if old := _made_before(key, locked, by):
            return old
        require(rules.may_run_on_mock, by, locked)
        if not locked.code.strip():
            raise Refused("There is no code to run. Write some first.")
        _refuse_crowd(by)
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
            **_limits(locked),
        )
        queued(run, by=by)
    return run


def try_on_mock(version: Version, *, by: User, key: UUID, parameters: Mapping[str, object]) -> Run:
    """Queue a reviewer's run of a submitted version on mock data, with parameters of their own.

    It replaces their run of this version that is in progress. The same key returns the same run again.
    """
    values = checked_parameters(parameters)
    with transaction.atomic():
        item = locked_request(version)
        if old := _made_before(key, item, by):
            if (old.version_id, old.parameters) != (version.pk, values):
                raise Conflict(
                    "This form was sent already, with other parameters. Load the page again to try these."
                )
            return old
        version.request = item
        require(rules.may_try_on_mock, by, version)
        if why := rules.environment_has_changed(version.environment, version.environment_sha256):
            raise Refused(why)
        own = Run.objects.on_mock_by_reviewers().live().filter(version=version, asked_by=by)
        cancellation.cancel_all(own.order_by("pk"), by=by)
        _refuse_crowd(by)
        run = Run.objects.create(
            kind=Run.Kind.MOCK,
            request=item,
            version=version,
            revision=version.revision,
            code=version.code,
            sha256=fingerprint.of(
                code=version.code,
                parameters=values,
                revision=str(version.revision_id),
                revision_sha256=version.revision.sha256,
                environment=version.environment,
            ),
            parameters=values,
            environment=version.environment,
            environment_sha256=version.environment_sha256,
            asked_by=by,
            key=key,
            **_limits(item),
        )
        queued(run, by=by)
    return run


def _refuse_crowd(by: User) -> None:
    if Run.objects.live().filter(kind=Run.Kind.MOCK, asked_by=by).count() >= LIVE_MOCK_RUNS:
        raise Refused(
            f"You already have {LIVE_MOCK_RUNS} live mock runs. Wait for one to end, or cancel one."
        )


def _limits(item: CodeRequest) -> dict[str, int]:
    return {
        "wall_seconds": min(item.dataset.wall_seconds, settings.MOCK_WALL_SECONDS),
        "memory_mb": item.dataset.memory_mb,
    }


def queued(run: Run, *, by: User) -> None:
    """Record the request for a run, refresh the pages, and wake a worker after commit."""
    record("run.ask", run.request, by=by, on=run, kind=run.kind, sha256=run.sha256)
    workflow.refresh_pages(run)
    doorbell.ring(run.pk)
