"""What an author does with a finished draft: submit a version, or withdraw the request."""

from collections.abc import Mapping
from dataclasses import asdict
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common import rows
from common.access import require
from common.errors import Conflict
from datasets.models import Revision
from requests_app import notifications, rules, workflow
from requests_app.code import findings
from requests_app.models import Approval, CodeRequest, Run, Version
from requests_app.services import drafts, keys


def submit(item: CodeRequest, *, by: User, key: UUID) -> Version:
    """Save the draft as a new version and request its review. The same idempotency key returns the same version."""
    with transaction.atomic():
        locked = rows.locked(item)
        if old := Version.objects.filter(key=key).first():
            return keys.of_same_request(old, locked)
        require(rules.may_submit, by, locked)
        version = _new_version(locked, key)
        _end_approvals(locked, by=by)
        changed = workflow.proceed("submit", locked, by=by, latest=version, state_reason="")
        # The author's own mock run of exactly this version becomes part of what is reviewed.
        own = Run.objects.on_mock_by_author().filter(request=locked, sha256=version.sha256, version=None)
        own.update(version=version)
        version.request = changed
        notifications.submitted(version, by=by)
    return version


def _new_version(item: CodeRequest, key: UUID) -> Version:
    bound = drafts.snapshot(item)
    last = item.versions.first()
    if last is not None and item.state in CodeRequest.OPEN and _same(last, item, bound.sha256):
        raise Conflict("Nothing has changed since the last version you submitted.")
    return Version.objects.create(
        request=item,
        number=last.number + 1 if last else 1,
        code=item.code,
        sha256=bound.sha256,
        revision=bound.revision,
        environment=bound.environment,
        environment_sha256=bound.environment_sha256,
        parameters=item.parameters,
        purpose=item.purpose,
        context=item.context,
        outputs=item.outputs,
        findings=[
            asdict(finding) for finding in findings.find(item.code, declared(bound.revision), item.parameters)
        ],
        key=key,
    )


def _same(version: Version, item: CodeRequest, sha256: str) -> bool:
    words = [
        (version.purpose, item.purpose),
        (version.context, item.context),
        (version.outputs, item.outputs),
    ]
    return version.sha256 == sha256 and all(old == new for old, new in words)


def declared(revision: Revision) -> Mapping[str, list[str]]:
    """Return the tables of a revision with the names of their columns."""
    tables = revision.tables.prefetch_related("columns")
    return {table.name: [column.name for column in table.columns.all()] for table in tables}


def _end_approvals(item: CodeRequest, *, by: User) -> None:
    Approval.objects.filter(version__request=item, ended_at=None).update(
        ended_at=timezone.now(), ended_by=by, end_reason="The author submitted a newer version."
    )


def withdraw(item: CodeRequest, *, by: User) -> CodeRequest:
    """Withdraw a request before it is decided."""
    with transaction.atomic():
        was_submitted = item.latest_id is not None
        changed = workflow.take("withdraw", item, by=by)
        if was_submitted:
            notifications.withdrawn(changed, by=by)
    return changed
