"""The comments on a version as threads, with what this viewer may read of them."""

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
EARLIER = 50
"""The versions before one that its page knows of."""
CARRIED = 200
"""The threads of earlier versions that one page shows."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One comment with the name that this viewer may read."""

    comment: Comment
    name: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """A first comment with its replies."""

    comment: Comment
    name: str
    address: str = ""
    replies: list[Reply] = field(default_factory=list)
    origin: Version | None = None
    """The earlier version that this was said about."""
    quoted: str = ""
    """The line it was said about, where that is not to be seen any more."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is said beside one version: on its lines (None is the whole), and what of earlier ones has no line here."""

    by_line: dict[Line, list[Thread]]
    earlier: list[Thread]


def readable(version: Version, viewer: Viewer) -> list[Comment]:
    return visibility.seen_by(version.comments.select_related("author"), viewer)


def earlier_than(version: Version) -> list[Version]:
    """The versions before this one, the latest first."""
    before = Version.objects.filter(request=version.request_id, number__lt=version.number)
    return list(before.select_related("approval").order_by("-number")[:EARLIER])


def of(version: Version, viewer: Viewer, earlier: Sequence[Version]) -> Shown:
    """What this person may read beside a version: of it, and what is open of earlier ones, on the line it has now."""
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
    """What is still open of what an author was told, with the line that it has in what they write now."""
    if not versions:
        return []
    item = versions[0].request
    viewer = Viewer(pk=user.pk, author=item.author_id, is_author=True, blinded=item.dataset.blinded)
    found = Comment.objects.filter(_open(versions, since=None)).select_related("author")
    return _placed(list(found), versions, code, viewer)


def _open(versions: Sequence[Version], *, since: datetime | None) -> Q:
    """Published threads that are not settled, or were settled only since then, with their replies."""

    def holds(root: str) -> Q:
        is_open = Q(**{f"{root}resolved_at": None})
        if since is not None:
            is_open |= Q(**{f"{root}resolved_at__gt": since})
        return is_open & Q(**{f"{root}published_at__isnull": False})

    return Q(version__in=versions) & (
        Q(parent=None) & holds("") | Q(parent__isnull=False) & holds("parent__")
    )


def _threads(said: Iterable[Comment], viewer: Viewer) -> list[Thread]:
    """Comments that may be read, as threads with the names that may be read."""
    by_pk: dict[UUID, Thread] = {}
    for comment in said:
        shown = visibility.shows_name_of(comment.author_id, viewer)
        name = str(comment.author) if shown else visibility.NAMELESS
        address = comment.author.email if shown else ""
        if comment.parent_id is None:
            by_pk[comment.pk] = Thread(comment, name, address)
        elif comment.parent_id in by_pk:
            by_pk[comment.parent_id].replies.append(Reply(comment, name, address))
    return list(by_pk.values())


def _placed(
    said: list[Comment], versions: Sequence[Version], code: str, viewer: Viewer
) -> list[tuple[Thread, Line]]:
    """Threads of earlier versions, the oldest first, each with its line in this code."""
    if not said:
        return []
    # An earlier version is not open any more: what was said of it in a blinded review may be read by then.
    readable = visibility.seen_by(said, replace(viewer, is_open=False))
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


def held(said: Mapping[Line, Sequence[Thread]]) -> int:
    """How many remarks are sent only with the verdict (they are the viewer's own: nobody else's are readable)."""
    return sum(thread.comment.published_at is None for threads in said.values() for thread in threads)


def query_of(request: UserRequest) -> str:
    """How the page was shown, to come back to the same."""
    kept = {name: request.GET[name] for name in KEPT if name in request.GET}
    return f"?{urlencode(kept)}" if kept else ""


def number(text: str | None) -> Line:
    """A line number out of an address, or None."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else None
