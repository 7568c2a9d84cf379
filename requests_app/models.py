"""The review lane: a request for code to run, its versions, reviews, runs, outputs and releases."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models import User
from common.models import Thing
from datasets.models import Dataset, Revision
from runner.contract import CloseCode

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


class CodeRequestQuerySet(models.QuerySet["CodeRequest"]):
    def visible_to(self, user: User) -> "CodeRequestQuerySet":
        """Own requests; of the datasets one owns or reviews, those once submitted; all submitted for auditors."""
        submitted = ~Q(state=CodeRequest.State.DRAFT)
        if user.is_auditor:
            return self.filter(Q(author=user) | submitted)
        seats = Q(dataset__owner=user) | Q(dataset__reviewers__user=user)
        return self.filter(Q(author=user) | (submitted & seats)).distinct()


class CodeRequest(Thing):
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

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="code_requests")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="code_requests")
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=20, choices=State, default=State.DRAFT)
    state_reason = models.TextField(blank=True, max_length=4000)
    state_changed_at = models.DateTimeField(auto_now_add=True)
    latest = models.ForeignKey("Version", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    # The draft: what the author is writing now. A version is a frozen copy of it.
    code = models.TextField(blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    purpose = models.TextField(blank=True, max_length=4000)
    context = models.TextField(blank=True, max_length=4000)
    outputs = models.TextField(blank=True, max_length=2000)
    draft_number = models.PositiveIntegerField(default=0)
    draft_saved_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["CodeRequest"]] = CodeRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-state_changed_at"]
        indexes = [
            models.Index(fields=["state", "state_changed_at"]),
            models.Index(fields=["author", "state"]),
            models.Index(fields=["dataset", "state"]),
        ]

    def __str__(self) -> str:
        return self.title


class Version(Thing):
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


class Review(Thing):
    """One reviewer's verdict on one version."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approve"
        REQUEST_CHANGES = "request_changes", "Request changes"
        REJECT = "reject", "Reject"

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reviews")
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
        ]
        triggers = [pgtrigger.Protect(name="reviews_do_not_change", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.reviewer}"


class Comment(Thing):
    """A remark on a line of a version (or on the whole); replies hang below it. Held back until the verdict."""

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

    def __str__(self) -> str:
        return self.text[:60]


class Approval(Thing):
    """Leave to run one version: this code, this revision, these parameters, so often, until then."""

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


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: User) -> "RunQuerySet":
        """Own runs; runs on private data of the requests one may see; an admin sees that runs exist."""
        if user.is_admin or user.is_auditor:
            return self.filter(Q(request__author=user) | Q(kind=Run.Kind.PRIVATE))
        requests = CodeRequest.objects.visible_to(user).values("pk")  # type: ignore[attr-defined]
        return self.filter(
            Q(request__author=user) | (Q(kind=Run.Kind.PRIVATE) & Q(request__in=requests))
            | Q(kind=Run.Kind.MOCK, version__isnull=False, request__in=requests)
        )

    def live(self) -> "RunQuerySet":
        return self.filter(state__in=Run.LIVE)

    def working(self) -> "RunQuerySet":
        """Runs that a worker has in hand."""
        return self.filter(state__in=Run.WORKING)


class Run(Thing):
    """One execution of code in the sandbox: on mock data for its author, or on private data by approval."""

    class Kind(models.TextChoices):
        MOCK = "mock", "Try on mock data"
        PRIVATE = "private", "Run on private data"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        STARTING = "starting", "Starting"
        RUNNING = "running", "Running"
        COLLECTING = "collecting", "Collecting outputs"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLING = "cancelling", "Cancelling"
        CANCELLED = "cancelled", "Cancelled"

    WORKING = (State.STARTING, State.RUNNING, State.COLLECTING, State.CANCELLING)
    LIVE = (State.QUEUED, *WORKING)

    kind = models.CharField(max_length=10, choices=Kind)
    request = models.ForeignKey(CodeRequest, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, null=True, blank=True, related_name="runs")
    approval = models.ForeignKey(
        Approval, on_delete=models.PROTECT, null=True, blank=True, related_name="runs"
    )
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    code = models.TextField()
    sha256 = models.CharField(max_length=64)
    parameters = models.JSONField(default=dict)
    environment = models.CharField(max_length=63)
    environment_sha256 = models.CharField(max_length=64)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    key = models.UUIDField(unique=True)
    wall_seconds = models.PositiveIntegerField()
    memory_mb = models.PositiveIntegerField()

    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    close_code = models.CharField(
        max_length=20, blank=True, choices=[(code.value, code.value) for code in CloseCode]
    )
    error_class = models.CharField(max_length=60, blank=True)
    error_line = models.PositiveIntegerField(null=True, blank=True)
    waits_for = models.CharField(max_length=200, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    # Private: for the owner and the reviewers (for the author only when on mock data).
    exit_code = models.IntegerField(null=True, blank=True)
    signal = models.IntegerField(null=True, blank=True)
    wall_s = models.FloatField(null=True, blank=True)
    cpu_s = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)
    stdout_bytes = models.BigIntegerField(default=0)
    stderr_bytes = models.BigIntegerField(default=0)
    layers = models.JSONField(default=list)

    objects: ClassVar[models.Manager["Run"]] = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "created_at"]), models.Index(fields=["request", "kind"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="mock", approval=None)
                | Q(kind="private", approval__isnull=False, version__isnull=False),
                name="private_data_needs_an_approval",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.request}"


class RunLog(Thing):
    """What a run wrote to its streams, bounded. As private as the data it ran on."""

    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="log")
    stdout = models.TextField(blank=True)
    stderr = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"Log of {self.run}"


class Output(Thing):
    """One file that a run wrote: held until somebody has looked at it."""

    class Verdict(models.TextChoices):
        PENDING = "pending", "Not checked yet"
        RELEASE = "release", "Release"
        WITHHOLD = "withhold", "Withhold"

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="outputs")
    name = models.CharField(max_length=64)
    type = models.CharField(max_length=10)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    checks = models.JSONField(default=list)
    verdict = models.CharField(max_length=10, choices=Verdict, default=Verdict.PENDING)
    comment = models.CharField(max_length=2000, blank=True)
    bytes_gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="output_names_differ")]

    def __str__(self) -> str:
        return self.name


class RefusedOutput(Thing):
    """A file that a run wrote and the gates did not let out, with the reason."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="refused_outputs")
    name = models.CharField(max_length=255)
    reason = models.CharField(max_length=500)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class ReleaseQuerySet(models.QuerySet["Release"]):
    def visible_to(self, user: User) -> "ReleaseQuerySet":
        return self.filter(run__in=Run.objects.visible_to(user).values("pk"))  # type: ignore[attr-defined]


class Release(Thing):
    """The decision on what a run wrote: held, then let out, refused, or called back."""

    class State(models.TextChoices):
        HELD = "held", "Held for the output check"
        CHECKING = "checking", "Being checked"
        RELEASED = "released", "Released"
        REJECTED = "rejected", "Not released"
        CHANGES_REQUESTED = "changes_requested", "Changes requested"
        RECALLED = "recalled", "Recalled"
        EXPIRED = "expired", "Expired unchecked"

    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="release")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, choices=State, default=State.HELD)
    state_changed_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True, max_length=4000)
    record = models.JSONField(default=dict)
    recall_reason = models.CharField(max_length=500, blank=True)
    recalled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    recalled_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["Release"]] = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ["-state_changed_at"]
        indexes = [models.Index(fields=["state", "state_changed_at"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("author")),
                name="nobody_releases_their_own_output",
            )
        ]

    def __str__(self) -> str:
        return f"Release of {self.run.request}"
