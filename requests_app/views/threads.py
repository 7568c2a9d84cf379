"""The comments on a version as threads, with what this viewer may read of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from accounts.models import User
from common.http import UserRequest
from requests_app import rules, visibility
from requests_app.models import Comment, Review, Version
from requests_app.visibility import Viewer

Line = int | None
KEPT = ("base", "view", "whole")


@dataclass(frozen=True, slots=True)
class Said:
    """One comment with the name that this viewer may read."""

    comment: Comment
    name: str


@dataclass(frozen=True, slots=True)
class Thread:
    """A first comment with its replies."""

    comment: Comment
    name: str
    replies: list[Said] = field(default_factory=list)


def viewer_of(
    version: Version, user: User, reviews: Sequence[Review], *, is_reviewer: bool | None = None
) -> Viewer:
    """Who looks at this version, as far as it decides what they may read. `is_reviewer` when it is known already."""
    if is_reviewer is None:
        is_reviewer = rules.is_reviewer(user, version.request) is None
    item = version.request
    is_open = item.latest_id == version.pk and item.state in visibility.OPEN
    return Viewer(
        pk=user.pk,
        is_author=item.author_id == user.pk,
        is_reviewer=is_reviewer and item.author_id != user.pk,
        has_decided=any(review.reviewer_id == user.pk for review in reviews),
        blinded=item.dataset.blinded,
        is_open=is_open,
    )


def readable(version: Version, viewer: Viewer) -> list[Comment]:
    return visibility.seen_by(version.comments.select_related("author"), viewer)


def verdicts(given: Sequence[Review], viewer: Viewer) -> list[Review]:
    return [review for review in given if visibility.sees_verdict(review.reviewer_id, viewer)]


def named(viewer: Viewer) -> bool:
    """Whether this person learns who the reviewers are."""
    return not (viewer.is_author and viewer.blinded)


def of(version: Version, viewer: Viewer) -> dict[Line, list[Thread]]:
    """What this person may read of the comments on a version, by line; None is the version as a whole."""
    names = named(viewer)
    by_pk: dict[UUID, Thread] = {}
    by_line: dict[Line, list[Thread]] = defaultdict(list)
    for comment in readable(version, viewer):
        shown = names or comment.author_id in {viewer.pk, version.request.author_id}
        name = str(comment.author) if shown else visibility.NAMELESS
        if comment.parent_id is None:
            by_pk[comment.pk] = Thread(comment, name)
            by_line[comment.line].append(by_pk[comment.pk])
        else:
            by_pk[comment.parent_id].replies.append(Said(comment, name))
    return dict(by_line)


def held(said: Mapping[Line, Sequence[Thread]]) -> int:
    """How many remarks are sent only with the verdict (they are the viewer's own: nobody else's are readable)."""
    return sum(thread.comment.published_at is None for threads in said.values() for thread in threads)


def will_hold(viewer: Viewer) -> bool:
    """Whether a remark made now waits for the verdict."""
    return not (viewer.is_author or viewer.has_decided) and viewer.is_open


def query_of(request: UserRequest) -> str:
    """How the page was shown, to come back to the same."""
    kept = {name: request.GET[name] for name in KEPT if name in request.GET}
    return f"?{urlencode(kept)}" if kept else ""


def number(text: str | None) -> Line:
    """A line number out of an address, or None."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else None
