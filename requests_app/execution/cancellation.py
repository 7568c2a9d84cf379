"""Cancel runs and end approvals, on request or when a right ends. Call these functions inside a transaction."""

import logging
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from common import rows
from common.errors import Conflict
from datasets.models import Dataset, Revision
from requests_app import notifications, rules, workflow
from requests_app.execution import announcement
from requests_app.models import Approval, CodeRequest, Run, RunQuerySet

logger = logging.getLogger(__name__)

AT_ONCE = 200


def cancel(run: Run, *, by: User, acting: User) -> Run:
    """Cancel a locked run: at once while it is queued, otherwise by asking its worker. `acting` takes the workflow step
    and may: the caller has asked the rule, or acts for the portal.

    Raises Conflict when the run has already ended.
    """
    run.refresh_from_db(fields=["state"])
    if run.state not in Run.LIVE:
        raise Conflict(f"This run has ended: {run.get_state_display().lower()}.")
    if run.state == Run.State.CANCELLING:
        return run
    if run.state != Run.State.QUEUED:
        return _stop(run, by=by, acting=acting)
    changed = workflow.proceed("cancel_queued", run, by=acting, cancelled_by=by, finished_at=timezone.now())
    notifications.run_finished(changed)
    return changed


def _stop(run: Run, *, by: User, acting: User) -> Run:
    """Ask the worker to stop. A run whose code has ended but is not yet announced is cancelled after the same delay."""
    now = timezone.now()
    announce_at = announcement.cancel_announced_at(run, now, by=by)
    changed = workflow.proceed("cancel", run, by=acting, cancelled_by=by, announce_at=announce_at)
    return announcement.announce(changed) if changed.ended_at is not None and announce_at <= now else changed


def cancel_all(runs: Iterable[Run], *, by: User) -> None:
    """Cancel these runs on behalf of the portal, except those that have just ended by themselves."""
    for run in runs:
        locked = rows.locked(run)
        if locked.state in Run.LIVE:
            cancel(locked, by=by, acting=User.objects.system())


def _live(**where: object) -> Iterable[Run]:
    """Return live runs in a fixed order, because they are locked one by one."""
    return Run.objects.live().filter(**where).order_by("pk")


def live_private(**where: object) -> Iterable[Run]:
    return _live(kind=Run.Kind.PRIVATE, **where)


def end_approval(item: CodeRequest, *, by: User, why: str) -> None:
    """Mark the approval as ended, cancel its runs, and notify the author."""
    Approval.objects.filter(version__request=item, ended_at=None).update(
        ended_at=timezone.now(), ended_by=by, end_reason=why
    )
    cancel_all(live_private(request=item), by=by)
    notifications.approval_ended(item, by=by, why=why)


def expire(item: CodeRequest, *, by: User, why: str) -> None:
    """End an approval that has expired, or whose data has been retired."""
    changed = workflow.take("expire", item, by=User.objects.system(), state_reason=why)
    end_approval(changed, by=by, why=why)


def cancel_disallowed(live: RunQuerySet) -> None:
    """Cancel those of the live runs that may no longer continue, for whatever reason.

    Taking a right away cancels at once; this finds what ends by the clock, or was missed. If there are more runs than
    one sweep can check, the choice is random, so each is checked sooner or later.
    """
    related = ("request__author", "request__dataset", "approval", "revision")
    for run in live.exclude(state=Run.State.CANCELLING).select_related(*related).order_by("?")[:AT_ONCE]:
        if rules.may_continue(run) is None:
            continue
        try:
            with transaction.atomic():
                cancel_all([run], by=User.objects.system())
        except Exception:  # a run that cannot be cancelled must not block the others
            logger.exception("Could not cancel run %s. The next sweep tries again.", run.pk)


# Called by accounts and datasets, through their hooks.


def revision_retired(revision: Revision, by: User) -> None:
    """Expire the approvals bound to a retired or replaced revision, and cancel its runs."""
    approved = CodeRequest.objects.filter(state=CodeRequest.State.APPROVED, latest__revision=revision)
    for item in approved.order_by("pk"):
        expire(item, by=by, why=f"Revision {revision.number} of the data was retired or replaced.")
    cancel_all(live_private(revision=revision), by=by)


def dataset_frozen(dataset: Dataset, by: User) -> None:
    """Cancel every run on the private data of a frozen or retired dataset."""
    cancel_all(live_private(request__dataset=dataset), by=by)


def access_ended(dataset: Dataset, person: User, by: User) -> None:
    """Cancel every run of a person who may no longer use this dataset, mock runs included."""
    cancel_all(_live(request__dataset=dataset, request__author=person), by=by)


def role_taken(person: User, role: str, by: User) -> None:
    """Cancel every run of a person who is no longer a data scientist."""
    if role == Role.SCIENTIST:
        cancel_all(_live(request__author=person), by=by)


def person_suspended(person: User, by: User) -> None:
    """Cancel every run of a suspended person, mock runs included."""
    cancel_all(_live(request__author=person), by=by)
    cancel_all(_live(asked_by=person), by=by)
