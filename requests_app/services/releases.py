"""Check the outputs of a run, decide on their release, and recall it."""

import hashlib

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import documents
from common import live, rows
from common.access import require
from common.errors import Conflict, Refused
from common.reasons import note
from common.reasons import reason as written_reason
from datasets import storage
from requests_app import notifications, rules, visibility, workflow
from requests_app.audit_entries import record
from requests_app.code import fingerprint
from requests_app.execution import announcement, completion
from requests_app.models import Output, Release, Run
from requests_app.outputs import comparison, release_record
from runner import plain_text

State, Verdict = Release.State, Output.Verdict
DECISIONS = ("release", "reject", "request_changes")
LOG_OUTPUT = "log-excerpt.txt"
LOG_LIMIT = 20_000


def begin_check(release: Release, *, by: User) -> Release:
    """Mark the output check as begun, and compare the files with what has been released meanwhile."""
    with transaction.atomic():
        locked = rows.locked(release)
        require(rules.may_check_output, by, locked)
        return _begun(locked, by=by)


def _begun(locked: Release, *, by: User) -> Release:
    """Begin the check of a locked release, unless it has begun, for somebody who may check it."""
    if locked.state == State.CHECKING:
        return locked
    begun = workflow.proceed("begin_check", locked, by=by)
    comparison.compare_again(begun.run)
    return begun


def set_verdict(output: Output, *, by: User, verdict: str, comment: str = "") -> Output:
    """Give a verdict on one file. No open page is refreshed, because the author could count the files."""
    if verdict not in (Verdict.RELEASE, Verdict.WITHHOLD):
        raise Refused("Choose whether to release or withhold the file.")
    with transaction.atomic():
        _open_release(output.run, by=by)
        locked = rows.locked(output)
        old = locked.verdict
        locked.verdict, locked.comment = verdict, note(comment, 2000)
        locked.save(update_fields=["verdict", "comment"])
        record_output("output.verdict", locked, by=by, changes={"verdict": (old, verdict)})
    return locked


def _open_release(run: Run, *, by: User) -> Release:
    """Return the run's release, locked, with its check begun; raise Conflict when it has been decided."""
    release = Release.objects.select_for_update(of=("self",)).filter(run=run).first()
    if release is None:
        raise Conflict("No output of this run is held.")
    require(rules.may_check_output, by, release)
    if release.state not in Release.OPEN:
        raise Conflict(_decided(release))
    return _begun(release, by=by)


def _decided(release: Release) -> str:
    return f"A decision on these outputs has already been made: {release.get_state_display().lower()}."


def record_output(action: str, output: Output, *, by: User, **detail: object) -> None:
    item = output.run.request
    content = fingerprint.of_output(output.sha256)
    record(action, item, by=by, on=output, run=str(output.run_id), content=content, **detail)


def decide(release: Release, *, by: User, decision: str, comment: str = "") -> Release:
    """Release the files marked for release, or none. Files that are not released are deleted."""
    if decision not in DECISIONS:
        raise Refused("Choose whether to release the outputs, request changes, or reject them.")
    words = note(comment, 4000)
    if decision != "release" and not words:
        raise Refused("Give a reason, so that the author knows what to change.")
    with transaction.atomic():
        locked = rows.locked(release)
        require(rules.may_check_output, by, locked)
        now = timezone.now()
        record = {}
        if decision == "release":
            _check_verdicts(locked)
            record = release_record.build(
                locked,
                decided_by=by.email,
                decided_at=now.isoformat(),
                names_reviewers=visibility.record_names_reviewers(locked.run.request),
            )
        done = workflow.proceed(
            decision, locked, by=by, decided_by=by, decided_at=now, comment=words, record=record
        )
        if done.record:
            _commit_to_record(done)
        completion.bytes_go(done.run)
        notifications.release_decided(done)
    return done


def _commit_to_record(release: Release) -> None:
    """Write the entry that a receipt hands out. The portal writes it, because the entry of the decision names who took
    it, which an author on a blinded dataset does not learn."""
    release.document_salt = documents.new_salt()
    release.save(update_fields=["document_salt"])
    release.refresh_from_db(fields=["record"])  # numbers as the database writes them
    record(
        "release.recorded",
        release.run.request,
        by=User.objects.system(),
        on=release,
        at=release.decided_at,
        document_sha256=documents.sha256(release.document_salt, release_record.document(release.record)),
    )


def _check_verdicts(release: Release) -> None:
    if release.state not in Release.OPEN:
        return
    verdicts = list(release.run.outputs.values_list("verdict", flat=True))
    if Verdict.PENDING in verdicts:
        raise Refused("Give every file a verdict first: release it or withhold it.")
    if Verdict.RELEASE not in verdicts:
        raise Refused("No file is marked for release. Mark one, request changes, or reject the outputs.")


def recall(release: Release, *, by: User, reason: str) -> Release:
    """Recall a release: end its downloads, and notify everybody who had access to delete their copies."""
    reason = written_reason(reason)
    with transaction.atomic():
        done = workflow.take(
            "recall",
            release,
            by=by,
            recall_reason=reason,
            recalled_by=by,
            recalled_at=timezone.now(),
        )
        notifications.release_recalled(done)
    return done


def _hold(run: Run) -> Release:
    live.changed("run", run.pk)
    return announcement.hold(run)


def add_log_excerpt(run: Run, *, by: User, text: str) -> Output:
    """Add an excerpt of the log, edited by a reviewer, to the run's outputs. It is then decided on like any other.

    A failed run has no outputs of its own; an excerpt can tell its author what happened.
    """
    plain = plain_text.page(text)
    if not plain or max(len(text), len(plain)) > LOG_LIMIT:
        raise Refused(f"Write an excerpt of 1 to {LOG_LIMIT:,} characters.")
    with transaction.atomic():
        locked = rows.locked(run)
        require(rules.may_add_log_excerpt, by, locked)
        release = Release.objects.filter(run=locked).first() or _hold(locked)
        if release.state not in Release.OPEN:
            raise Conflict(_decided(release))
        if locked.outputs.filter(name=LOG_OUTPUT).exists():
            raise Conflict("An excerpt of this log already exists.")
        content = plain.encode()
        made = Output.objects.create(
            run=locked,
            name=LOG_OUTPUT,
            type="txt",
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            added_by=by,
        )
        record_output("output.add", made, by=by)
        storage.add_output(locked.pk, LOG_OUTPUT, content)
    return made
