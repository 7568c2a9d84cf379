"""What ends by itself or is ended from elsewhere: approvals, live runs, held outputs. Called inside a transaction."""

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
    """Cancel a run wherever it stands: at once while it waits, else by asking its worker. `acting` takes the step."""
    run.refresh_from_db(fields=["state"])
    if run.state not in Run.LIVE:
        raise Conflict(f"This run has ended: {run.get_state_display().lower()}.")
    if run.state == Run.State.CANCELLING:
        return run
    if run.state != Run.State.QUEUED:
        return _stop(run, by=by, acting=acting)
    changed = workflow.take("cancel_queued", run, by=acting, cancelled_by=by, finished_at=timezone.now())
    notifications.run_finished(changed)
    return changed


def _stop(run: Run, *, by: User, acting: User) -> Run:
    """Ask the worker to end it. What has ended already, and is not announced yet, ends here in the same time."""
    now = timezone.now()
    told_at = announcement.cancel_is_told_at(run, now, by=by)
    changed = workflow.take("cancel", run, by=acting, cancelled_by=by, told_at=told_at)
    return announcement.announce(changed) if changed.ended_at is not None and told_at <= now else changed


def cancel_all(runs: Iterable[Run], *, by: User) -> None:
    """The portal cancels what may not go on; a run that has just ended by itself is left alone."""
    for run in runs:
        locked = rows.locked(run)
        if locked.state in Run.LIVE:
            cancel(locked, by=by, acting=User.objects.system())


def _live(**where: object) -> Iterable[Run]:
    """In one order always: they are locked one by one."""
    return Run.objects.live().filter(**where).order_by("pk")


def live_private(**where: object) -> Iterable[Run]:
    return _live(kind=Run.Kind.PRIVATE, **where)


def end_approval(item: CodeRequest, *, by: User, why: str) -> None:
    """An approval has ended: mark it, stop what runs on it, tell the author."""
    Approval.objects.filter(version__request=item, ended_at=None).update(
        ended_at=timezone.now(), ended_by=by, end_reason=why
    )
    cancel_all(live_private(request=item), by=by)
    notifications.approval_ended(item, by=by, why=why)


def expire(item: CodeRequest, *, by: User, why: str) -> None:
    """The portal ends an approval whose time, or whose data, is over."""
    changed = workflow.take("expire", item, by=User.objects.system(), state_reason=why)
    end_approval(changed, by=by, why=why)


def end_what_may_not_go_on(live: RunQuerySet) -> None:
    """Cancel those of the live runs whose author may not run them any more, for whatever reason.

    Who takes a right away cancels at once; this finds what ends by the clock, or was overlooked. Of more runs than one
    round can look at, each has the same chance in every round.
    """
    beside = ("request__author", "request__dataset", "approval", "revision")
    for run in live.exclude(state=Run.State.CANCELLING).select_related(*beside).order_by("?")[:AT_ONCE]:
        if rules.may_go_on(run) is None:
            continue
        try:
            with transaction.atomic():
                cancel_all([run], by=User.objects.system())
        except Exception:  # one that cannot be cancelled keeps neither the others nor the round from going on
            logger.exception("Could not cancel run %s. The next sweep tries again.", run.pk)


# Called by the apps below, through their hooks.


def revision_retired(revision: Revision, by: User) -> None:
    """Approvals bound to a retired or replaced revision expire, and what runs on it stops."""
    approved = CodeRequest.objects.filter(state=CodeRequest.State.APPROVED, latest__revision=revision)
    for item in approved.order_by("pk"):
        expire(item, by=by, why=f"Revision {revision.number} of the data was retired or replaced.")
    cancel_all(live_private(revision=revision), by=by)


def dataset_frozen(dataset: Dataset, by: User) -> None:
    """Nothing goes on running on a frozen or retired dataset."""
    cancel_all(live_private(request__dataset=dataset), by=by)


def access_ended(dataset: Dataset, person: User, by: User) -> None:
    """Nobody's runs go on, not even on mock data, once they may no longer use this dataset."""
    cancel_all(_live(request__dataset=dataset, request__author=person), by=by)


def role_taken(person: User, role: str, by: User) -> None:
    """Somebody who is no longer a data scientist has nothing running."""
    if role == Role.SCIENTIST:
        cancel_all(_live(request__author=person), by=by)


def person_suspended(person: User, by: User) -> None:
    """Nothing of a suspended person goes on running, not even on mock data."""
    cancel_all(_live(request__author=person), by=by)
    cancel_all(_live(asked_by=person), by=by)
