"""Execute a claimed run on a worker, from its lease to its result. Every write first checks the lease."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.models import User
from common import code_environments, retry
from common.errors import Conflict, Denied, Refused
from datasets import mock_files, storage
from requests_app import rules
from requests_app.audit_entries import record
from requests_app.execution import claims, completion
from requests_app.execution.heartbeat import Watch
from requests_app.models import Run, Worker
from runner.contract import CloseCode, Executor, JobResult, JobSpec, Limits, SandboxUnavailable, Status

logger = logging.getLogger(__name__)


def answer_doorbell(worker: str, abandon: Callable[[], None] = lambda: None) -> Run | None:
    """Claim the run whose turn it is and execute it; return None when none may start on this worker now.

    `abandon` ends this process when the runner hangs for good, which frees its place.
    """
    run = claims.claim(worker)
    if run is None:
        return None
    return execute(run, import_string(settings.EXECUTOR)(), abandon)


def execute(run: Run, executor: Executor, abandon: Callable[[], None] = lambda: None) -> Run:
    """Execute a claimed run to a final state, and return it as it is afterwards.

    If the lease is lost on the way, this worker drops its attempt. Raises Conflict for a run without a lease.
    """
    if run.lease is None:
        raise Conflict("Only a claimed run can be executed.")
    if not _take_up(run, fresh := uuid4()):
        logger.warning("Run %s is not executed here: another process has taken it, or it has ended.", run.pk)
        return Run.objects.get(pk=run.pk)
    run.lease = fresh
    try:
        return _execute(run, fresh, executor, Watch(run, abandon))
    except completion.LeaseLost:
        logger.warning("This worker has lost its lease on run %s and drops its attempt.", run.pk)
        storage.drop_attempt(run.pk, fresh)
        return Run.objects.get(pk=run.pk)


def _take_up(run: Run, fresh: UUID) -> bool:
    """Exchange the lease for one that only this process knows, so that a claimed run is executed only once."""
    mine = Run.objects.filter(
        pk=run.pk, lease=run.lease, state__in=(Run.State.STARTING, Run.State.CANCELLING)
    )
    return mine.update(lease=fresh) == 1


def _execute(run: Run, lease: UUID, executor: Executor, watch: Watch) -> Run:
    with watch:
        try:
            spec = retry.wait(partial(_prepare, run, lease))
            begun = partial(_started, run.pk, lease)
            result = executor.run(spec, started=lambda: watch.soon(begun), cancelled=watch.cancelled)
            return conclude(run, lease, result)
        except Refused as refusal:
            logger.warning("Run %s cannot start: %s", run.pk, refusal)
            code = CloseCode.POLICY_BLOCKED if isinstance(refusal, Denied) else CloseCode.INTERNAL
            return retry.wait(partial(completion.fail, run.pk, lease, code))
        except SandboxUnavailable as why:
            _close_worker(run.worker, str(why))
            return retry.wait(partial(completion.fail_unstarted, run.pk, lease))
        except completion.LeaseLost:
            raise
        except Exception:  # a full disk, a bug: the run still needs a final state
            retry.wait(partial(completion.fail, run.pk, lease, CloseCode.INTERNAL))
            raise


def conclude(run: Run, lease: UUID, result: JobResult) -> Run:
    """Store how a job ended. Its result is first written next to its files, so that it is never lost."""
    if result.status == Status.SUCCEEDED:
        storage.note_result(run.pk, lease, completion.as_text(result))
        retry.wait(partial(completion.step_under_lease, "collect", run.pk, lease))
    return retry.wait(partial(completion.finish, run.pk, lease, result))


def _started(pk: UUID, lease: UUID) -> None:
    # The watch handles a cancel or a lost lease: the executor learns of it through `cancelled`.
    with suppress(completion.LeaseLost, Conflict):
        completion.step_under_lease("running", pk, lease)


def _close_worker(name: str, why: str) -> None:
    logger.error("This worker has stopped running code: %s", why)
    Worker.objects.filter(name=name).update(refusal=why[:2000])


# What goes into a job


def _prepare(run: Run, lease: UUID) -> JobSpec:
    environment = code_environments.get(run.environment)
    if why := rules.environment_has_changed(run.environment, run.environment_sha256):
        raise Denied(why)
    inputs = _mock_inputs(run) if run.kind == Run.Kind.MOCK else _open_private(run.pk, lease)
    return JobSpec(
        run_id=str(run.pk),
        code=run.code,
        inputs=inputs,
        out=storage.new_outputs(run.pk, lease),
        environment=environment.path,
        parameters=run.parameters,
        limits=Limits(wall_s=float(run.wall_seconds), cpu_s=2.0 * run.wall_seconds, memory_mb=run.memory_mb),
        columns={table.name: table.column_types for table in run.revision.tables_declared},
    )


def _mock_inputs(run: Run) -> dict[str, Path]:
    return {table.name: mock_files.published(run.revision, table.name) for table in run.revision.tables.all()}


def _open_private(pk: UUID, lease: UUID) -> dict[str, Path]:
    """Open private data: check the approval again under the run's lock, and record the opening in the audit log."""
    with transaction.atomic():
        run = _locked_with_approval(pk, lease)
        inputs = storage.open_for(run, rule=_open_rule)
        if run.opened_at is not None:  # a retry: the first commit succeeded, but its answer was lost
            return inputs
        run.opened_at = timezone.now()
        run.save(update_fields=["opened_at"])
        item = run.request
        revision = str(run.revision_id)
        record(
            "run.open_data",
            item,
            by=User.objects.system_actor(),
            on=run,
            sha256=run.sha256,
            revision=revision,
        )
    return inputs


def _locked_with_approval(pk: UUID, lease: UUID) -> Run:
    """Return the run, locked, with everything that its rule reads, in one query."""
    related = ("request__author", "request__dataset", "revision", "approval__version")
    run = completion.lock(pk, lease, *related)
    if run.approval is not None:
        version = run.approval.version
        if version.request_id == run.request_id:
            version.request = run.request
        if version.revision_id == run.revision_id:
            version.revision = run.revision
    return run


def _open_rule(run: object) -> str | None:
    return rules.may_open_data(run) if isinstance(run, Run) else "Only a run can open private data."
