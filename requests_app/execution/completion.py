"""Store the end of a run with its log and its outputs: in one transaction, under the run's lease."""

import json
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from datasets import storage
from requests_app import workflow
from requests_app.execution import announcement
from requests_app.models import Output, RefusedOutput, Release, Run, RunLog
from requests_app.outputs import comparison
from requests_app.outputs.disclosure_checks import Check
from runner.contract import CloseCode, JobResult, OutputFile, RefusedFile, Status

LOG_LIMIT = 10 * 2**20


class LeaseLost(Exception):
    """This worker no longer holds the run: it has ended, or another process has taken it."""


def lock(pk: UUID, lease: UUID, *related: str) -> Run:
    """Lock the run and return it with its request and these `related` objects; raise LeaseLost under another lease."""
    run = Run.objects.select_for_update(of=("self",)).select_related("request", *related).get(pk=pk)
    if run.lease != lease or run.state not in Run.WORKING or run.ended_at is not None:
        raise LeaseLost
    return run


def step_under_lease(name: str, pk: UUID, lease: UUID) -> Run:
    """Take a workflow step under the lease. A run that is being cancelled keeps its state."""
    with transaction.atomic():
        run = lock(pk, lease)
        if run.state == Run.State.CANCELLING:
            return run
        return workflow.move(name, run, by=User.objects.system_actor())


def fail(pk: UUID, lease: UUID, code: CloseCode) -> Run:
    """Fail a run with this close code, without log or outputs."""
    return finish(pk, lease, JobResult(status=Status.FAILED, code=code))


def fail_unstarted(pk: UUID, lease: UUID) -> Run:
    """Fail a run whose sandbox never started. The code has read nothing, so the run does not count as used."""
    with transaction.atomic():
        run = lock(pk, lease)
        Run.objects.filter(pk=run.pk).update(opened_at=None)
        return fail(pk, lease, CloseCode.INTERNAL)


def finish(pk: UUID, lease: UUID, result: JobResult) -> Run:
    """Store the end of a run, with its log and outputs. An earlier cancel wins, whatever the job's result."""
    checked = _checks(pk, lease, result)
    with transaction.atomic():
        run = lock(pk, lease, "request__author", "request__dataset__owner")
        if result.status == Status.CANCELLED and run.state != Run.State.CANCELLING:
            run = workflow.move("cancel", run, by=User.objects.system_actor())
        code = None if run.state == Run.State.CANCELLING else _failure(run, result)
        ended_well = run.state != Run.State.CANCELLING and code is None
        _write_log(run, result)
        done = announcement.settle(run, **_resources(result), **_failed(result, code))
        if ended_well:
            _keep(done, lease, result, checked)
    storage.drop_attempt(pk, lease)
    return done


def _failure(run: Run, result: JobResult) -> CloseCode | None:
    if result.status == Status.FAILED:
        return result.code or CloseCode.INTERNAL
    if run.kind == Run.Kind.PRIVATE and not result.outputs:
        return CloseCode.OUTPUT_MISSING
    return None


def _failed(result: JobResult, code: CloseCode | None) -> dict[str, Any]:
    if code is None:
        return {}
    named = {"error_class": result.error_class[:60], "error_line": result.error_line}
    return {"close_code": code, **(named if code == CloseCode.EXCEPTION else {})}


def _resources(result: JobResult) -> dict[str, Any]:
    return {
        "exit_code": result.exit_code,
        "signal": result.signal,
        "wall_s": result.wall_s,
        "cpu_s": result.cpu_s,
        "peak_memory_bytes": result.peak_memory_bytes,
        "stdout_bytes": result.stdout_bytes,
        "stderr_bytes": result.stderr_bytes,
        "layers": list(result.layers),
    }


def _write_log(run: Run, result: JobResult) -> None:
    RunLog.objects.create(run=run, stdout=_text(result.stdout), stderr=_text(result.stderr))
    RefusedOutput.objects.bulk_create(
        [
            RefusedOutput(run=run, name=_text(file.name)[:255], reason=_text(file.reason)[:500])
            for file in result.refused
        ]
    )


def _text(value: str) -> str:
    """Return the text as Postgres can store it: bounded and without null characters."""
    return value[:LOG_LIMIT].replace("\x00", "\N{REPLACEMENT CHARACTER}")


def as_text(result: JobResult) -> str:
    """Return a result as the JSON text that is stored next to its files."""
    return json.dumps(asdict(result))


def from_text(text: str) -> JobResult:
    """Read a result back from its JSON text."""
    value = json.loads(text)
    return JobResult(
        **{
            **value,
            "status": Status(value["status"]),
            "code": CloseCode(value["code"]) if value["code"] else None,
            "outputs": tuple(OutputFile(**file) for file in value["outputs"]),
            "refused": tuple(RefusedFile(**file) for file in value["refused"]),
            "layers": tuple(value["layers"]),
        }
    )


# Outputs


def _checks(pk: UUID, lease: UUID, result: JobResult) -> list[list[Check]]:
    """Return the automatic checks of each file. Call it before the transaction: a sandbox has to open the files."""
    if result.status != Status.SUCCEEDED:
        return []
    run = Run.objects.select_related("revision__dataset").get(pk=pk)
    home = storage.collected(run.pk, lease)
    return [comparison.checks_of(run, home / file.name, file) for file in result.outputs]


def _keep(run: Run, lease: UUID, result: JobResult, checked: list[list[Check]]) -> None:
    """Make the files outputs of the run. The folder moves last: every row then has its file."""
    Output.objects.bulk_create(
        [
            Output(
                run=run, name=file.name, type=file.type, bytes=file.bytes, sha256=file.sha256, checks=checks
            )
            for file, checks in zip(result.outputs, checked, strict=True)
        ]
    )
    storage.keep_outputs(run.pk, storage.attempt_folder(run.pk, lease))


def bytes_go(run: Run) -> None:
    """Mark the files that were not released as deleted, and delete them after commit."""
    gone = run.outputs.exclude(verdict=Output.Verdict.RELEASE, run__release__state=Release.State.RELEASED)
    gone.filter(bytes_gone_at=None).update(bytes_gone_at=timezone.now())
    names = list(gone.values_list("name", flat=True))
    for name in names:
        transaction.on_commit(partial(storage.drop_output, run.pk, name), robust=True)
