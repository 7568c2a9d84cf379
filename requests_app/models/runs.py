"""Runs of code in the sandbox, and their logs."""

from django.db import models
from django.db.models import F, Q

from accounts.models import User
from accounts.separation import not_for_overseers
from common.models import BaseModel
from datasets.models import Revision
from requests_app.models.requests import Approval, CodeRequest, Version
from runner.contract import CloseCode

BY_AUTHOR = Q(asked_by=F("request__author"))


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: User) -> "RunQuerySet":
        """Return the runs of own requests, and of requests they review: on private data, or part of a version.

        What a reviewer tries is for reviewers: the author never sees it, because it says who reviews. Where reviewers
        decide independently, each sees only their own tries. Admins and auditors see all runs on private data.
        """
        if user.oversees:
            return self.filter(kind=Run.Kind.PRIVATE)
        reviewed = CodeRequest.objects.visible_to(user).exclude(author=user).order_by().values("pk")
        to_author = Q(kind=Run.Kind.PRIVATE) | BY_AUTHOR
        to_reviewers = (
            Q(kind=Run.Kind.PRIVATE)
            | Q(version__isnull=False) & BY_AUTHOR
            | Q(asked_by=user)
            | ~BY_AUTHOR & Q(request__dataset__blinded=False)
        )
        return self.filter(Q(request__author=user) & to_author | Q(request__in=reviewed) & to_reviewers)

    def on_mock_by_author(self) -> "RunQuerySet":
        return self.filter(BY_AUTHOR, kind=Run.Kind.MOCK)

    def on_mock_by_reviewers(self) -> "RunQuerySet":
        return self.filter(~BY_AUTHOR, kind=Run.Kind.MOCK)

    def live(self) -> "RunQuerySet":
        return self.filter(state__in=Run.LIVE)

    def working(self) -> "RunQuerySet":
        """Return the runs that have a place: a worker executes them, or their end is not announced yet."""
        return self.filter(state__in=Run.WORKING)

    def in_hand(self) -> "RunQuerySet":
        """Return the runs that a worker executes: their code has not ended."""
        return self.working().filter(ended_at=None)


class Run(BaseModel):
    """One execution of code in the sandbox: on mock data for its author or a reviewer, on private data by approval."""

    class Kind(models.TextChoices):
        MOCK = "mock", "Run on mock data"
        PRIVATE = "private", "Run on private data"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        STARTING = "starting", "Starting"
        RUNNING = "running", "Running"
        COLLECTING = "collecting", "Collecting outputs"
        ENDING = "ending", "Ended, not announced"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLING = "cancelling", "Cancelling"
        CANCELLED = "cancelled", "Cancelled"

    WORKING = (State.STARTING, State.RUNNING, State.COLLECTING, State.ENDING, State.CANCELLING)
    """The run has a place: a worker executes it, or its end is not announced yet."""
    LIVE = (State.QUEUED, *WORKING)
    LIVE_OR_SUCCEEDED = (*LIVE, State.SUCCEEDED)
    FAULTS = (CloseCode.WORKER_LOST, CloseCode.INTERNAL)
    """The codes of runs that failed although the code was not to blame."""
    LOST = Q(state=State.FAILED, close_code__in=FAULTS, opened_at__isnull=False)
    """The run opened the data, and the machine or the portal lost it."""
    COUNTED = Q(state__in=LIVE) | (Q(opened_at__isnull=False) & ~LOST)
    """The run counts against its approval: it is live, or has opened the data and was not lost."""

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
    end_step_seconds = models.PositiveSmallIntegerField(default=10)

    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    close_code = models.CharField(
        max_length=20, blank=True, choices=[(code.value, code.value) for code in CloseCode]
    )
    error_class = models.CharField(max_length=60, blank=True)
    error_line = models.PositiveIntegerField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    kernel = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    missed_beats = models.PositiveSmallIntegerField(default=0)
    announce_at = models.DateTimeField(null=True, blank=True)
    """The earliest time at which the end may be announced."""
    finished_at = models.DateTimeField(null=True, blank=True)
    """The end as announced to everybody: a step after the start, not the moment itself."""
    rung_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    # Private: for the owner and the reviewers (for the author only of their own runs on mock data).
    ended_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    signal = models.IntegerField(null=True, blank=True)
    wall_s = models.FloatField(null=True, blank=True)
    cpu_s = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)
    stdout_bytes = models.BigIntegerField(default=0)
    stderr_bytes = models.BigIntegerField(default=0)
    layers = models.JSONField(default=list)

    objects = RunQuerySet.as_manager()

    @property
    def is_by_reviewer(self) -> bool:
        """Whether a reviewer tries a version on mock data. The author knows nothing of it."""
        return self.kind == self.Kind.MOCK and self.asked_by_id != self.request.author_id

    @property
    def is_counted(self) -> bool:
        """The same condition as COUNTED, for a run in memory."""
        lost = self.state == self.State.FAILED and self.close_code in self.FAULTS
        return self.state in self.LIVE or (self.opened_at is not None and not lost)

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
        triggers = [not_for_overseers("asked_by")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.request}"


class RunLog(BaseModel):
    """What a run wrote to stdout and stderr, bounded. It is as private as the data of the run."""

    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="log")
    stdout = models.TextField(blank=True)
    stderr = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"Log of {self.run}"
