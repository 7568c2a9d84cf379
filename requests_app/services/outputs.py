"""Open what a run wrote: held files and logs for the owner side, released files for the author. Access is recorded."""

from pathlib import Path

from django.db import transaction

from accounts.models import User
from common.access import require
from common.errors import Conflict
from datasets import storage
from requests_app import rules
from requests_app.audit_entries import record
from requests_app.models import Output, Release, Run, RunLog
from requests_app.services.releases import Verdict, record_output


def open_held(output: Output, *, by: User) -> Path:
    """Return the path of a held file for a preview. A view of an output of private data is recorded."""
    run = output.run
    require(rules.may_read_output, by, run)
    path = _intact(output)
    if run.kind == Run.Kind.PRIVATE:
        with transaction.atomic():
            record_output("output.view", output, by=by)
    return path


def open_released(output: Output, *, by: User) -> Path:
    """Return the path of a released file for its author or a reviewer, and record the download."""
    release = Release.objects.filter(run=output.run).first()
    if release is None:
        raise Conflict("No output of this run has been released.")
    require(rules.may_download_release, by, release)
    output.refresh_from_db(fields=["verdict", "bytes_gone_at"])
    if output.verdict != Verdict.RELEASE:
        raise Conflict("This file was not released.")
    path = _intact(output)
    with transaction.atomic():
        record_output("output.download", output, by=by, release=str(release.pk))
    return path


def open_held_download(output: Output, *, by: User) -> Path:
    """Return the path of a held file for a reviewer to download, exactly as it would be released. Recorded."""
    require(rules.may_download_held, by, output.run)
    output.refresh_from_db(fields=["bytes_gone_at"])
    path = _intact(output)
    with transaction.atomic():
        record_output("output.download_held", output, by=by)
    return path


def open_log(run: Run, *, by: User, download: bool = False) -> RunLog:
    """Return the log of a run. Each view and each download of a private log is recorded."""
    require(rules.may_read_log, by, run)
    written = RunLog.objects.filter(run=run).first() or RunLog(run=run)
    if run.kind == Run.Kind.PRIVATE:
        item = run.request
        with transaction.atomic():
            record("log.download" if download else "log.view", item, by=by, on=run)
    return written


def _intact(output: Output) -> Path:
    if output.bytes_gone_at is not None:
        raise Conflict("This output has been deleted.")
    path = storage.output_path(output.run_id, output.name)
    if storage.sha256_of(path) != output.sha256:
        raise Conflict("This file has changed since the run wrote it. Tell an admin.")
    return path
