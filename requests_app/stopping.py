"""What ends by itself or is ended from elsewhere: approvals, live runs, held outputs. Called inside a transaction."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from common.errors import Conflict
from datasets.models import Dataset, Revision
from requests_app import announcing, notifications, rules, workflow
from requests_app.models import Approval, CodeRequest, Run, RunQuerySet

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
    told_at = announcing.cancel_is_told_at(run, now, by=by)
    changed = workflow.take("cancel", run, by=acting, cancelled_by=by, told_at=told_at)
    return announcing.announce(changed) if changed.ended_at is not None and told_at <= now else changed


def cancel_all(runs: Iterable[Run], *, by: User) -> None:
    """The portal cancels what may not go on; a run that has just ended by itself is left alone."""
    for run in runs:
        locked = Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
        if locked.state in Run.LIVE:
            cancel(locked, by=by, acting=User.objects.system())


def live_private(**where: object) -> Iterable[Run]:
    return Run.objects.live().filter(kind=Run.Kind.PRIVATE, **where).order_by("pk")


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

    Who takes a right away cancels at once; this finds what ends by the clock, or was overlooked.
    """
    beside = ("request__author", "request__dataset", "approval", "revision")
    for run in live.exclude(state=Run.State.CANCELLING).select_related(*beside)[:AT_ONCE]:
        if rules.go_on(run) is not None:
            with transaction.atomic():
                cancel_all([run], by=User.objects.system())


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
    """Nothing goes on running of somebody who may not use this dataset any more, on mock data neither."""
    cancel_all(Run.objects.live().filter(request__dataset=dataset, request__author=person), by=by)


def role_taken(person: User, role: str, by: User) -> None:
    """Who is no data scientist any more runs nothing."""
    if role == Role.SCIENTIST:
        cancel_all(Run.objects.live().filter(request__author=person).order_by("pk"), by=by)


def person_suspended(person: User, by: User) -> None:
    """Nothing of a suspended person goes on running, on mock data neither."""
    cancel_all(Run.objects.live().filter(request__author=person).order_by("pk"), by=by)
    cancel_all(Run.objects.live().filter(asked_by=person).order_by("pk"), by=by)
