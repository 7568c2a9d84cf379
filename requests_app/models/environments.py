"""The named sets of packages that admins have added for submitted code."""

from django.db import models
from django.db.models import Q

from accounts.models import User
from common.models import BaseModel


class EnvironmentQuerySet(models.QuerySet["CodeEnvironment"]):
    def visible_to(self, user: User) -> "EnvironmentQuerySet":
        """Return the environments that code can or could use; for admins and auditors also those not built."""
        if user.oversees:
            return self
        return self.filter(state__in=(CodeEnvironment.State.READY, CodeEnvironment.State.RETIRED))

    def names_on_offer(self) -> list[str]:
        """Return the names of those that new code can use."""
        return [*self.filter(state=CodeEnvironment.State.READY).values_list("name", flat=True)]


class CodeEnvironment(BaseModel):
    """One list of packages under one name. The list never changes: other packages need another environment."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waits to be built"
        BUILDING = "building", "Being built"
        READY = "ready", "Ready"
        FAILED = "failed", "Not built"
        RETIRED = "retired", "Retired"

    name = models.CharField(max_length=40, unique=True)
    requirements = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    begun_at = models.DateTimeField(null=True, blank=True)
    built_at = models.DateTimeField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    python = models.CharField(max_length=20, blank=True)
    packages = models.JSONField(default=dict)
    log = models.TextField(blank=True, max_length=20_000)

    objects = EnvironmentQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=("ready", "retired")) | ~Q(sha256=""),
                name="a_built_environment_has_a_hash",
            ),
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="building"), name="one_environment_is_built_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def listed(self) -> list[tuple[str, str]]:
        """The packages with their versions, sorted by name."""
        return sorted(self.packages.items())
