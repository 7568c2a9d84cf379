"""What each side sees in which phase of a review: comments, verdicts, names, and what a run used."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from accounts.models import User
from requests_app import rules, workflow
from requests_app.models import CodeRequest, Review, Run, Version


class CommentLike(Protocol):
    """A comment, as far as its visibility goes."""

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
    """Who looks: the author, a reviewer (who has or has not decided on this version), or an overseer."""

    pk: UUID
    author: UUID | None = None
    """Who wrote the request."""
    is_author: bool = False
    is_reviewer: bool = False
    is_auditor: bool = False
    has_decided: bool = False
    blinded: bool = False
    """Reviewers of this dataset judge without knowing of each other until they have decided."""
    is_open: bool = False
    """The version still waits for its outcome."""

    @property
    def judges_alone(self) -> bool:
        return self.is_reviewer and self.blinded and self.is_open and not self.has_decided

    @property
    def sees_verdicts(self) -> bool:
        """Whether verdicts of others are shown. While a blinded version is open, neither its author nor a reviewer who
        has not decided sees any."""
        return not (self.judges_alone or (self.is_author and self.blinded and self.is_open))

    @property
    def has_part(self) -> bool:
        """Whether the request's page shows this person the verdicts at all."""
        return self.is_author or self.is_reviewer or self.is_auditor


def sees_comment(comment: CommentLike, viewer: Viewer) -> bool:
    """Own ones, as long as one has a part in the review; others' once published; private ones never as the author;
    blinded reviewers judge alone."""
    if comment.author_id == viewer.pk and (viewer.is_author or viewer.is_reviewer):
        return True
    if comment.published_at is None or viewer.judges_alone:
        return False
    return viewer.is_reviewer or not comment.private


def seen_by(items: Iterable[C], viewer: Viewer) -> list[C]:
    """The comments this viewer may read; a reply is shown only under a comment that is."""
    seen = [item for item in items if sees_comment(item, viewer)]
    roots = {item.pk for item in seen if item.parent_id is None}
    return [item for item in seen if item.parent_id is None or item.parent_id in roots]


def sees_verdict(reviewer: UUID, viewer: Viewer) -> bool:
    """One's own always; others' as `Viewer.sees_verdicts` says."""
    return reviewer == viewer.pk or viewer.sees_verdicts


def verdicts(given: Iterable[Review], viewer: Viewer) -> list[Review]:
    """The verdicts on one version that this viewer may read."""
    return [review for review in given if sees_verdict(review.reviewer_id, viewer)]


def viewer_of(
    version: Version, user: User, reviews: Iterable[Review], *, is_reviewer: bool | None = None
) -> Viewer:
    """Who this person is to this version, now. `reviews` are those of the version; `is_reviewer` saves a query."""
    item = version.request
    if is_reviewer is None:
        is_reviewer = rules.is_reviewer(user, item) is None
    return Viewer(
        pk=user.pk,
        author=item.author_id,
        is_author=rules.is_author(user, item) is None,
        is_reviewer=is_reviewer and item.author_id != user.pk,
        is_auditor=user.is_auditor,
        has_decided=any(review.reviewer_id == user.pk for review in reviews),
        blinded=item.dataset.blinded,
        is_open=item.latest_id == version.pk and item.state in CodeRequest.OPEN,
    )


def is_held(viewer: Viewer, parent: CommentLike | None = None) -> bool:
    """Whether a comment that this viewer writes now stays unpublished until their verdict.

    Reviewers publish their first comments together with the verdict. A reply is held as its `parent` is.
    """
    if viewer.is_author or not viewer.is_open:
        return False
    if parent is not None:
        return parent.published_at is None
    return not viewer.has_decided


def names_reviewers(viewer: Viewer) -> bool:
    """Whether this viewer learns who the reviewers are: the author of a blinded dataset's request does not."""
    return not (viewer.is_author and viewer.blinded)


def shows_name_of(person: UUID, viewer: Viewer) -> bool:
    """Whether this viewer reads the name of somebody who has written on the request."""
    return person in {viewer.pk, viewer.author} or names_reviewers(viewer)


def record_names_reviewers(item: CodeRequest) -> bool:
    """Whether a release's record names reviewers. The author may read it, so that of a blinded dataset does not."""
    return not item.dataset.blinded


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
"""Fields of a run that depend on private rows: they go where the log goes."""
NO_FAILURE = {"close_code": "", "error_class": "", "error_line": None}


def redacted(run: Run, *, reads_log: bool) -> Run:
    """The run as a page shows it: a copy, for showing only, where something is kept back.

    When code ended, how, and how long its outputs took to collect depends on the rows: whoever may not read the log
    sees a run that is running until its end is announced.
    """
    if reads_log:
        return run
    shown = copy(run)
    vars(shown)["state"] = workflow.HEARD.get(run.state, run.state)
    if run.finished_at is None:
        vars(shown).update(NO_FAILURE)
    vars(shown).update(dict.fromkeys(PRIVATE_FACTS), told_at=None)
    return shown


def duration(run: Run, *, now: datetime, reads_log: bool) -> timedelta:
    """How long a run has taken; for those who do not read its log, in the steps in which ends are announced."""
    if run.started_at is None:
        return timedelta()
    end = run.ended_at if reads_log else None
    return (end or run.finished_at or now) - run.started_at
