"""The promise: what an owner guarantees to each person in a dataset."""

import secrets
from datetime import timedelta
from fractions import Fraction
from uuid import UUID

import pgtrigger
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from common.models import BaseModel
from datasets.models import Dataset
from privacy.engine.plan.cells import Domain

EXTENDED_LIMIT = 3
DOUBLED_FOR = timedelta(hours=1)
THRESHOLD_ANSWERS = 20


IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


def new_key() -> bytes:
    """Return a new secret key for the digests of a dataset's subjects."""
    return secrets.token_bytes(32)


class Promise(BaseModel):
    """The promise of one dataset: all releases together, now and later, are mu-GDP for each person."""

    MOCK_SHARE = Fraction(1, 5)
    """The part of mu^2 that all sampled mocks together may take."""

    dataset = models.OneToOneField(Dataset, on_delete=models.PROTECT, related_name="promise")
    epsilon = models.FloatField()
    delta = models.FloatField()
    mu = models.FloatField()
    scientists = models.PositiveSmallIntegerField(default=3)
    extended_allowed = models.BooleanField(default=False)
    public_size = models.PositiveBigIntegerField(validators=[MinValueValidator(1)])
    """About how many people the dataset holds, as published by the owner: errors of means are relative to it."""
    public_rows = models.JSONField(default=dict, blank=True)
    """About how many rows tables hold, where the owner has published it: {table: rows}. Typed, never counted."""
    constants = models.JSONField(default=list)
    """Names of columns that are the same in every row of a person."""
    subject_key = models.BinaryField(default=new_key)
    domain = models.JSONField(default=dict)
    """The public cells when the promise was made: columns and labels of engine.plan.cells.Domain."""
    threshold_delta = models.FloatField(default=0.0)
    """The part of delta kept for answers over undeclared values; 0 when there are none."""
    last_applied = models.BigIntegerField(default=0)
    """The newest ledger line whose per-subject charges are known to have been written."""
    newcomers = models.JSONField(default=list)
    """Deliveries of which few people were known: [{"places": how many people had a place in the per-person ledger then,
    "owe": {budget: units that everybody new begins with}}]."""
    doublings = models.PositiveSmallIntegerField(default=0)
    """How often the time for an answer was doubled because one took longer, last at `doubled_at`."""
    doubled_at = models.DateTimeField(null=True, blank=True)
    incomplete_since = models.DateTimeField(null=True, blank=True)
    """When people turned out to have been charged for answers that a restored database no longer has. Since then,
    people who reached their limit through those answers are left out, and no answer is called complete."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    epsilon__gt=0, delta__gt=0, delta__lt=1, mu__gt=0, scientists__gte=1, public_size__gte=1
                ),
                name="a_promise_promises_something",
            )
        ]

    def __str__(self) -> str:
        return f"Promise for {self.dataset}"

    @property
    def mu_squared(self) -> Fraction:
        return Fraction(self.mu) ** 2

    @property
    def noise_delta(self) -> float:
        """The part of delta that belongs to mu: what is kept for undeclared values is not spent on noise as well."""
        return self.delta - self.threshold_delta

    @property
    def delta_each(self) -> float:
        """The delta of one answer over undeclared values: every scientist has THRESHOLD_ANSWERS of them."""
        return self.threshold_delta / self.threshold_answers

    @property
    def threshold_answers(self) -> int:
        """The number of answers over undeclared values that all scientists together have."""
        return THRESHOLD_ANSWERS * self.scientists

    @property
    def doublings_now(self) -> int:
        """How often the time for an answer is doubled now: doublings expire after an hour."""
        fresh = self.doubled_at is not None and timezone.now() - self.doubled_at < DOUBLED_FOR
        return self.doublings if fresh else 0

    def owed(self, budget: UUID) -> int:
        """Return the units of this budget that newcomers begin with."""
        return max((each["owe"].get(str(budget), 0) for each in self.newcomers), default=0)

    @property
    def cells(self) -> Domain:
        return Domain(columns=tuple(self.domain["columns"]), labels=tuple(map(tuple, self.domain["labels"])))
