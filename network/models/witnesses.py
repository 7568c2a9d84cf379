"""This portal as a witness of other portals' logs: its key, what it has signed, and what it found wrong."""

from typing import ClassVar

import pgtrigger
from django.db import models

from accounts.models import User
from common.models import BaseModel
from crypto import notes
from network.models.peers import Peer


class WitnessKey(models.Model):
    """The key that this portal signs other portals' checkpoints with, and nothing else. There is at most one."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    name = models.CharField(max_length=200)
    public = models.BinaryField()
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_witness_key")]

    def __str__(self) -> str:
        return self.key.text

    @property
    def key(self) -> notes.Key:
        """The public key, as people pin it."""
        return notes.Key(self.name, notes.COSIGNATURE, bytes(self.public))


class SignedCheckpoint(models.Model):
    """A checkpoint of another portal's log that this portal has signed."""

    peer = models.ForeignKey(Peer, on_delete=models.PROTECT, related_name="signed_checkpoints")
    origin = models.CharField(max_length=200)
    size = models.BigIntegerField()
    root = models.BinaryField()
    note = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["-size"]
        constraints = [
            models.UniqueConstraint(fields=["peer", "origin", "size"], name="one_root_for_each_size")
        ]
        triggers = [
            pgtrigger.Protect(name="signed_checkpoint_is_the_same", operation=pgtrigger.Update),
        ]

    def __str__(self) -> str:
        return f"{self.origin} {self.size}"


class LogAlarm(BaseModel):
    """Another portal's log was found to be cut short, or to have two histories. Nothing of it is signed any more."""

    class Kind(models.TextChoices):
        SHORTER = "shorter", "The log has become shorter"
        REWRITTEN = "rewritten", "The log does not begin with what it was"
        SPLIT = "split", "Two portals were shown two histories"
        RENAMED = "renamed", "The log goes on under another name"

    HELP: ClassVar[dict[str, str]] = {
        Kind.SHORTER: "Its database was restored, or entries were removed from its end.",
        Kind.REWRITTEN: "Entries that this portal had signed for were changed or removed.",
        Kind.SPLIT: "Both notes carry the signature of its log. Together they prove it to anybody.",
        Kind.RENAMED: "What comes is signed as a new log, which need not hold what the old one held. That "
        "is right after a restore, and hides a log that was rewritten.",
    }

    peer = models.ForeignKey(Peer, on_delete=models.PROTECT, related_name="log_alarms")
    kind = models.CharField(max_length=10, choices=Kind)
    origin = models.CharField(max_length=200)
    known = models.TextField()
    """The note that this portal had signed."""
    shown = models.TextField()
    """The note that does not go with it."""
    shown_by = models.CharField(max_length=200)
    """The portal that showed it."""
    seen_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["peer", "origin", "kind"], name="one_alarm_of_a_kind_per_log")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.origin}"

    @property
    def help(self) -> str:
        """What it means."""
        return self.HELP[self.kind]
