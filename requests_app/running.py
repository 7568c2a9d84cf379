"""Starting and cancelling runs on private data."""

from uuid import UUID

from django.db import transaction

from accounts.models import User
from common.access import require
from common.errors import Conflict
from requests_app import drafts, rules, stopping
from requests_app.models import Approval, CodeRequest, Run


def start_run(item: CodeRequest, *, by: User, key: UUID) -> Run:
    """Queue a run of the approved version; the same key again gives the same run."""
    with transaction.atomic():
        locked = CodeRequest.objects.select_for_update(of=("self",)).get(pk=item.pk)
        if old := Run.objects.filter(key=key).first():
            return drafts.same_request(old, locked)
        require(rules.start_run, by, locked)
        run = _queue(locked, _approval(locked), by=by, key=key)
        drafts.queued(run, by=by)
    return run


def _approval(item: CodeRequest) -> Approval:
    approval = rules.live_approval(item)
    if approval is None:
        raise Conflict("There is no approval to run this any more.")
    return approval


def _queue(item: CodeRequest, approval: Approval, *, by: User, key: UUID) -> Run:
    """A run carries its own copy of what was approved; it is compared again when the data is opened."""
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
    """Cancel at once while it waits; a running one is killed by its worker within seconds."""
    with transaction.atomic():
        locked = Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
        require(rules.cancel_run, by, locked)
        return stopping.cancel(locked, by=by, acting=by)
