"""The history of a request as one list of events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.models import User
from requests_app.models import CodeRequest, Release, Review, Run, Version

ICONS = {
    Review.Verdict.APPROVE: "check",
    Review.Verdict.REQUEST_CHANGES: "pencil",
    Review.Verdict.REJECT: "x",
}
VERDICTS = {
    Review.Verdict.APPROVE: "approved version {}",
    Review.Verdict.REQUEST_CHANGES: "requested changes to version {}",
    Review.Verdict.REJECT: "rejected version {}",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event: when, who (None is the portal, or a person who is not named), and what."""

    at: datetime
    icon: str
    who: User | None
    what: str
    note: str = ""


def events(
    item: CodeRequest, versions: Sequence[Version], runs: Sequence[Run], *, names: bool
) -> list[Event]:
    """Return the events, newest first. `names` is whether the viewer may read the reviewers' names.

    Each version carries, as `shown_reviews`, the verdicts that the viewer may read.
    """
    found = [Event(item.created_at, "file-plus", item.author, "created this request")]
    for version in versions:
        found += _of_version(version, item.author, names=names)
    for run in runs:
        found += _of_run(run, names=names)
    if item.state == CodeRequest.State.WITHDRAWN:
        found.append(Event(item.state_changed_at, "arrow-back-up", item.author, "withdrew this request"))
    return sorted(found, key=lambda event: event.at, reverse=True)


def _of_version(version: Version, author: User, *, names: bool) -> Iterator[Event]:
    yield Event(version.created_at, "send", author, f"submitted version {version.number}")
    for review in version.shown_reviews:  # type: ignore[attr-defined]
        what = VERDICTS[Review.Verdict(review.verdict)].format(version.number)
        icon = ICONS[Review.Verdict(review.verdict)]
        yield Event(review.created_at, icon, review.reviewer if names else None, what, review.comment)
    approval = getattr(version, "approval", None)
    if approval is not None and approval.ended_at is not None:
        what = f"ended the approval of version {version.number}"
        yield Event(approval.ended_at, "ban", approval.ended_by, what, approval.end_reason)


def _of_run(run: Run, *, names: bool) -> Iterator[Event]:
    yield Event(run.created_at, "player-play", run.asked_by, "started a run on the private data")
    if run.finished_at is not None:
        what = f"the run has ended: {run.get_state_display().lower()}"
        yield Event(run.finished_at, "flag", None, what, run.close_code)
    release = getattr(run, "release", None)
    if release is not None and release.decided_at is not None:
        yield _decision(release, names=names)
    if release is not None and release.recalled_at is not None:
        what = "recalled the release"
        yield Event(release.recalled_at, "arrow-back-up", release.recalled_by, what, release.recall_reason)


def _decision(release: Release, *, names: bool) -> Event:
    decided = {
        Release.State.REJECTED: ("x", "did not release the outputs"),
        Release.State.CHANGES_REQUESTED: ("pencil", "requested changes to the outputs"),
    }
    icon, what = decided.get(Release.State(release.state), ("package-export", "released outputs"))
    who = release.decided_by if names else None
    return Event(release.decided_at or release.created_at, icon, who, what, release.comment)
