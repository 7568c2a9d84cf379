"""Requests to run code, their versions, and the reviews, comments and approvals on them."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models import User
from accounts.separation import not_for_overseers
from common.models import BaseModel
from datasets.models import Dataset, Revision

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete
SUBMITTED = Q(latest__isnull=False)


class CodeRequestQuerySet(models.QuerySet["CodeRequest"]):
    def visible_to(self, user: User) -> "CodeRequestQuerySet":
        """Return own requests, and submitted ones on datasets the user owns or reviews; auditors see all submitted."""
        if user.oversees:
            return self.filter(SUBMITTED) if user.is_auditor else self.none()
        reviewed = Dataset.objects.reviewed_by(user).order_by().values("pk")
        return self.filter(Q(author=user) | (SUBMITTED & Q(dataset__in=reviewed)))

    def written_by(self, user: User) -> "CodeRequestQuerySet":
        """Return the requests this person has written; none while they hold an overseeing role."""
        return self.none() if user.oversees else self.filter(author=user)

    def to_review_by(self, user: User) -> "CodeRequestQuerySet":
        """Return the requests that wait for this person's verdict."""
        given = Review.objects.filter(version=models.OuterRef("latest"), reviewer=user)
        datasets = Dataset.objects.reviewed_by(user).order_by().values("pk")
        waiting = self.filter(state__in=CodeRequest.OPEN, dataset__in=datasets)
        return waiting.exclude(author=user).exclude(models.Exists(given))

    def known_to(self, user: User) -> "CodeRequestQuerySet":
        """Return the requests that this user may know exist: those they may read; admins know all submitted."""
        return self.filter(SUBMITTED) if user.is_admin else self.visible_to(user)


class CodeRequest(BaseModel):
    """What a scientist wants to run on a dataset, from draft to decision."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        SUBMITTED = "submitted", "Waiting for a review"
        IN_REVIEW = "in_review", "In review"
        APPROVED = "approved", "Approved"
        CHANGES_REQUESTED = "changes_requested", "Changes requested"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"
        REVOKED = "revoked", "Approval revoked"
        EXPIRED = "expired", "Approval expired"

    OPEN = (State.SUBMITTED, State.IN_REVIEW)
    """The latest version is waiting for verdicts."""
    UNDECIDED = (*OPEN, State.APPROVED, State.CHANGES_REQUESTED)
    """What was submitted may still be approved or run."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="code_requests")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="code_requests")
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=20, choices=State, default=State.DRAFT)
    state_reason = models.TextField(blank=True, max_length=4000)
    state_changed_at = models.DateTimeField(auto_now_add=True)
    latest = models.ForeignKey("Version", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    # The draft: what the author is writing now. A version is an immutable copy of it.
    code = models.TextField(blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    purpose = models.TextField(blank=True, max_length=4000)
    context = models.TextField(blank=True, max_length=4000)
    outputs = models.TextField(blank=True, max_length=2000)
    environment = models.CharField(max_length=63, default="default")
    draft_number = models.PositiveIntegerField(default=0)
    draft_saved_at = models.DateTimeField(null=True, blank=True)

    objects = CodeRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-state_changed_at"]
        indexes = [
            models.Index(fields=["state", "state_changed_at"]),
            models.Index(fields=["author", "state"]),
            models.Index(fields=["dataset", "state"]),
        ]
        triggers = [not_for_overseers("author")]

    def __str__(self) -> str:
        return self.title


class Version(BaseModel):
    """One immutable submission of a request's code, with everything that its run depends on."""

    request = models.ForeignKey(CodeRequest, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    code = models.TextField()
    sha256 = models.CharField(max_length=64)
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    environment = models.CharField(max_length=63)
    environment_sha256 = models.CharField(max_length=64)
    parameters = models.JSONField(default=dict)
    purpose = models.TextField()
    context = models.TextField()
    outputs = models.TextField(blank=True)
    findings = models.JSONField(default=list)
    key = models.UUIDField(unique=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["request", "number"], name="versions_are_numbered")]
        triggers = [pgtrigger.Protect(name="versions_do_not_change", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{self.request}, version {self.number}"


class Review(BaseModel):
    """One reviewer's verdict on one version."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approve"
        REQUEST_CHANGES = "request_changes", "Request changes"
        REJECT = "reject", "Reject"

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reviews")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=20, choices=Verdict)
    comment = models.TextField(blank=True, max_length=10_000)
    runs = models.PositiveSmallIntegerField(null=True, blank=True)
    days = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["version", "reviewer"], name="one_verdict_per_reviewer"),
            models.CheckConstraint(
                condition=Q(verdict="approve") | ~Q(comment=""), name="a_negative_verdict_says_why"
            ),
            models.CheckConstraint(
                condition=~Q(reviewer=F("author")), name="nobody_reviews_their_own_request"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="reviews_do_not_change", operation=IMMUTABLE),
            not_for_overseers("reviewer"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.reviewer}"


class Comment(BaseModel):
    """A comment on a line of a version or on the whole, or a reply. A reviewer's is held back until their verdict."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    line = models.PositiveIntegerField(null=True, blank=True)
    text = models.TextField(max_length=4000)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replies"
    )
    private = models.BooleanField(default=False)
    published_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["created_at"]
        triggers = [not_for_overseers("author")]

    def __str__(self) -> str:
        return self.text[:60]


class Approval(BaseModel):
    """Permission to run one version: its code, revision and parameters, a number of times, until it expires."""

    version = models.OneToOneField(Version, on_delete=models.PROTECT, related_name="approval")
    sha256 = models.CharField(max_length=64)
    runs_allowed = models.PositiveSmallIntegerField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    end_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Approval of {self.version}"
