"""The machine-readable record of a release: the code, the data, the decision, and the checks of each file."""

from dataclasses import asdict, fields
from typing import Any

from audit import documents
from requests_app.code import fingerprint
from requests_app.models import Output, Release, Run, Version
from requests_app.outputs import disclosure_checks, viewed

FORMAT = "weir-release/1"
LOOKS = {field.name for field in fields(viewed.Seen)}


def build(release: Release, *, decided_by: str, decided_at: str, names_reviewers: bool) -> dict[str, Any]:
    """Build the record. Apart from the released files themselves, nothing in it depends on private rows.

    Raises ValueError for a mock run, which has no release.
    """
    run = release.run
    version = run.version
    if version is None or run.approval is None:
        raise ValueError("Only runs on private data have a release.")
    item = run.request
    return {
        "format": FORMAT,
        "release": str(release.pk),
        "lane": "review",
        "request": {"id": str(item.pk), "title": item.title, "author": item.author.email},
        "dataset": {
            "id": str(item.dataset_id),
            "name": item.dataset.name,
            "owner": item.dataset.owner.email,
            "revision": run.revision.number,
            "revision_sha256": run.revision.sha256,
        },
        "version": _version(version),
        "approval": {
            "sha256": run.approval.sha256,
            "runs_allowed": run.approval.runs_allowed,
            "expires_at": run.approval.expires_at.isoformat(),
        },
        "reviews": _reviews(version, names=names_reviewers),
        "run": _run(run),
        "outputs": [_output(output) for output in _released(run)],
        "decided_by": decided_by if names_reviewers else "",
        "decided_at": decided_at,
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "id": str(version.pk),
        "number": version.number,
        "sha256": version.sha256,
        "code_sha256": fingerprint.of_code(version.code),
        "parameters": version.parameters,
        "purpose": version.purpose,
        "environment": version.environment,
        "environment_sha256": version.environment_sha256,
        "submitted_at": version.created_at.isoformat(),
    }


def _reviews(version: Version, *, names: bool) -> list[dict[str, Any]]:
    return [
        {
            "reviewer": review.reviewer.email if names else "",
            "verdict": review.verdict,
            "at": review.created_at.isoformat(),
        }
        for review in version.reviews.select_related("reviewer")
    ]


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": str(run.pk),
        "asked_by": run.asked_by.email,
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "environment_sha256": run.environment_sha256,
        "state": run.state,
        "wall_limit_s": run.wall_seconds,
        "memory_limit_mb": run.memory_mb,
    }


def _released(run: Run) -> list[Output]:
    return list(run.outputs.filter(verdict=Output.Verdict.RELEASE).select_related("added_by"))


def _output(output: Output) -> dict[str, Any]:
    return {
        "name": output.name,
        "type": output.type,
        "bytes": output.bytes,
        "sha256": output.sha256,
        "written_by": "the run" if output.added_by is None else "a reviewer",
        "checks": disclosure_checks.fit_for_record(output.checks),
        **asdict(viewed.seen(output)),
    }


def for_author(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record without what reviewers have viewed: their habits do not concern the author."""
    outputs = [
        {name: value for name, value in output.items() if name not in LOOKS}
        for output in record.get("outputs", ())
    ]
    return {**record, "outputs": outputs}


def document(record: dict[str, Any]) -> str:
    """Return what the receipt of a release is about: the author's record, as the database returns it, as text."""
    return documents.text(for_author(record))


def for_auditor(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with a keyed fingerprint of each file in place of its hash.

    Auditors read no results, and a bare hash of a small answer could be brute-forced.
    """
    outputs = [
        {name: value for name, value in output.items() if name != "sha256"}
        | {"content": fingerprint.of_output(output["sha256"])}
        for output in record.get("outputs", ())
    ]
    return {**record, "outputs": outputs}
