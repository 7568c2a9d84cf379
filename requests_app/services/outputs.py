"""Open what a run wrote: held files and logs for the owner side, released files for the author. Access is recorded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from common.access import require
from common.errors import Conflict, Gone
from datasets import storage
from requests_app import rules
from requests_app.audit_entries import record
from requests_app.models import Output, Release, Run, RunLog
from requests_app.outputs import viewed
from requests_app.services.releases import Verdict, record_output
from runner.gates import previews
from runner.gates.previews import Place


def open_held(output: Output, *, by: User) -> Path:
    """Return the path of a held file for a preview. A view of an output of private data is recorded."""
    require(rules.may_read_output, by, output.run)
    return _opened(output, by=by)


def _opened(output: Output, *, by: User) -> Path:
    path = _intact(output)
    if output.run.kind == Run.Kind.PRIVATE:
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


def open_file(output: Output, *, by: User) -> Path:
    """Return the path of a file to send: a mock run's, a released one, or a held one if the policy allows it."""
    run = output.run
    if run.kind == Run.Kind.MOCK:
        return open_held(output, by=by)
    release: Release | None = getattr(run, "release", None)
    is_released = release is not None and release.state == Release.State.RELEASED
    if is_released and output.verdict == Verdict.RELEASE:
        return open_released(output, by=by)
    return open_held_download(output, by=by)


@dataclass(frozen=True, slots=True)
class Looked:
    """A part of a file as plain values, and whether it was noted as viewed, as parts of held files are."""

    model: dict[str, Any]
    is_noted: bool


def look(output: Output, *, by: User, place: Place) -> Looked:
    """Return a part of a file, decoded in the sandbox. Which part of a held file a reviewer has viewed is noted."""
    held = rules.may_read_output(by, output.run) is None and output.bytes_gone_at is None
    opened = _opened if held else open_released
    model = previews.preview(opened(output, by=by), output.type, place=place)
    is_noted = held and output.run.kind == Run.Kind.PRIVATE
    if is_noted:
        viewed.note(output, by=by, place=place, model=model)
    return Looked(model, is_noted)


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
        raise Gone("This output has been deleted.")
    path = storage.output_path(output.run_id, output.name)
    if storage.sha256_of(path) != output.sha256:
        raise Conflict("This file has changed since the run wrote it. Tell an admin.")
    return path
