"""The history of a request: its versions and runs as somebody may see them, and one list of events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch

from accounts.models import User
from requests_app import visibility
from requests_app.models import CodeRequest, Release, Review, Run, Version

VERSIONS = 50
RUNS = 50
"""How many of the newest a history goes back to."""

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
    """One event: when, who (None is the portal, or a person who is not named), and what. `note`: their reason."""

    at: datetime
    icon: str
    who: User | None
    what: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a person may see of a request's past. `reads`: whether they read its code, and so what was said of it."""

    item: CodeRequest
    versions: Sequence[Version]
    """Each has, as `shown_reviews`, the verdicts that this person may read."""
    runs: Sequence[Run]
    part: visibility.Part
    reads: bool
    names: bool
    """Whether this person reads the reviewers' names."""

    @property
    def events(self) -> list[Event]:
        """The events, newest first."""
        return _events(self)


def of(item: CodeRequest, user: User) -> History:
    """Return the history of a request as this person may see it."""
    reviews = Prefetch("reviews", Review.objects.select_related("reviewer"))
    own = Version.objects.filter(request=item).select_related("approval__ended_by")
    versions = list(own.prefetch_related(reviews)[:VERSIONS])
    runs = (
        Run.objects.filter(request=item, kind=Run.Kind.PRIVATE)
        .select_related("release__decided_by", "release__recalled_by", "version", "asked_by")
        .order_by("-created_at")[:RUNS]
    )
    part = visibility.part_of(item, user)
    return History(
        item=item,
        versions=versions,
        runs=[visibility.redacted(run, reads_log=part.is_reviewer) for run in runs],
        part=part,
        reads=part.is_author or part.is_reviewer or user.is_auditor,
        names=_keep_readable_reviews(item, versions, user, part),
    )


def _keep_readable_reviews(
    item: CodeRequest, versions: list[Version], user: User, part: visibility.Part
) -> bool:
    """Attach to each version the verdicts that this person may read; return whether reviewers are named."""
    names = True
    for version in versions:
        given = list(version.reviews.all())
        version.request = item
        viewer = visibility.viewer_of(version, user, given, part=part)
        shown = visibility.verdicts(given, viewer) if viewer.has_part else []
        version.shown_reviews = shown  # type: ignore[attr-defined]
        names = visibility.names_reviewers(viewer)
    return names


def _events(past: History) -> list[Event]:
    item = past.item
    found = [Event(item.created_at, "file-plus", item.author, "created this request")]
    for version in past.versions:
        found += _of_version(version, item.author, names=past.names)
    for run in past.runs:
        found += _of_run(run, past)
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


def _of_run(run: Run, past: History) -> Iterator[Event]:
    yield Event(run.created_at, "player-play", run.asked_by, "started a run on the private data")
    if run.finished_at is not None:
        what = f"the run has ended: {run.get_state_display().lower()}"
        yield Event(run.finished_at, "flag", None, what, run.close_code)
    release = getattr(run, "release", None)
    if release is not None and release.decided_at is not None:
        yield _decision(release, past)
    if release is not None and release.recalled_at is not None:
        what = "recalled the release"
        yield Event(release.recalled_at, "arrow-back-up", release.recalled_by, what, release.recall_reason)


def _decision(release: Release, past: History) -> Event:
    decided = {
        Release.State.REJECTED: ("x", "did not release the outputs"),
        Release.State.CHANGES_REQUESTED: ("pencil", "requested changes to the outputs"),
    }
    icon, what = decided.get(Release.State(release.state), ("package-export", "released outputs"))
    who = release.decided_by if past.names else None
    note = release.comment if past.reads else ""
    return Event(release.decided_at or release.created_at, icon, who, what, note)
