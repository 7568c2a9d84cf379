"""The workers that execute runs, and the pauses that stop new ones."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from common.models import BaseModel


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> "WorkerQuerySet":
        """Return the workers whose heartbeat is at most three periods old."""
        return self.filter(heartbeat_at__gt=Now() - settings.STALE_AFTER)

    def able(self) -> "WorkerQuerySet":
        """Return the workers that take new runs now."""
        return self.alive().filter(refusal="", draining=False)


class Worker(BaseModel):
    """A process that executes runs: its host, its sandbox's capabilities, or why it runs no code."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    slots = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    executor = models.CharField(max_length=60, blank=True)
    layers = models.JSONField(default=list)
    missing = models.JSONField(default=list)
    kernel = models.CharField(max_length=64, blank=True)
    separates_kernels = models.BooleanField(default=False)
    refusal = models.TextField(blank=True, max_length=2000)
    draining = models.BooleanField(default=False)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Pause(BaseModel):
    """A pause of all runs: until it ends, no run starts."""

    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["ended_at"], condition=Q(ended_at=None), nulls_distinct=False, name="one_open_pause"
            )
        ]

    def __str__(self) -> str:
        return f"Paused: {self.reason}"
