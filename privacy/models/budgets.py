"""Budgets: what each scientist may spend, every charge, and requests for a larger budget."""

import uuid
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models import SYSTEM_ID, User
from accounts.separation import not_for_overseers
from common.models import BaseModel
from datasets.models import Dataset
from privacy.engine.measure.contributions import CAP, Integers
from privacy.models.promises import EXTENDED_LIMIT, IMMUTABLE, Promise

EVERYBODY = "Everybody (sampled mock)"


class BudgetQuerySet(models.QuerySet["Budget"]):
    def visible_to(self, user: User) -> "BudgetQuerySet":
        """Return their own budgets, and those on their own datasets; all for people who oversee."""
        if user.oversees:
            return self
        own = Dataset.objects.owned_by(user).order_by().values("pk")
        return self.filter(Q(scientist=user) | Q(promise__dataset__in=own))

    def held_by(self, user: User) -> "BudgetQuerySet":
        """Return their own budgets. People who oversee cannot ask, even with a budget from before."""
        return self.none() if user.oversees else self.filter(scientist=user)


class Budget(BaseModel):
    """What one scientist may spend on one dataset. CAP units of the ledger are worth mu^2.

    One budget of a promise may be everybody's: what it pays for, sampled mocks, is for everybody to see. Its
    `scientist` is the portal itself, and it takes no scientist's place.
    """

    LOW = 0.8
    """The fraction used from which pages warn that little is left."""

    promise = models.ForeignKey(Promise, on_delete=models.PROTECT, related_name="budgets")
    scientist = models.ForeignKey(User, on_delete=models.PROTECT, related_name="budgets")
    mu = models.FloatField()
    extended = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True, blank=True)
    thresholds_used = models.PositiveIntegerField(default=0)
    generation = models.PositiveIntegerField(default=0)
    """How often the budget was changed. Units of an older generation were rescaled, rounding up."""
    earlier_mus = models.JSONField(default=list)
    cells = models.BinaryField(default=bytes)
    """Worst-case units, spent or reserved, per public cell: int64, little endian. The sum of the ledger's lines."""

    objects: ClassVar[models.Manager["Budget"]] = BudgetQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["promise", "scientist"], name="one_budget_per_scientist"),
            models.CheckConstraint(condition=Q(mu__gt=0), name="a_budget_is_positive"),
        ]
        triggers = [not_for_overseers("scientist")]

    def __str__(self) -> str:
        return f"{self.holder}: {self.promise.dataset}"

    @property
    def is_everybody(self) -> bool:
        """Whether it pays for what everybody sees, and is no scientist's."""
        return self.scientist_id == SYSTEM_ID

    @property
    def holder(self) -> str:
        """Whose it is, in words."""
        return EVERYBODY if self.is_everybody else str(self.scientist)

    @property
    def mu_squared(self) -> Fraction:
        return Fraction(self.mu) ** 2

    def had(self, mu: float, generation: int) -> bool:
        """Return whether this is or was its size. A size that it never had was lost when the database was restored."""
        mus = [*self.earlier_mus, self.mu]
        return generation < len(mus) and mus[generation] == mu

    def worst_case(self, size: int) -> Integers:
        """Return worst-case units of each of `size` cells."""
        if not self.cells:
            return np.zeros(size, dtype=np.int64)
        found: Integers = np.frombuffer(bytes(self.cells), dtype="<i8").astype(np.int64)
        return found

    @property
    def may_leave_out(self) -> bool:
        """Whether answers may silently leave people out."""
        return self.extended or self.promise.incomplete_since is not None

    @property
    def cap(self) -> int:
        """The limit of the worst case: extended budgets continue with the people who have not reached theirs."""
        return EXTENDED_LIMIT * CAP if self.extended else CAP

    @property
    def units_used(self) -> int:
        """The worst case over all cells, which the scientist sees as used."""
        return int(self.worst_case(1).max(initial=0))

    @property
    def share_used(self) -> float:
        return self.units_used / CAP

    @property
    def is_low(self) -> bool:
        """Whether little is left, so that pages point it out. Everybody's grows with what it pays for."""
        return self.share_used >= self.LOW and not self.is_everybody


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
    """The idempotency key, chosen by the caller and unique within the budget."""
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

    @property
    def audit_label(self) -> str:
        """Says neither the amount, in a unit that nobody knows, nor whose it is, which the entry does anyway."""
        return "A charge to a budget"

    @property
    def is_joint(self) -> bool:
        """Whether it pays for this portal's part of a joint question, which is no answer of this portal."""
        return "joint" in self.purpose

    def mask(self, size: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        return np.unpackbits(np.frombuffer(bytes(self.cells), dtype=np.uint8), count=size).astype(np.bool_)


class TopUpQuerySet(models.QuerySet["TopUp"]):
    def visible_to(self, user: User) -> "TopUpQuerySet":
        """Return the top-ups of budgets that they may see."""
        return self.filter(budget__in=Budget.objects.visible_to(user).order_by().values("pk"))


class TopUp(BaseModel):
    """A scientist's request for a larger budget."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for a decision"
        GRANTED = "granted", "Granted"
        DENIED = "denied", "Declined"

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
