"""What is promised for a dataset, what each scientist may spend, every charge, and every answer."""

import secrets
import uuid
from datetime import timedelta
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pgtrigger
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from accounts.separation import not_for_overseers
from common.models import Thing
from datasets.models import Dataset, Revision
from privacy.engine.measure.contributions import CAP, Integers
from privacy.engine.plan.cells import Domain

EXTENDED_LIMIT = 3
DOUBLED_FOR = timedelta(hours=1)
THRESHOLD_ANSWERS = 20
IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


def new_key() -> bytes:
    """The secret under which a dataset's subjects are known."""
    return secrets.token_bytes(32)


class Protection(Thing):
    """The promise of one dataset: everybody together, for ever, stays within mu-GDP for each data subject."""

    dataset = models.OneToOneField(Dataset, on_delete=models.PROTECT, related_name="protection")
    epsilon = models.FloatField()
    delta = models.FloatField()
    mu = models.FloatField()
    seats = models.PositiveSmallIntegerField(default=3)
    extended_allowed = models.BooleanField(default=False)
    public_size = models.PositiveBigIntegerField(validators=[MinValueValidator(1)])
    """About how many people the dataset holds, as the owner tells everybody: errors of means are relative to it."""
    public_rows = models.JSONField(default=dict, blank=True)
    """About how many rows tables hold, where the owner tells everybody: {table: rows}. Typed, never counted."""
    constants = models.JSONField(default=list)
    """Names of columns that are the same in every row of a person."""
    subject_key = models.BinaryField(default=new_key)
    domain = models.JSONField(default=dict)
    """The public cells, as they were when the dataset was protected: columns and labels of engine.cells.Domain."""
    threshold_delta = models.FloatField(default=0.0)
    """The part of delta kept for answers over values that nobody has declared; 0 when there are none."""
    last_applied = models.BigIntegerField(default=0)
    """The newest ledger line whose per-subject charges are known to have been written."""
    newcomers = models.JSONField(default=list)
    """Deliveries of which few people were known: [{"places": how many people had a place in the ledger of people then,
    "owe": {budget: units that everybody new begins with}}]."""
    doublings = models.PositiveSmallIntegerField(default=0)
    """How often the time for an answer was doubled because one took longer, last at `doubled_at`."""
    doubled_at = models.DateTimeField(null=True, blank=True)
    incomplete_since = models.DateTimeField(null=True, blank=True)
    """When people turned out to have been charged for answers that the database, restored, has forgotten: whoever has
    used up their protection by them is left out since then, and no answer is called complete any more."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    epsilon__gt=0, delta__gt=0, delta__lt=1, mu__gt=0, seats__gte=1, public_size__gte=1
                ),
                name="a_protection_promises_something",
            )
        ]

    def __str__(self) -> str:
        return f"Protection of {self.dataset}"

    @property
    def mu_squared(self) -> Fraction:
        return Fraction(self.mu) ** 2

    @property
    def noise_delta(self) -> float:
        """The part of delta at which mu is read: what is kept for undeclared values is not spent on noise too."""
        return self.delta - self.threshold_delta

    @property
    def delta_each(self) -> float:
        """What one answer over undeclared values may use: every seat has THRESHOLD_ANSWERS of them."""
        return self.threshold_delta / self.threshold_answers

    @property
    def threshold_answers(self) -> int:
        """How many answers over undeclared values all seats together have."""
        return THRESHOLD_ANSWERS * self.seats

    @property
    def doublings_now(self) -> int:
        """How often the time for an answer is doubled now: what was too short once is forgotten after an hour."""
        fresh = self.doubled_at is not None and timezone.now() - self.doubled_at < DOUBLED_FOR
        return self.doublings if fresh else 0

    def owed(self, budget: "Budget") -> int:
        """What somebody new begins with, in units of this budget."""
        return max((each["owe"].get(str(budget.pk), 0) for each in self.newcomers), default=0)

    @property
    def cells(self) -> Domain:
        return Domain(columns=tuple(self.domain["columns"]), labels=tuple(map(tuple, self.domain["labels"])))


class BudgetQuerySet(models.QuerySet["Budget"]):
    def visible_to(self, user: User) -> "BudgetQuerySet":
        """One's own; those of one's own datasets; all for those who oversee."""
        if user.oversees:
            return self
        own = Dataset.objects.owned_by(user).order_by().values("pk")
        return self.filter(Q(scientist=user) | Q(protection__dataset__in=own))

    def held_by(self, user: User) -> "BudgetQuerySet":
        """One's own. Nobody who oversees asks, whatever budget they have kept from before."""
        return self.none() if user.oversees else self.filter(scientist=user)


class Budget(Thing):
    """One scientist's share of a dataset's protection. CAP units of the ledger are mu^2."""

    LOW = 0.8
    """The part used from which on pages say that little is left."""

    protection = models.ForeignKey(Protection, on_delete=models.PROTECT, related_name="budgets")
    scientist = models.ForeignKey(User, on_delete=models.PROTECT, related_name="budgets")
    mu = models.FloatField()
    extended = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True, blank=True)
    thresholds_used = models.PositiveIntegerField(default=0)
    generation = models.PositiveIntegerField(default=0)
    """How often the share was changed: units of an older generation were scaled, rounding up."""
    earlier_mus = models.JSONField(default=list)
    cells = models.BinaryField(default=bytes)
    """Worst-case units, spent or reserved, per public cell: int64, little endian. The sum of the ledger's lines."""

    objects: ClassVar[models.Manager["Budget"]] = BudgetQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["protection", "scientist"], name="one_budget_per_scientist"),
            models.CheckConstraint(condition=Q(mu__gt=0), name="a_budget_is_positive"),
        ]
        triggers = [not_for_overseers("scientist")]

    def __str__(self) -> str:
        return f"{self.scientist}: {self.protection.dataset}"

    @property
    def mu_squared(self) -> Fraction:
        return Fraction(self.mu) ** 2

    def had(self, mu: float, generation: int) -> bool:
        """Whether this is its share, or was. One that it never had was forgotten when the database was restored."""
        mus = [*self.earlier_mus, self.mu]
        return generation < len(mus) and mus[generation] == mu

    def worst_case(self, size: int) -> Integers:
        """Worst-case units of each of `size` cells."""
        if not self.cells:
            return np.zeros(size, dtype=np.int64)
        found: Integers = np.frombuffer(bytes(self.cells), dtype="<i8").astype(np.int64)
        return found

    @property
    def may_leave_out(self) -> bool:
        """Whether answers may silently leave people out."""
        return self.extended or self.protection.incomplete_since is not None

    @property
    def cap(self) -> int:
        """How far the worst case may go: extended budgets go on, with those people who still have something left."""
        return EXTENDED_LIMIT * CAP if self.extended else CAP

    @property
    def units_used(self) -> int:
        """The worst case over all cells: what the scientist sees as used."""
        return int(self.worst_case(1).max(initial=0))

    @property
    def share_used(self) -> float:
        return self.units_used / CAP

    @property
    def is_low(self) -> bool:
        """Whether little is left, so that pages point it out."""
        return self.share_used >= self.LOW


class LedgerLine(models.Model):
    """One line of the ledger: units reserved, then committed or voided. Lines are never changed."""

    class Kind(models.TextChoices):
        RESERVE = "reserve", "Reserved"
        COMMIT = "commit", "Spent"
        VOID = "void", "Given back"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(auto_now_add=True)
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=8, choices=Kind)
    key = models.UUIDField(default=uuid.uuid4)
    """Chosen by who asks: it names one line of this budget, and says nothing about other people's."""
    units = models.BigIntegerField()
    generation = models.PositiveIntegerField()
    cells = models.BinaryField()
    """Which public cells are charged: packed bits, the first cell in the highest bit."""
    settles = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="settled_by"
    )
    purpose = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="reserve", units__gt=0, settles=None)
                | Q(kind="commit", units=0, settles__isnull=False)
                | Q(kind="void", units__lt=0, settles__isnull=False),
                name="ledger_signs_follow_the_kind",
            ),
            models.CheckConstraint(
                condition=Q(settles=None) | ~Q(settles=F("id")), name="no_line_settles_itself"
            ),
            models.UniqueConstraint(fields=["budget", "key"], name="a_key_names_one_line_of_a_budget"),
        ]
        triggers = [pgtrigger.Protect(name="the_ledger_is_append_only", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.units}"

    def mask(self, size: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        return np.unpackbits(np.frombuffer(bytes(self.cells), dtype=np.uint8), count=size).astype(np.bool_)


class AnswerQuerySet(models.QuerySet["Answer"]):
    def visible_to(self, user: User) -> "AnswerQuerySet":
        """One's own; those on one's own datasets; all for auditors. An admin reads no results."""
        if user.oversees:
            return self if user.is_auditor else self.none()
        return self.filter(budget__in=Budget.objects.visible_to(user).order_by().values("pk"))

    def out(self) -> "AnswerQuerySet":
        """Those whose figures may be shown: released, and the time for it has come."""
        return self.filter(state=Answer.State.RELEASED, visible_at__lte=timezone.now())


class Answer(Thing):
    """A query and what was released for it."""

    class State(models.TextChoices):
        PENDING = "pending", "Being computed"
        RELEASED = "released", "Released"
        LOST = "lost", "Lost: the worker ended before the answer was stored"
        VOIDED = "voided", "Not computed: nothing was charged"

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="answers")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    line = models.OneToOneField(LedgerLine, on_delete=models.PROTECT, related_name="answer")
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    query = models.JSONField()
    query_sha256 = models.CharField(max_length=64, db_index=True)
    sql = models.TextField(blank=True, max_length=10_000)
    sigma = models.BigIntegerField()
    releases = models.PositiveSmallIntegerField()
    mu = models.FloatField()
    extended = models.BooleanField(default=False)
    opened_at = models.DateTimeField(null=True, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True)
    """When its turn had come: it is released at a public time after it."""
    visible_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    """When the scientist first opened the answer."""
    result = models.JSONField(null=True, blank=True)
    record = models.JSONField(default=dict)

    objects: ClassVar[models.Manager["Answer"]] = AnswerQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["budget", "revision", "query_sha256"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="released", result__isnull=False, visible_at__isnull=False)
                | (~Q(state="released") & Q(result=None)),
                name="what_is_released_has_a_result",
            )
        ]

    def __str__(self) -> str:
        return f"Answer for {self.budget}"

    @property
    def is_out(self) -> bool:
        """Whether its figures may be shown: it is released, and the time for it has come."""
        due = self.visible_at is not None and self.visible_at <= timezone.now()
        return self.state == Answer.State.RELEASED and due

    @property
    def is_waiting(self) -> bool:
        return self.state in {Answer.State.PENDING, Answer.State.RELEASED} and not self.is_out


class TopUpQuerySet(models.QuerySet["TopUp"]):
    def visible_to(self, user: User) -> "TopUpQuerySet":
        """As the budget that it is about."""
        return self.filter(budget__in=Budget.objects.visible_to(user).order_by().values("pk"))


class TopUp(Thing):
    """A scientist asks for a larger share."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for a decision"
        GRANTED = "granted", "Granted"
        DENIED = "denied", "Denied"

    TEXT_LIMIT = 4000

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="top_ups")
    epsilon = models.FloatField()
    reason = models.TextField(max_length=TEXT_LIMIT)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(blank=True, max_length=TEXT_LIMIT)

    objects: ClassVar[models.Manager["TopUp"]] = TopUpQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget"], condition=Q(state="pending"), name="one_open_top_up_per_budget"
            )
        ]
        triggers = [not_for_overseers("decided_by")]

    def __str__(self) -> str:
        return f"Top-up of {self.budget}"
