"""What each side sees in which phase of a review: comments, verdicts, names, and what a run used."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from accounts.models import User
from requests_app import rules, workflow
from requests_app.models import CodeRequest, Comment, Review, Run


class SaidBy(Protocol):
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


C = TypeVar("C", bound=SaidBy)

OPEN = (CodeRequest.State.SUBMITTED, CodeRequest.State.IN_REVIEW)
NAMELESS = "A reviewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks: the author, a reviewer (who has or has not decided on this version), or an overseer."""

    pk: UUID
    is_author: bool = False
    is_reviewer: bool = False
    has_decided: bool = False
    blinded: bool = False
    """Reviewers of this dataset judge without knowing of each other until they have decided."""
    is_open: bool = False
    """The version still waits for its outcome."""

    @property
    def judges_alone(self) -> bool:
        return self.is_reviewer and self.blinded and self.is_open and not self.has_decided


def sees_comment(comment: SaidBy, viewer: Viewer) -> bool:
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
    """While a blinded version is open, its reviewers know their own verdict only, and its author none."""
    if reviewer == viewer.pk:
        return True
    waits_blind = viewer.is_author and viewer.blinded and viewer.is_open
    return not (viewer.judges_alone or waits_blind)


# For pages: the same, on a request and a person.


def comments(items: Iterable[Comment], item: CodeRequest, user: User) -> list[Comment]:
    """What of one version's comments this person may read."""
    listed = list(items)
    if not listed:
        return []
    return seen_by(listed, viewer_of(item, user, version=listed[0].version_id))


def reviews(items: Iterable[Review], item: CodeRequest, user: User) -> list[Review]:
    """The verdicts on one version that this person may read."""
    listed = list(items)
    if not listed:
        return []
    viewer = viewer_of(item, user, version=listed[0].version_id)
    return [review for review in listed if sees_verdict(review.reviewer_id, viewer)]


def viewer_of(item: CodeRequest, user: User, *, version: UUID) -> Viewer:
    """Who this person is to this version of the request, now."""
    blinded = item.dataset.blinded
    return Viewer(
        pk=user.pk,
        is_author=rules.is_author(user, item) is None,
        is_reviewer=user.pk != item.author_id and rules.is_reviewer(user, item) is None,
        has_decided=blinded and Review.objects.filter(version=version, reviewer=user).exists(),
        blinded=blinded,
        is_open=item.latest_id == version and item.state in OPEN,
    )


def names_reviewers(item: CodeRequest, user: User) -> bool:
    """On a blinded dataset the author does not learn who the reviewers are."""
    return not (item.dataset.blinded and user.pk == item.author_id)


def name_of(person: User, item: CodeRequest, user: User) -> str:
    """The name of somebody who wrote on this request, as this person may read it."""
    if person.pk in (user.pk, item.author_id) or names_reviewers(item, user):
        return str(person)
    return NAMELESS


AUTHOR_FACTS = (
    "kind",
    "state",
    "close_code",
    "error_class",
    "error_line",
    "created_at",
    "started_at",
    "finished_at",
    "wall_seconds",
    "memory_mb",
    "sha256",
    "environment",
    "environment_sha256",
)
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


def run_facts(*, reads_log: bool) -> tuple[str, ...]:
    """The fields of a run that one may see: what it used depends on the rows, so it goes where the log goes."""
    return AUTHOR_FACTS + PRIVATE_FACTS if reads_log else AUTHOR_FACTS


NO_FAILURE = {"close_code": "", "error_class": "", "error_line": None}


def veil(run: Run, *, reads_log: bool) -> Run:
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
    vars(shown).update(ended_at=None, told_at=None, heartbeat_at=None)
    return shown


def took(run: Run, *, now: datetime, reads_log: bool) -> timedelta:
    """How long a run has taken; for those who do not read its log, in the steps in which ends are announced."""
    if run.started_at is None:
        return timedelta()
    end = run.ended_at if reads_log else None
    return (end or run.finished_at or now) - run.started_at
