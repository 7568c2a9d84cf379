"""What reviewers do: look, comment, decide, take back."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from audit import log
from common import live
from common.access import require
from common.errors import Conflict, Denied, Refused
from requests_app import notifications, rules, stopping, workflow
from requests_app.models import Approval, CodeRequest, Comment, Review, Version

State, Verdict = CodeRequest.State, Review.Verdict
STALE = "This is stale: a newer version was submitted. Look again before you decide."
OPEN = (State.SUBMITTED, State.IN_REVIEW)
COMMENT_LIMIT = 4000
COMMENTS_PER_VERSION = 1000


def begin_review(version: Version, *, by: User) -> None:
    """A reviewer has opened the review; the author sees that it is being looked at."""
    with transaction.atomic():
        item = _lock(version)
        require(rules.begin_review, by, item)
        _refuse_stale(item, version)
        if item.state != State.IN_REVIEW:
            workflow.take("begin_review", item, by=by)


def _lock(version: Version) -> CodeRequest:
    return CodeRequest.objects.select_for_update(of=("self",)).get(pk=version.request_id)


def _refuse_stale(item: CodeRequest, version: Version) -> None:
    if item.latest_id != version.pk:
        raise Conflict(STALE)


# Comments


def comment(
    version: Version,
    *,
    by: User,
    text: str,
    line: int | None = None,
    parent: Comment | None = None,
    private: bool = False,
) -> Comment:
    """Remark on a version; a reviewer's remarks of the first level are held until their verdict."""
    with transaction.atomic():
        item = _lock(version)
        require(rules.comment, by, version)
        _check_comment(version, by=by, text=text, line=line, parent=parent)
        if private and by == item.author:
            raise Refused("A private comment is for the owner and the reviewers.")
        if by != item.author and item.state == State.SUBMITTED and item.latest_id == version.pk:
            workflow.take("begin_review", item, by=by)
        said = Comment.objects.create(
            version=version,
            author=by,
            text=text.strip(),
            line=line,
            parent=parent,
            private=private or (parent is not None and parent.private),
            published_at=None if _is_held(item, version, by, parent) else timezone.now(),
        )
        log.record(
            "comment.write",
            by=by,
            on=version,
            dataset_id=item.dataset_id,
            person_id=item.author_id,
            private=said.private,
        )
        _tell_of(said, item)
    return said


def _check_comment(
    version: Version, *, by: User, text: str, line: int | None, parent: Comment | None
) -> None:
    if not text.strip() or len(text) > COMMENT_LIMIT or "\x00" in text:
        raise Refused(f"A comment has between 1 and {COMMENT_LIMIT:,} characters.")
    if line is not None and not 1 <= line <= version.code.count("\n") + 1:
        raise Refused("The code has no such line.")
    if version.comments.count() >= COMMENTS_PER_VERSION:
        raise Refused(f"A version has room for {COMMENTS_PER_VERSION:,} comments.")
    if parent is not None:
        _check_parent(version, parent, by)


def _check_parent(version: Version, parent: Comment, by: User) -> None:
    if parent.version_id != version.pk or parent.parent_id is not None:
        raise Refused("This comment cannot be answered here.")
    if parent.published_at is None and parent.author != by:
        raise Refused("This comment cannot be answered here.")
    if parent.private and by == version.request.author:
        raise Refused("This comment cannot be answered here.")


def _is_held(item: CodeRequest, version: Version, by: User, parent: Comment | None) -> bool:
    """Until one has decided, what one notes down is one's own: a batch, not a stream."""
    if by == item.author or item.state not in OPEN or item.latest_id != version.pk:
        return False
    if parent is not None:
        return parent.published_at is None
    return not version.reviews.filter(reviewer=by).exists()


def _tell_of(said: Comment, item: CodeRequest) -> None:
    if said.published_at is not None:
        live.changed("request", item.pk)
        if not said.private:
            notifications.commented(said.version, by=said.author)


def drop_comment(comment: Comment, *, by: User) -> None:
    """Take back a remark of one's own that nobody else has seen."""
    with transaction.atomic():
        locked = Comment.objects.select_for_update().get(pk=comment.pk)
        if locked.author != by:
            raise Denied("You can only take back your own comments.")
        if locked.published_at is not None:
            raise Conflict("This comment is published. Answer it, or mark it as resolved.")
        locked.replies.all().delete()
        locked.delete()


def resolve(comment: Comment, *, by: User) -> None:
    """Mark a thread as settled."""
    _set_resolved(comment, by=by, resolver=by)


def unresolve(comment: Comment, *, by: User) -> None:
    """Open a settled thread again."""
    _set_resolved(comment, by=by, resolver=None)


def _set_resolved(comment: Comment, *, by: User, resolver: User | None) -> None:
    with transaction.atomic():
        locked = Comment.objects.select_for_update(of=("self",)).get(pk=comment.pk)
        require(rules.resolve, by, locked)
        if locked.parent_id is not None or locked.published_at is None:
            raise Refused("Only a published thread can be resolved.")
        locked.resolved_by = resolver
        locked.resolved_at = timezone.now() if resolver else None
        locked.save(update_fields=["resolved_by", "resolved_at"])
        live.changed("request", locked.version.request_id)


# The verdict


def review(  # noqa: PLR0913 -- a verdict with its scope, each part named at the call
    version: Version,
    *,
    by: User,
    seen: str,
    verdict: str,
    comment: str = "",
    runs: int | None = None,
    days: int | None = None,
) -> Review:
    """Give a verdict on the code with the hash `seen`; the last approval needed makes the approval."""
    if verdict not in Verdict.values:
        raise Refused("A verdict is to approve, to request changes, or to reject.")
    with transaction.atomic():
        item = _lock(version)
        require(rules.decide, by, item)
        _refuse_stale(item, version)
        if seen != version.sha256:
            raise Conflict(STALE)
        scope = _scope(item, runs, days) if verdict == Verdict.APPROVE else (None, None)
        _check_words(verdict, comment)
        words = "" if verdict == Verdict.APPROVE else comment.strip()
        changed = workflow.take(_step(item, version, verdict), item, by=by, state_reason=words)
        given = Review.objects.create(
            version=version,
            reviewer=by,
            author=item.author,
            verdict=verdict,
            comment=comment.strip(),
            runs=scope[0],
            days=scope[1],
        )
        if changed.state == State.APPROVED:
            _approve(version)
        publish_comments(version, by=by)
        given.version.request = changed
        notifications.reviewed(given)
    return given


def _scope(item: CodeRequest, runs: int | None, days: int | None) -> tuple[int, int]:
    dataset = item.dataset
    runs = dataset.max_runs if runs is None else runs
    days = dataset.approval_days if days is None else days
    if not 1 <= runs <= dataset.max_runs:
        raise Refused(f"This dataset allows between 1 and {dataset.max_runs} runs.")
    if not 1 <= days <= dataset.approval_days:
        raise Refused(f"This dataset allows between 1 and {dataset.approval_days} days.")
    return runs, days


def _check_words(verdict: str, comment: str) -> None:
    if len(comment) > 10_000 or "\x00" in comment:
        raise Refused("The comment is longer than 10,000 characters.")
    if verdict != Verdict.APPROVE and not comment.strip():
        raise Refused("Say what has to change, or why not: the author cannot guess it.")


def _step(item: CodeRequest, version: Version, verdict: str) -> str:
    if verdict != Verdict.APPROVE:
        return verdict
    return "approve" if len(standing(version)) + 1 >= item.dataset.reviewers_needed else "endorse"


def standing(version: Version) -> list[Review]:
    """The approvals of people who still hold a seat."""
    dataset = version.request.dataset
    seats = Q(reviewer=dataset.owner) | Q(reviewer__in=dataset.reviewers.values("user"))
    return list(version.reviews.filter(seats, verdict=Verdict.APPROVE, reviewer__is_active=True))


def _approve(version: Version) -> Approval:
    """The narrowest scope that the reviewers agree on."""
    approvals = standing(version)
    runs = min(given.runs for given in approvals if given.runs is not None)
    days = min(given.days for given in approvals if given.days is not None)
    return Approval.objects.create(
        version=version,
        sha256=version.sha256,
        runs_allowed=runs,
        expires_at=timezone.now() + timedelta(days=days),
    )


def publish_comments(version: Version, *, by: User) -> None:
    """Let out what a reviewer had noted down."""
    held = version.comments.filter(author=by, published_at=None)
    held.update(published_at=timezone.now())


def revoke(item: CodeRequest, *, by: User, reason: str) -> CodeRequest:
    """End an approval with a reason; what runs on it is cancelled."""
    reason = _reason(reason)
    with transaction.atomic():
        changed = workflow.take("revoke", item, by=by, state_reason=reason)
        stopping.end_approval(changed, by=by, why=reason)
    return changed


def _reason(text: str) -> str:
    if not text.strip() or len(text) > 500 or "\x00" in text:
        raise Refused("Give a reason, of at most 500 characters: the person concerned reads it.")
    return text.strip()
