"""What admins do with workers: drain one, or pause all runs."""

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import User
from audit import log
from common import live, rows
from common.access import require
from common.errors import Conflict
from common.reasons import reason as written_reason
from requests_app import rules
from requests_app.execution import doorbell
from requests_app.models import Pause, Run, Worker


def drain_worker(worker: Worker, *, by: User) -> Worker:
    """Drain a worker: it finishes its runs and takes no new ones."""
    return _set_draining(worker, by=by, action="worker.drain", draining=True)


def undrain_worker(worker: Worker, *, by: User) -> Worker:
    """Let a drained worker take runs again."""
    return _set_draining(worker, by=by, action="worker.undrain", draining=False)


def _set_draining(worker: Worker, *, by: User, action: str, draining: bool) -> Worker:
    require(rules.may_manage_workers, by)
    with transaction.atomic():
        locked = rows.locked(worker)
        if locked.draining != draining:
            log.record(action, by=by, on=locked, changes={"draining": (locked.draining, draining)})
            locked.draining = draining
            locked.save(update_fields=["draining"])
            live.changed("workers", "all")
            wake()
    return locked


def pause_runs(*, by: User, reason: str) -> Pause:
    """Pause all runs: none starts until an admin resumes, and runs in progress continue."""
    require(rules.may_manage_workers, by)
    reason = written_reason(reason)
    with transaction.atomic():
        if Pause.objects.select_for_update().filter(ended_at=None).exists():
            raise Conflict("Runs are already paused.")
        pause = Pause.objects.create(by=by, reason=reason)
        log.record("workers.pause", by=by, on=pause)
        live.changed("workers", "all")
    return pause


def resume_runs(*, by: User) -> None:
    """Resume all runs. Raises Conflict if they are not paused."""
    require(rules.may_manage_workers, by)
    with transaction.atomic():
        pause = Pause.objects.select_for_update().filter(ended_at=None).first()
        if pause is None:
            raise Conflict("Runs are not paused.")
        Pause.objects.filter(pk=pause.pk).update(ended_at=Now(), ended_by=by)
        log.record("workers.resume", by=by, on=pause)
        live.changed("workers", "all")
        wake()


def wake() -> None:
    """Wake workers for the runs that have waited longest."""
    doorbell.ring_again(
        Run.objects.filter(state=Run.State.QUEUED).order_by("created_at").values_list("pk", flat=True)[:8]
    )
