"""The comments on a version as threads, limited to what the viewer may read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q

from accounts.models import User
from common.http import UserRequest
from requests_app import visibility
from requests_app.code import diffs
from requests_app.models import Comment, Version
from requests_app.visibility import Viewer

Line = int | None
KEPT = ("base", "view", "whole")
CARRIED = 200
"""How many threads of earlier versions one page shows."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply with the name that the viewer may read."""

    comment: Comment
    name: str
    address: str = ""

    @property
    def is_named(self) -> bool:
        """Whether the viewer may read who wrote it."""
        return bool(self.address)


@dataclass(frozen=True, slots=True)
class Thread(Reply):
    """A first-level comment with its replies."""

    replies: list[Reply] = field(default_factory=list)
    origin: Version | None = None
    """The earlier version that the comment was written on."""
    quoted: str = ""
    """The line it was written on, if that line is no longer in the code."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The threads beside one version: by line (None is the whole), and of earlier versions those without a line."""

    by_line: dict[Line, list[Thread]]
    earlier: list[Thread]


def readable(version: Version, viewer: Viewer) -> list[Comment]:
    return visibility.seen_by(version.comments.select_related("author"), viewer)


def of(version: Version, viewer: Viewer, earlier: Sequence[Version]) -> Shown:
    """Return the readable threads: the version's own, and open ones of earlier versions on the lines they have now."""
    asked = Q(version=version)
    if earlier:
        asked |= _open(earlier, since=version.created_at)
    found = list(Comment.objects.filter(asked).select_related("author"))
    own = [comment for comment in found if comment.version_id == version.pk]
    by_line: dict[Line, list[Thread]] = defaultdict(list)
    for thread in _threads(visibility.seen_by(own, viewer), viewer):
        by_line[thread.comment.line].append(thread)
    rest = []
    others = [comment for comment in found if comment.version_id != version.pk]
    for thread, line in _placed(others, earlier, version.code, viewer):
        if line is None:
            rest.append(thread)
        else:
            by_line[line].append(thread)
    return Shown(dict(by_line), rest)


def open_for_author(versions: Sequence[Version], code: str, user: User) -> list[tuple[Thread, Line]]:
    """Return the open threads that an author may read, each with its line in the draft."""
    if not versions:
        return []
    part = visibility.Part(is_author=True, is_reviewer=False)
    viewer = visibility.viewer_of(versions[0], user, (), part=part)
    found = Comment.objects.filter(_open(versions, since=None)).select_related("author")
    return _placed(list(found), versions, code, viewer)


def _open(versions: Sequence[Version], *, since: datetime | None) -> Q:
    """Return a filter for published threads, with replies, that are unresolved or were resolved after `since`."""

    def holds(root: str) -> Q:
        is_open = Q(**{f"{root}resolved_at": None})
        if since is not None:
            is_open |= Q(**{f"{root}resolved_at__gt": since})
        return is_open & Q(**{f"{root}published_at__isnull": False})

    return Q(version__in=versions) & (
        Q(parent=None) & holds("") | Q(parent__isnull=False) & holds("parent__")
    )


def _threads(comments: Iterable[Comment], viewer: Viewer) -> list[Thread]:
    """Return readable comments as threads, with the names that the viewer may read."""
    by_pk: dict[UUID, Thread] = {}
    for comment in comments:
        shown = visibility.shows_name_of(comment.author_id, viewer)
        name = str(comment.author) if shown else visibility.NAMELESS
        address = comment.author.email if shown else ""
        if comment.parent_id is None:
            by_pk[comment.pk] = Thread(comment, name, address)
        elif comment.parent_id in by_pk:
            by_pk[comment.parent_id].replies.append(Reply(comment, name, address))
    return list(by_pk.values())


def _placed(
    comments: list[Comment], versions: Sequence[Version], code: str, viewer: Viewer
) -> list[tuple[Thread, Line]]:
    """Return threads of earlier versions, the oldest first, each with its line in this code."""
    if not comments:
        return []
    # An earlier version is no longer open, so the comments of a blinded review on it may be read.
    readable = visibility.seen_by(comments, replace(viewer, is_open=False))
    by_version = {version.pk: version for version in versions}
    maps: dict[UUID, dict[int, int]] = {}
    placed: list[tuple[Thread, Line]] = []
    for thread in _threads(readable, viewer)[:CARRIED]:
        origin, at = by_version[thread.comment.version_id], thread.comment.line
        if at is None:
            placed.append((replace(thread, origin=origin), None))
            continue
        if origin.pk not in maps:
            maps[origin.pk] = diffs.moved(origin.code, code)
        line = maps[origin.pk].get(at)
        quoted = "" if line else origin.code.split("\n")[at - 1]
        placed.append((replace(thread, origin=origin, quoted=quoted), line))
    return placed


def held(by_line: Mapping[Line, Sequence[Thread]]) -> int:
    """Count the comments that are sent only with the verdict. They are the viewer's own: others' are not readable."""
    return sum(thread.comment.published_at is None for threads in by_line.values() for thread in threads)


def query_of(request: UserRequest) -> str:
    """Return the query of the current view, so that links lead back to the same view."""
    kept = {name: request.GET[name] for name in KEPT if name in request.GET}
    return f"?{urlencode(kept)}" if kept else ""


def number(text: str | None) -> Line:
    """Return a line number from a query, or None."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else None
