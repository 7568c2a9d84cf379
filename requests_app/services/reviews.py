"""What reviewers do with a version: begin a review, give a verdict, revoke an approval."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common.access import require
from common.errors import Conflict, Refused
from common.reasons import note
from common.reasons import reason as written_reason
from requests_app import notifications, rules, visibility, workflow
from requests_app.execution import cancellation
from requests_app.models import Approval, CodeRequest, Review, Version
from requests_app.services.comments import State, locked_request, publish_comments

Verdict = Review.Verdict

COMMENT_LIMIT = 10_000
STALE = "A newer version has been submitted. Read it before you decide."


def begin_review(version: Version, *, by: User) -> None:
    """Mark the request as in review, which its author can see."""
    with transaction.atomic():
        item = locked_request(version)
        require(rules.may_begin_review, by, item)
        _refuse_stale(item, version)
        if item.state != State.IN_REVIEW:
            workflow.proceed("begin_review", item, by=by)


def _refuse_stale(item: CodeRequest, version: Version) -> None:
    if item.latest_id != version.pk:
        raise Conflict(STALE)


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
    """Give a verdict on the code with the hash `seen`. The last approval needed creates the Approval.

    Raises Conflict when `version` is not the latest, or `seen` is not its hash.
    """
    if verdict not in Verdict.values:
        raise Refused("Choose a verdict: approve, request changes, or reject.")
    with transaction.atomic():
        item = locked_request(version)
        require(rules.may_review, by, item)
        _refuse_stale(item, version)
        if seen != version.sha256:
            raise Conflict(STALE)
        scope = _scope(item, runs, days) if verdict == Verdict.APPROVE else (None, None)
        words = _words(verdict, comment)
        reason = "" if verdict == Verdict.APPROVE else words
        if verdict == Verdict.APPROVE:  # the rest of may_approve
            require(rules.latest_revision_is_current, by, item)
        changed = workflow.proceed(_step(item, version, verdict), item, by=by, state_reason=reason)
        given = Review.objects.create(
            version=version,
            reviewer=by,
            author=item.author,
            verdict=verdict,
            comment=words,
            runs=scope[0],
            days=scope[1],
        )
        if changed.state == State.APPROVED:
            _approve(version)
        publish_comments(version, by=by)
        given.version.request = changed
        if visibility.announces_verdict(given):
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


def _words(verdict: str, comment: str) -> str:
    words = note(comment, COMMENT_LIMIT)
    if verdict != Verdict.APPROVE and not words:
        raise Refused("Tell the author what has to change, or why you reject it.")
    return words


def _step(item: CodeRequest, version: Version, verdict: str) -> str:
    if verdict != Verdict.APPROVE:
        return verdict
    return "approve" if len(standing(version)) + 1 >= item.dataset.reviewers_needed else "endorse"


def standing(version: Version) -> list[Review]:
    """Return the approvals by people who may still review: some may have lost their role since."""
    people = version.request.dataset.reviewing_people().order_by().values("pk")
    return list(version.reviews.filter(reviewer__in=people, verdict=Verdict.APPROVE))


def _approve(version: Version) -> Approval:
    """Create the approval with the narrowest scope that the reviewers have given."""
    approvals = standing(version)
    runs = min(given.runs for given in approvals if given.runs is not None)
    days = min(given.days for given in approvals if given.days is not None)
    return Approval.objects.create(
        version=version,
        sha256=version.sha256,
        runs_allowed=runs,
        expires_at=timezone.now() + timedelta(days=days),
    )


def revoke(item: CodeRequest, *, by: User, reason: str) -> CodeRequest:
    """End an approval with a reason, and cancel its runs."""
    reason = written_reason(reason)
    with transaction.atomic():
        changed = workflow.take("revoke", item, by=by, state_reason=reason)
        cancellation.end_approval(changed, by=by, why=reason)
    return changed
