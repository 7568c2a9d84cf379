"""Which mock data was drawn from a private synthetic table, and what that cost in privacy."""

import math

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import User
from accounts.separation import not_for_overseers
from common.models import BaseModel
from datasets.models.tables import Table


class SampledMock(BaseModel):
    """Mock data of a published table that was drawn from a private synthetic table, in place of the declared mock."""

    table = models.ForeignKey(Table, on_delete=models.PROTECT, related_name="sampled_mocks")
    answer = models.UUIDField()
    """The id of the answer that holds the synthetic table."""
    epsilon = models.FloatField()
    delta = models.FloatField()
    columns = ArrayField(models.CharField(max_length=128))
    """The columns that were drawn from it; the others are made up from the declarations."""
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["table"], condition=Q(ended_at=None), name="one_sampled_mock_at_a_time"
            )
        ]
        triggers = [not_for_overseers("by")]

    def __str__(self) -> str:
        return f"Sampled mock of {self.table}"

    @property
    def origin(self) -> str:
        """Where its rows come from, for pages: `drawn from a private synthetic table, ε 0.31`, rounded up."""
        step = 10.0 ** (math.floor(math.log10(self.epsilon)) - 1)
        return f"drawn from a private synthetic table, ε {math.ceil(self.epsilon / step - 1e-9) * step:.2g}"
