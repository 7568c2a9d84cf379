"""Questions that were asked, alone or in a batch, and their answers."""

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from audit import documents
from common.models import BaseModel
from datasets.models import Revision
from privacy.models.budgets import Budget, LedgerLine
from privacy.models.promises import IMMUTABLE


class AnswerQuerySet(models.QuerySet["Answer"]):
    def visible_to(self, user: User) -> "AnswerQuerySet":
        """Return their own answers, and those on their own datasets; all for auditors, none for admins."""
        if user.oversees:
            return self if user.is_auditor else self.none()
        return self.filter(budget__in=Budget.objects.visible_to(user).order_by().values("pk"))

    def out(self) -> "AnswerQuerySet":
        """Return answers whose figures may be shown: released, and their public time has come."""
        return self.filter(state=Answer.State.RELEASED, visible_at__lte=timezone.now())

    def in_state(self, state: str) -> "AnswerQuerySet":
        """Return answers in this state as people see it: released ones are pending until their public time has come."""
        match state:
            case Answer.State.RELEASED:
                return self.out()
            case Answer.State.PENDING:
                due_later = Q(state=Answer.State.RELEASED, visible_at__gt=timezone.now())
                return self.filter(Q(state=state) | due_later)
            case _:
                return self.filter(state=state)


class Answer(BaseModel):
    """What was asked, and what was released for it."""

    class Kind(models.TextChoices):
        QUERY = "query", "Question"
        CODE = "code", "Code"
        FIT = "fit", "Model"
        TABLE = "table", "Synthetic table"

    class State(models.TextChoices):
        PENDING = "pending", "Being computed"
        RELEASED = "released", "Released"
        LOST = "lost", "Lost: the worker ended before the answer was stored"
        VOIDED = "voided", "Not computed: nothing was charged"

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="answers")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    line = models.OneToOneField(LedgerLine, on_delete=models.PROTECT, related_name="answer")
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.QUERY)
    query = models.JSONField()
    """What is asked, in its wire form: a Query, or the CodeQuestion of code that answers in blocks."""
    query_sha256 = models.CharField(max_length=64, db_index=True)
    sql = models.TextField(blank=True, max_length=10_000)
    sigma = models.BigIntegerField()
    releases = models.PositiveSmallIntegerField()
    mu = models.FloatField()
    extended = models.BooleanField(default=False)
    opened_at = models.DateTimeField(null=True, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True)
    """When its turn began: it is released a public time later."""
    deadline = models.DateTimeField(null=True, blank=True)
    """When an answer that takes long is told. Fixed with the charge; None for a query."""
    visible_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    """When the scientist first opened the answer."""
    result = models.JSONField(null=True, blank=True)
    record = models.JSONField(default=dict)
    document_salt = models.CharField(max_length=64, blank=True)
    """Hides the document in the log's entry; "" if it was released by a version whose entries hold none."""

    objects: ClassVar[models.Manager["Answer"]] = AnswerQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["budget", "revision", "query_sha256"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="released", result__isnull=False, visible_at__isnull=False)
                | (~Q(state="released") & Q(result=None)),
                name="what_is_released_has_a_result",
            ),
            models.CheckConstraint(
                condition=~Q(kind="query") | Q(deadline=None), name="a_query_has_no_deadline"
            ),
        ]

    def __str__(self) -> str:
        return f"Answer for {self.budget}"

    @property
    def document(self) -> str:
        """What its receipt is about, as text that can be written again at any time from what is stored."""
        return documents.text({"answer": str(self.pk), "result": self.result, "record": self.record})

    @property
    def is_out(self) -> bool:
        """Whether its figures may be shown: it is released, and its public time has come."""
        due = self.visible_at is not None and self.visible_at <= timezone.now()
        return self.state == Answer.State.RELEASED and due

    @property
    def is_waiting(self) -> bool:
        return self.state in {Answer.State.PENDING, Answer.State.RELEASED} and not self.is_out

    @property
    def hides_charge(self) -> bool:
        """Whether no receipt tells yet that it is charged: for a question, the moment says how long opening the ledgers
        took."""
        return self.is_waiting and self.deadline is None


class BatchQuerySet(models.QuerySet["Batch"]):
    def visible_to(self, user: User) -> "BatchQuerySet":
        """Return the batches whose answers they may see."""
        return self.filter(answers__0__in=Answer.objects.visible_to(user).order_by().values("pk"))


class Batch(BaseModel):
    """Several questions that were asked in one call, and which answer each of them got. It never changes."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="batches")
    key = models.UUIDField()
    """The idempotency key, chosen by the caller and unique within the budget."""
    asked = models.JSONField()
    """Each question in its wire form with what the scientist has fixed, in order."""
    answers = ArrayField(models.UUIDField())
    """The id of the answer to each question, in order."""

    objects: ClassVar[models.Manager["Batch"]] = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "key"], name="a_key_names_one_batch_of_a_budget")
        ]
        triggers = [pgtrigger.Protect(name="a_batch_never_changes", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{len(self.answers)} questions for {self.budget}"
