"""A study: one public table that several portals fill with rows of their own, which never leave them."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import User
from common.models import BaseModel
from datasets.models import Dataset
from network.models import Peer


class StudyQuerySet(models.QuerySet["Study"]):
    def visible_to(self, user: User) -> "StudyQuerySet":
        """Return all studies for owners and for people who oversee; for scientists, those that can be asked."""
        if user.oversees or user.is_owner:
            return self
        if not user.is_scientist:
            return self.none()
        return self.filter(ended_at=None, members__state=Member.State.JOINED).distinct()


class Study(BaseModel):
    """What the portals of a study have agreed on. Its document never changes; another agreement is another study."""

    founder = models.ForeignKey(Peer, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """The portal that founded it. None: this one."""
    founded_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """The owner here who founded it. None: another portal did."""
    name = models.SlugField(max_length=63)
    title = models.CharField(max_length=200)
    document = models.TextField()
    """The canonical JSON (studies.documents): purpose, table, portals."""
    sha256 = models.CharField(max_length=64, unique=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    """When its founder ended it. Nothing is asked in it any more."""
    end_reason = models.CharField(max_length=500, blank=True)

    objects: ClassVar[models.Manager["Study"]] = StudyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "studies"
        constraints = [
            models.CheckConstraint(
                condition=Q(founder=None, founded_by__isnull=False)
                | Q(founder__isnull=False, founded_by=None),
                name="somebody_founded_the_study",
            ),
            models.UniqueConstraint(fields=["name"], name="a_name_names_one_study"),
        ]

    def __str__(self) -> str:
        return self.title


class Member(BaseModel):
    """A portal of a study, this one included, and what it last told about taking part."""

    class State(models.TextChoices):
        INVITED = "invited", "Invited"
        JOINED = "joined", "Takes part"
        DECLINED = "declined", "Declined"
        LEFT = "left", "Has left"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="members")
    url = models.CharField(max_length=200)
    """Its address, as the study's document lists it."""
    peer = models.ForeignKey(Peer, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """None: this portal itself, or one that this portal is not connected to (yet)."""
    state = models.CharField(max_length=10, choices=State, default=State.INVITED)
    number = models.PositiveIntegerField(default=0)
    """Counts what it told: an older word changes nothing."""
    dataset = models.UUIDField(null=True, blank=True)
    """The id of the dataset with which it takes part, by which scientists ask for access there."""
    dataset_title = models.CharField(max_length=200, blank=True)
    public_size = models.PositiveBigIntegerField(null=True, blank=True)
    """About how many people its dataset holds, as its owner has published."""
    told_at = models.DateTimeField(null=True, blank=True)
    sent_number = models.PositiveIntegerField(null=True, blank=True)
    """Of another portal: which word of ours (our own member's `number`) it last took. None: not even the study."""
    tried_at = models.DateTimeField(null=True, blank=True)
    """When this portal last tried to tell it something."""
    trouble = models.CharField(max_length=300, blank=True)
    """Why it could not be told, in words. Empty: it could."""

    class Meta:
        ordering = ["url"]
        constraints = [models.UniqueConstraint(fields=["study", "url"], name="a_portal_is_in_a_study_once")]

    def __str__(self) -> str:
        return f"{self.url} in {self.study}"


class Participation(BaseModel):
    """With which dataset this portal takes part, under which conditions, and who agreed to them."""

    study = models.OneToOneField(Study, on_delete=models.PROTECT, related_name="participation")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="participations")
    table = models.CharField(max_length=63)
    mapping: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()
    """How own columns become the study's: studies.mapping."""
    relies_on = models.JSONField(default=list)
    """Addresses of the portals that the owner counts on to add their noise and to keep their masks secret."""
    consent = models.TextField()
    """What the owner was shown and agreed to, word for word."""
    agreed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    left_at = models.DateTimeField(null=True, blank=True)
    leave_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.dataset} in {self.study}"
