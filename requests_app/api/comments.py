"""Comments on a version."""

from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Case, QuerySet, Value, When
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.http import found
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one
from common.rest.references import ContactReference, NumberedReference, Reference
from requests_app import queries, services, visibility
from requests_app.api.parts import SIDES, require_side
from requests_app.api.versions import readable
from requests_app.models import Comment, Version


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
    return readable_ones.select_related("author", "version").annotate(is_named=is_named)


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
