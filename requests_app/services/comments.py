"""Write, delete and resolve comments on a version. A reviewer's comments are published with their verdict."""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common import live, rows
from common.access import require
from common.errors import Conflict, Denied, Refused
from requests_app import notifications, rules, visibility, workflow
from requests_app.audit_entries import record
from requests_app.models import CodeRequest, Comment, Version

State = CodeRequest.State

COMMENT_LIMIT = 4000
COMMENTS_PER_VERSION = 1000
NO_REPLY = "This comment cannot be answered here. Reload the page and reply to the first comment of a thread."
"""One text for all reasons, so that it reveals no comment that is private or not published yet."""


def locked_request(version: Version) -> CodeRequest:
    return CodeRequest.objects.select_for_update(of=("self",)).get(pk=version.request_id)


def comment(
    version: Version,
    *,
    by: User,
    text: str,
    line: int | None = None,
    parent: Comment | None = None,
    private: bool = False,
) -> Comment:
    """Comment on a version, or reply on the line of `parent`. A reviewer's first-level comments are held back until
    their verdict."""
    line = parent.line if parent else line
    with transaction.atomic():
        item = version.request = locked_request(version)
        require(rules.may_comment, by, version)
        _check_comment(version, by=by, text=text, line=line, parent=parent)
        if private and by == item.author:
            raise Refused("Only the owner and the reviewers can write private comments.")
        if by != item.author and item.state == State.SUBMITTED and item.latest_id == version.pk:
            workflow.take("begin_review", item, by=by)
        written = Comment.objects.create(
            version=version,
            author=by,
            text=text.strip(),
            line=line,
            parent=parent,
            private=private or (parent is not None and parent.private),
            published_at=None if _is_held(version, by, parent) else timezone.now(),
        )
        record("comment.write", item, by=by, on=version, private=written.private)
        _announce(written, item)
    return written


def _check_comment(
    version: Version, *, by: User, text: str, line: int | None, parent: Comment | None
) -> None:
    if not text.strip() or len(text) > COMMENT_LIMIT or "\x00" in text:
        raise Refused(f"Write a comment of 1 to {COMMENT_LIMIT:,} characters, without null characters.")
    if line is not None and not 1 <= line <= version.code.count("\n") + 1:
        raise Refused(f"This version has no line {line}. Reload the page and choose one of its lines.")
    if version.comments.count() >= COMMENTS_PER_VERSION:
        raise Refused(f"A version can have at most {COMMENTS_PER_VERSION:,} comments.")
    if parent is not None:
        _check_parent(version, parent, by)


def _check_parent(version: Version, parent: Comment, by: User) -> None:
    if parent.version_id != version.pk or parent.parent_id is not None:
        raise Refused(NO_REPLY)
    if parent.published_at is None and parent.author != by:
        raise Refused(NO_REPLY)
    if parent.private and by == version.request.author:
        raise Refused(NO_REPLY)


def _is_held(version: Version, by: User, parent: Comment | None) -> bool:
    writes = by.pk == version.request.author_id  # may_comment has said that they have a part
    part = visibility.Part(is_author=writes, is_reviewer=not writes)
    viewer = visibility.viewer_of(version, by, version.reviews.filter(reviewer=by), part=part)
    return visibility.is_held(viewer, parent)


def _announce(written: Comment, item: CodeRequest) -> None:
    if written.published_at is not None:
        live.changed("request", item.pk)
        if not written.private:
            notifications.commented(written.version, by=written.author)


def drop_comment(comment: Comment, *, by: User) -> None:
    """Delete your own comment while it is unpublished, with its replies."""
    with transaction.atomic():
        locked = rows.locked(comment)
        if locked.author != by:
            raise Denied("You can only delete your own comments.")
        require(rules.may_comment, by, locked.version)
        if locked.published_at is not None:
            raise Conflict("This comment has been published. Reply to it, or mark it as resolved.")
        locked.replies.all().delete()
        locked.delete()


def resolve(comment: Comment, *, by: User) -> None:
    """Mark a thread as resolved."""
    _set_resolved(comment, by=by, resolver=by)


def unresolve(comment: Comment, *, by: User) -> None:
    """Reopen a resolved thread."""
    _set_resolved(comment, by=by, resolver=None)


def _set_resolved(comment: Comment, *, by: User, resolver: User | None) -> None:
    with transaction.atomic():
        locked = rows.locked(comment)
        require(rules.may_resolve, by, locked)
        if locked.parent_id is not None or locked.published_at is None:
            raise Refused("Only a published thread can be resolved.")
        locked.resolved_by = resolver
        locked.resolved_at = timezone.now() if resolver else None
        locked.save(update_fields=["resolved_by", "resolved_at"])
        live.changed("request", locked.version.request_id)


def publish_comments(version: Version, *, by: User) -> None:
    """Publish the comments that a reviewer has held back."""
    held = version.comments.filter(author=by, published_at=None)
    held.update(published_at=timezone.now())
