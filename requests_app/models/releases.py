"""The outputs of a run, held until somebody has checked them, and the decision on their release."""

from django.db import models
from django.db.models import F, Q

from accounts.models import User
from accounts.separation import not_for_overseers
from common.models import BaseModel
from requests_app.models.runs import Run


class Output(BaseModel):
    """One file that a run wrote, held until somebody has checked it."""

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
    extent = models.JSONField(default=dict)
    """How much there is to view; empty until somebody has opened the file."""
    verdict = models.CharField(max_length=10, choices=Verdict, default=Verdict.PENDING)
    comment = models.CharField(max_length=2000, blank=True)
    added_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    bytes_gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="output_names_differ")]

    def __str__(self) -> str:
        return self.name

    @property
    def audit_label(self) -> str:
        """The name in the audit log: only the owner and the reviewers may read the names of held files."""
        return f"An output of {self.run.request}"


class Look(BaseModel):
    """A part of a held file that somebody has viewed."""

    output = models.ForeignKey(Output, on_delete=models.PROTECT, related_name="looks")
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    part = models.CharField(max_length=60)
    cut = models.PositiveIntegerField(default=0)
    """How many cells this part shows only in part; for a long cell, the number of its parts."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["output", "person", "part"], name="a_part_is_noted_once")
        ]

    def __str__(self) -> str:
        return f"{self.output}: {self.part}"


class RefusedOutput(BaseModel):
    """A file that a run wrote and the gates refused, with the reason."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="refused_outputs")
    name = models.CharField(max_length=255)
    reason = models.CharField(max_length=500)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class ReleaseQuerySet(models.QuerySet["Release"]):
    def visible_to(self, user: User) -> "ReleaseQuerySet":
        return self.filter(run__in=Run.objects.visible_to(user).values("pk"))


class Release(BaseModel):
    """The decision on the outputs of a run: held, then released or not, perhaps recalled."""

    class State(models.TextChoices):
        HELD = "held", "Held for the output check"
        CHECKING = "checking", "Being checked"
        RELEASED = "released", "Released"
        REJECTED = "rejected", "Not released"
        CHANGES_REQUESTED = "changes_requested", "Changes requested"
        RECALLED = "recalled", "Recalled"
        EXPIRED = "expired", "Expired unchecked"

    OPEN = (State.HELD, State.CHECKING)
    """The owner side has not decided yet."""
    PUBLIC = (State.RELEASED, State.RECALLED)
    """The outputs have been released, even if they were recalled later."""

    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="release")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, choices=State, default=State.HELD)
    state_changed_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True, max_length=4000)
    record = models.JSONField(default=dict)
    document_salt = models.CharField(max_length=64, blank=True)
    """Hides the author's record in the log's entry; "" if a version released it whose entries hold none."""
    recall_reason = models.CharField(max_length=500, blank=True)
    recalled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    recalled_at = models.DateTimeField(null=True, blank=True)

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ["-state_changed_at"]
        indexes = [models.Index(fields=["state", "state_changed_at"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("author")),
                name="nobody_releases_their_own_output",
            )
        ]
        triggers = [not_for_overseers("decided_by")]

    def __str__(self) -> str:
        return f"Release of {self.run.request}"
