"""Comments on a version."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Case, QuerySet, Value, When
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common import heavy_views
from common.http import found
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one
from common.rest.references import ContactReference, NumberedReference, Reference
from requests_app import queries, services, visibility
from requests_app.api.parts import SIDES, require_side
from requests_app.api.requests import own
from requests_app.api.versions import readable
from requests_app.models import Comment, Version
from requests_app.presentation import threads


class CommentItem(Item):
    """A comment, or a reply to one. `author` is null where a reviewer's name is not shown to you."""

    id = serializers.UUIDField()
    version = NumberedReference()
    parent = Reference(source="parent_id", allow_null=True)
    line = serializers.IntegerField(allow_null=True)
    author = serializers.SerializerMethodField()
    text = serializers.CharField()
    private = serializers.BooleanField(help_text="For the owner and the reviewers only.")
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True, help_text="Null: sent with your verdict.")
    resolved_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(ContactReference(allow_null=True))
    def get_author(self, comment: Any) -> dict[str, object] | None:
        return ContactReference(comment.author).data if comment.is_named else None


class NewComment(Body):
    """A comment on a line or on the whole version, or a reply, which is on the line of its parent."""

    text = serializers.CharField(max_length=4000)
    line = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    parent = serializers.UUIDField(  # type: ignore[assignment]  # a serializer's own attribute is something else
        required=False, allow_null=True
    )
    private = serializers.BooleanField(default=False)


def comments(call: Call, version: Version) -> "QuerySet[Comment]":
    """Return the comments on a version that this person may read, each with whether its author is named."""
    viewer = visibility.viewer_of(version, call.user, version.reviews.all())
    seen = visibility.seen_by(version.comments.all(), viewer)
    people = {comment.author_id for comment in seen}
    named = [person for person in people if visibility.shows_name_of(person, viewer)]
    is_named = Case(
        When(author__in=named, then=Value(True)),  # noqa: FBT003 -- a value in SQL
        default=Value(False),  # noqa: FBT003 -- a value in SQL
        output_field=BooleanField(),
    )
    readable_ones = version.comments.filter(pk__in=[comment.pk for comment in seen])
    return readable_ones.select_related("author").annotate(is_named=is_named)


def comment_of(call: Call, pk: UUID) -> Comment:
    """Return a comment that this person may read, on code that they may read."""
    versions = queries.versions(call.user).order_by().values("pk")
    rows = Comment.objects.filter(version__in=versions)
    version = readable(call, one(call, rows, dataset="version__request__dataset", pk=pk).version_id)
    comment = found(comments(call, version), pk=pk)
    comment.version = version
    return comment


def _to_change(call: Call, pk: UUID) -> Comment:
    comment = comment_of(call, pk)
    require_side(call, comment.version.request)
    return comment


class VersionComments(Endpoint):
    """The comments on a version."""

    @lists(CommentItem)
    def get(self, call: Call, pk: UUID) -> "QuerySet[Comment]":
        """List the comments that you may read, replies included."""
        return comments(call, readable(call, pk))

    @creates(CommentItem, body=NewComment, scope=SIDES, again=comment_of, at="api:comment")
    def post(self, call: Call, body: dict[str, Any], pk: UUID) -> Comment:
        """Comment on a version, or reply. A reviewer's comments are sent with their verdict."""
        version = readable(call, pk)
        require_side(call, version.request)
        parent = body.pop("parent", None)
        answered = found(comments(call, version), pk=parent) if parent else None
        written = services.comment(version, by=call.user, parent=answered, **body)
        return comments(call, version).get(pk=written.pk)


class ThreadItem(Item):
    """A comment with its replies, beside the code as it is now."""

    line = serializers.IntegerField(
        allow_null=True, help_text="In this code. Null: on the whole, or on a line that is no longer in it."
    )
    quoted = serializers.CharField(help_text="The line that it was written on, if that is no longer there.")
    comment = CommentItem()
    replies = CommentItem(many=True)


class ThreadsItem(Item):
    """Comments by the lines that they are about now."""

    threads = ThreadItem(many=True)


class VersionThreads(Endpoint):
    """The threads beside a version."""

    @reads(ThreadsItem)
    def get(self, call: Call, pk: UUID) -> dict[str, Any]:
        """Read the threads on a version, and open ones of earlier versions, on the lines that their code has now."""
        version = readable(call, pk)
        viewer = visibility.viewer_of(version, call.user, list(version.reviews.all()))
        earlier = queries.earlier_than(version)
        with heavy_views.turn(heavy_views.COMPUTING, call):
            shown = threads.of(version, viewer, earlier)
        placed = [(thread, line) for line, each in shown.by_line.items() for thread in each]
        return _threads([*placed, *((thread, None) for thread in shown.earlier)], [version, *earlier])


class RequestThreads(Endpoint):
    """The open threads beside a draft."""

    @reads(ThreadsItem)
    def get(self, call: Call, pk: UUID) -> dict[str, Any]:
        """Read the open threads on your request, on the lines that your draft has now."""
        item = own(call, pk)
        if item.latest is None:
            return {"threads": []}
        item.latest.request = item
        versions = [item.latest, *queries.earlier_than(item.latest)]
        with heavy_views.turn(heavy_views.COMPUTING, call):
            placed = threads.open_for_author(versions, item.code, call.user)
        return _threads(placed, versions)


def _threads(
    placed: Iterable[tuple[threads.Thread, threads.Line]], versions: Sequence[Version]
) -> dict[str, Any]:
    """Return placed threads as they are sent: with the versions that they were written on, by line."""
    by_pk = {version.pk: version for version in versions}

    def said(remark: threads.Thread | threads.Reply) -> Comment:
        comment = remark.comment
        comment.version = by_pk[comment.version_id]
        comment.is_named = remark.is_named  # type: ignore[attr-defined]  # as `comments` annotates it
        return comment

    found = [
        {
            "line": line,
            "quoted": thread.quoted,
            "comment": said(thread),
            "replies": [said(each) for each in thread.replies],
        }
        for thread, line in placed
    ]
    return {"threads": sorted(found, key=lambda each: each["line"] or 0)}


class VersionComment(Endpoint):
    """One comment."""

    @reads(CommentItem)
    def get(self, call: Call, pk: UUID) -> Comment:
        """Read a comment."""
        return comment_of(call, pk)

    @acts(None, scope=SIDES)
    def delete(self, call: Call, pk: UUID) -> None:
        """Delete your own comment, as long as it is not published."""
        services.drop_comment(_to_change(call, pk), by=call.user)


class CommentResolve(Endpoint):
    """The end of a thread."""

    @acts(CommentItem, scope=SIDES)
    def post(self, call: Call, pk: UUID) -> Comment:
        """Mark a thread as resolved."""
        services.resolve(_to_change(call, pk), by=call.user)
        return comment_of(call, pk)


class CommentUnresolve(Endpoint):
    """The reopening of a thread."""

    @acts(CommentItem, scope=SIDES)
    def post(self, call: Call, pk: UUID) -> Comment:
        """Reopen a resolved thread."""
        services.unresolve(_to_change(call, pk), by=call.user)
        return comment_of(call, pk)
