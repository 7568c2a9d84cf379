"""What each side sees in which phase of a review: comments, verdicts, names, and facts of a run."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from accounts.models import User
from requests_app import rules, workflow
from requests_app.models import CodeRequest, Release, Review, Run, Version


class CommentLike(Protocol):
    """The attributes of a comment that decide who sees it."""

    @property
    def pk(self) -> UUID: ...
    @property
    def author_id(self) -> UUID: ...
    @property
    def parent_id(self) -> UUID | None: ...
    @property
    def private(self) -> bool: ...
    @property
    def published_at(self) -> object | None: ...


C = TypeVar("C", bound=CommentLike)

NAMELESS = "A reviewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The person looking: the author, a reviewer (who has or has not decided on this version), or an overseer."""

    pk: UUID
    author: UUID | None = None
    """Who wrote the request."""
    is_author: bool = False
    is_reviewer: bool = False
    is_auditor: bool = False
    has_decided: bool = False
    blinded: bool = False
    """Reviewers of this dataset do not see each other's verdicts until they have decided."""
    is_open: bool = False
    """The version is still waiting for its outcome."""

    @property
    def judges_alone(self) -> bool:
        return self.is_reviewer and self.blinded and self.is_open and not self.has_decided

    @property
    def sees_verdicts(self) -> bool:
        """Whether this person sees the verdicts of others. While a version of a blinded dataset is open, neither its
        author nor a reviewer who has not decided does."""
        return not (self.judges_alone or (self.is_author and self.blinded and self.is_open))

    @property
    def has_part(self) -> bool:
        """Whether the request's page shows this person any verdicts."""
        return self.is_author or self.is_reviewer or self.is_auditor


def sees_comment(comment: CommentLike, viewer: Viewer) -> bool:
    """Return whether this viewer may read a comment: their own while they take part in the review; others' once
    published, but private ones never as the author, and none as a blinded reviewer who has not decided."""
    if comment.author_id == viewer.pk and (viewer.is_author or viewer.is_reviewer):
        return True
    if comment.published_at is None or viewer.judges_alone:
        return False
    return viewer.is_reviewer or not comment.private


def seen_by(items: Iterable[C], viewer: Viewer) -> list[C]:
    """Return the comments this viewer may read; a reply only if its parent is readable."""
    seen = [item for item in items if sees_comment(item, viewer)]
    roots = {item.pk for item in seen if item.parent_id is None}
    return [item for item in seen if item.parent_id is None or item.parent_id in roots]


def sees_reason(item: CodeRequest, *, reads_code: bool) -> bool:
    """Return whether somebody reads why a request is in its state: admins only why an approval ended, not verdicts."""
    return reads_code or item.state in (CodeRequest.State.REVOKED, CodeRequest.State.EXPIRED)


def sees_verdict(reviewer: UUID, viewer: Viewer) -> bool:
    """Return whether this viewer may read a verdict: their own always, others' by `Viewer.sees_verdicts`."""
    return reviewer == viewer.pk or viewer.sees_verdicts


def verdicts(given: Iterable[Review], viewer: Viewer) -> list[Review]:
    """Return the verdicts on one version that this viewer may read."""
    return [review for review in given if sees_verdict(review.reviewer_id, viewer)]


@dataclass(frozen=True, slots=True)
class Part:
    """What part a person has in a request: asked once, and the same for all its versions."""

    is_author: bool
    is_reviewer: bool


def part_of(item: CodeRequest, user: User) -> Part:
    is_author = rules.is_author(user, item) is None
    return Part(is_author, not is_author and rules.is_reviewer(user, item) is None)


def viewer_of(version: Version, user: User, reviews: Iterable[Review], *, part: Part | None = None) -> Viewer:
    """Return this person as a viewer of the version. `reviews` are the version's; `part` if it is known already."""
    item = version.request
    part = part or part_of(item, user)
    return Viewer(
        pk=user.pk,
        author=item.author_id,
        is_author=part.is_author,
        is_reviewer=part.is_reviewer and item.author_id != user.pk,
        is_auditor=user.is_auditor,
        has_decided=any(review.reviewer_id == user.pk for review in reviews),
        blinded=item.dataset.blinded,
        is_open=item.latest_id == version.pk and item.state in CodeRequest.OPEN,
    )


def is_held(viewer: Viewer, parent: CommentLike | None = None) -> bool:
    """Return whether a comment that this viewer writes now stays unpublished until their verdict.

    Reviewers publish their first comments together with the verdict. A reply is held as its `parent` is.
    """
    if viewer.is_author or not viewer.is_open:
        return False
    if parent is not None:
        return parent.published_at is None
    return not viewer.has_decided


def names_reviewers(viewer: Viewer) -> bool:
    """Return whether this viewer learns the reviewers' names: an author on a blinded dataset does not."""
    return not (viewer.is_author and viewer.blinded)


def shows_name_of(person: UUID, viewer: Viewer) -> bool:
    """Return whether this viewer reads the name of a person who has written on the request."""
    return person in {viewer.pk, viewer.author} or names_reviewers(viewer)


def announces_verdict(review: Review) -> bool:
    """Whether the author is notified of a verdict. On a blinded dataset they learn the outcome, not each approval."""
    item = review.version.request
    is_outcome = item.state not in CodeRequest.OPEN
    return is_outcome or not item.dataset.blinded


def record_names_reviewers(item: CodeRequest) -> bool:
    """Return whether a release's record names reviewers. On a blinded dataset it does not: its author may read it."""
    return not item.dataset.blinded


def may_have_receipt(user: User, release: Release) -> str | None:
    """Allow who reads the hashes of the released files to have the receipt, which holds them; also after a recall."""
    if user.oversees:
        return "A release's receipt holds the hashes of its files: it is for the author, the owner and reviewers."
    if not release.document_salt:
        return "This release has no receipt: it was decided before there were any."
    return rules.may_read_record(user, release)


PRIVATE_FACTS = (
    "ended_at",
    "heartbeat_at",
    "exit_code",
    "signal",
    "wall_s",
    "cpu_s",
    "peak_memory_bytes",
    "stdout_bytes",
    "stderr_bytes",
    "layers",
)
"""Fields of a run that depend on private rows: only those who may read the log see them."""
NO_FAILURE = {"close_code": "", "error_class": "", "error_line": None}


def redacted(run: Run, *, reads_log: bool) -> Run:
    """Return the run as a page may show it: an unsaved copy without private facts, unless the viewer reads the log.

    When and how code ended, and how long collecting its outputs took, depend on the rows. Whoever may not read the log
    sees the run as running until its end is announced.
    """
    if reads_log:
        return run
    shown = copy(run)
    vars(shown)["state"] = workflow.PUBLIC_STATE.get(run.state, run.state)
    if run.finished_at is None:
        vars(shown).update(NO_FAILURE)
    vars(shown).update(dict.fromkeys(PRIVATE_FACTS), announce_at=None)
    return shown


def duration(run: Run, *, now: datetime, reads_log: bool) -> timedelta:
    """Return how long a run has taken; for those who may not read its log, up to the end as announced."""
    if run.started_at is None:
        return timedelta()
    end = run.ended_at if reads_log else None
    return (end or run.finished_at or now) - run.started_at
