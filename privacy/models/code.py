"""Submitted code that answers in blocks of people: its trials on mock data, and how its private blocks ended."""

from typing import ClassVar

from django.db import models

from accounts.models import User
from common.models import BaseModel
from datasets.models import Dataset, Revision
from privacy.models.answers import Answer
from privacy.models.budgets import Budget


class CodeTrialQuerySet(models.QuerySet["CodeTrial"]):
    def visible_to(self, user: User) -> "CodeTrialQuerySet":
        """Return their own trials: what somebody tries on mock data concerns nobody else."""
        return self.filter(budget__in=Budget.objects.held_by(user).order_by().values("pk"))


class CodeTrial(BaseModel):
    """Code tried on mock data, in blocks as they would be on private data. Only tried code can be asked."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for a worker"
        RUNNING = "running", "Being tried"
        DONE = "done", "Tried"
        FAILED = "failed", "Not tried"

    OPEN = (State.WAITING, State.RUNNING)

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="trials")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    question = models.JSONField()
    """The CodeQuestion in its wire form."""
    question_sha256 = models.CharField(max_length=64)
    mu = models.FloatField()
    """The Gaussian DP that the answer may cost: with the public number of people, it gives the number of blocks."""
    asked = models.JSONField()
    """What the scientist has fixed: {"epsilon": …} or {"share": …}."""
    blocks = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    begun_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    progress = models.FloatField(default=0.0)
    """The part that is done, from 0 to 1."""
    report = models.JSONField(default=dict)
    """What came out (execution.code_trials.Report), or `why` nothing did. From mock data alone."""

    objects: ClassVar[models.Manager["CodeTrial"]] = CodeTrialQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Trial for {self.budget}"

    @property
    def is_open(self) -> bool:
        """Whether it is waiting or running."""
        return self.state in self.OPEN


class BlockReportQuerySet(models.QuerySet["BlockReport"]):
    def visible_to(self, user: User) -> "BlockReportQuerySet":
        """Return those about their own datasets: they depend on private rows, so nobody else may read them."""
        own = Dataset.objects.owned_by(user).order_by().values("pk")
        return self.filter(answer__budget__promise__dataset__in=own)


class BlockReport(BaseModel):
    """How the private blocks of an answer ended. Exact, and so for the dataset's owner alone."""

    answer = models.OneToOneField(Answer, on_delete=models.PROTECT, related_name="block_report")
    ends = models.JSONField()
    """The number of block runs by how they ended: ok, failed, time."""
    people = models.PositiveIntegerField()
    """The number of people in all blocks."""
    slowest = models.FloatField()
    """Seconds of the slowest block."""
    wall = models.FloatField()
    """Seconds of all blocks together."""

    objects: ClassVar[models.Manager["BlockReport"]] = BlockReportQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Blocks of {self.answer_id}"
