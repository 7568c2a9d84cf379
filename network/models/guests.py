"""Guests: people of other portals who ask for access here, and what people of this portal ask for elsewhere."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import User
from common.models import BaseModel
from datasets.models import Dataset
from network.models.peers import Peer

LONGEST_NAME, LONGEST_MAIL, LONGEST_AFFILIATION, LONGEST_PURPOSE = 100, 254, 200, 4000


class AdmissionQuerySet(models.QuerySet["Admission"]):
    def visible_to(self, user: User) -> "AdmissionQuerySet":
        """Return every admission for admins and auditors, none for others."""
        return self if user.oversees else self.none()

    def waiting(self) -> "AdmissionQuerySet":
        return self.filter(state=Admission.State.WAITING)


class Admission(BaseModel):
    """A person of another portal who asks for access here. An admin admits them before the owner decides."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for an admin"
        ADMITTED = "admitted", "Admitted"
        REFUSED = "refused", "Refused"

    peer = models.ForeignKey(Peer, on_delete=models.PROTECT, related_name="admissions")
    remote_id = models.CharField(max_length=64)
    key = models.UUIDField()
    """By what the other portal names this time of asking: the same call sent again does nothing."""
    name = models.CharField(max_length=LONGEST_NAME)
    told_email = models.CharField(max_length=LONGEST_MAIL)
    affiliation = models.CharField(max_length=LONGEST_AFFILIATION, blank=True)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    purpose = models.TextField(max_length=LONGEST_PURPOSE)
    outputs = models.TextField(max_length=LONGEST_PURPOSE)
    terms_number = models.PositiveIntegerField(null=True, blank=True)
    """The version of the terms that was accepted. None: there were none."""
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    state_reason = models.CharField(max_length=500, blank=True)
    """Why it was refused or, once admitted, why the owner could not be asked. The person reads it."""
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """None: nobody has decided, or they were a guest already."""
    decided_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["Admission"]] = AdmissionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["peer", "remote_id", "dataset"], name="one_admission_per_guest_and_dataset"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at=None)
                | (~Q(state="waiting") & Q(decided_at__isnull=False)),
                name="a_decided_admission_says_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.peer}"


class AskedElsewhereQuerySet(models.QuerySet["AskedElsewhere"]):
    def visible_to(self, user: User) -> "AskedElsewhereQuerySet":
        """Return what this person has asked for themselves."""
        return self.filter(user=user)


class AskedElsewhere(BaseModel):
    """What a person of this portal has asked for at another one, and what that portal last told of it."""

    class State(models.TextChoices):
        UNSENT = "unsent", "Not sent yet"
        WAITING = "waiting", "Waiting for an admin there"
        REFUSED = "refused", "Refused by an admin there"
        ADMITTED = "admitted", "Admitted, but the owner was not asked"
        ASKED = "asked", "Waiting for the owner"
        GRANTED = "granted", "Granted"
        DECLINED = "declined", "Declined by the owner"
        WITHDRAWN = "withdrawn", "Withdrawn"
        ENDED = "ended", "Access has ended"

    OPEN = (State.UNSENT, State.WAITING, State.ADMITTED, State.ASKED)
    """States in which somebody has still to do something."""
    AGAIN = (State.REFUSED, State.ADMITTED, State.DECLINED, State.WITHDRAWN, State.ENDED)
    """States after which the person can ask once more."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    peer = models.ForeignKey(Peer, on_delete=models.PROTECT, related_name="+")
    remote_id = models.CharField(max_length=64)
    """By what the peer knows this person. Kept, so that a new secret key makes them nobody else."""
    dataset = models.UUIDField()
    title = models.CharField(max_length=200)
    key = models.UUIDField()
    purpose = models.TextField(max_length=LONGEST_PURPOSE)
    outputs = models.TextField(max_length=LONGEST_PURPOSE)
    terms_number = models.PositiveIntegerField(null=True, blank=True)
    told = models.JSONField(default=dict)
    """What the peer was told about the person: name, mail and affiliation."""
    state = models.CharField(max_length=10, choices=State, default=State.UNSENT)
    state_reason = models.CharField(max_length=500, blank=True)
    """What the peer says of it or, while it is unsent, why it could not be sent."""
    checked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["AskedElsewhere"]] = AskedElsewhereQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "peer", "dataset"], name="one_asking_per_remote_dataset")
        ]

    def __str__(self) -> str:
        return f"{self.title} at {self.peer}"
