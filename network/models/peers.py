"""Portals that this one knows."""

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import User
from common.models import BaseModel

if TYPE_CHECKING:
    from datetime import datetime


class PeerQuerySet(models.QuerySet["Peer"]):
    def visible_to(self, user: User) -> "PeerQuerySet":
        """Return every peer for admins and auditors, and the active ones for others who have signed in."""
        return self if user.oversees else self.filter(state=Peer.State.ACTIVE)

    def active(self) -> "PeerQuerySet":
        return self.filter(state=Peer.State.ACTIVE)

    def reachable(self) -> "PeerQuerySet":
        """Return the active peers whose last call succeeded. Polling alone calls the others, until they answer."""
        return self.active().filter(trouble="")

    def known(self) -> "PeerQuerySet":
        """Return all but those that were removed."""
        return self.exclude(state=Peer.State.REMOVED)


class Peer(BaseModel):
    """Another portal. Both admins compare a fingerprint before either portal does anything for the other."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for an admin of this portal"
        INVITED = "invited", "Waiting for an admin of the other portal"
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        REMOVED = "removed", "Removed"

    CLOCK_LIMIT = 60
    """Seconds between two clocks beyond which signed calls are refused."""

    url = models.CharField(max_length=200)
    """Its address, as in its card: scheme and host, and a port if it is not the usual one. No slash at the end."""
    name = models.CharField(max_length=100, blank=True)
    """The institution, as in its card. Empty until an admin has fetched the card."""
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    state_reason = models.CharField(max_length=500, blank=True)
    suspended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """None: it is not suspended, or the portal did it by itself, because the card was out of date or went back."""

    card = models.TextField(blank=True)
    """The signed card that counts, as it came."""
    card_expires_at = models.DateTimeField(null=True, blank=True)
    recovery = models.BinaryField(null=True, blank=True)
    """Its recovery key, pinned when the fingerprint was compared."""
    epoch = models.PositiveIntegerField(default=0)
    sequence = models.PositiveBigIntegerField(default=0)
    wished = models.JSONField(default=dict, blank=True)
    """A name or address ("name", "url") that a newer card asks for, and that waits for an admin."""

    refused = models.JSONField(default=dict, blank=True)
    """The name or address that an admin has refused, so that it is not asked about again."""
    card_trouble = models.CharField(max_length=300, blank=True)
    """Why the card that was fetched last does not count, in words for an admin. Empty: it does."""

    confirmed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    confirmed_with = models.CharField(max_length=150, blank=True)
    """With whom the admin compared the fingerprint."""
    confirmed_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    """When it took our introduction. None: it has not been sent yet."""
    proven_at = models.DateTimeField(null=True, blank=True)
    """When a signed call or answer first showed that its admin has confirmed this portal."""
    recovered_at = models.DateTimeField(null=True, blank=True)
    """When its keys were replaced with the recovery key, until an admin compares the fingerprint again."""

    seen_at = models.DateTimeField(null=True, blank=True)
    """When it last answered a call or made one."""
    tried_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(max_length=300, blank=True)
    """Why the last call failed, in words for an admin. Empty: it did not."""
    clock_offset = models.FloatField(null=True, blank=True)
    """Seconds by which its clock is ahead of ours, as last told."""
    version = models.CharField(max_length=40, blank=True)

    objects: ClassVar[models.Manager["Peer"]] = PeerQuerySet.as_manager()

    class Meta:
        ordering = ["name", "url"]
        constraints = [
            models.UniqueConstraint(
                fields=["url"], condition=~Q(state="removed"), name="one_peer_per_address"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "removed"])
                | Q(confirmed_by__isnull=False, confirmed_at__isnull=False, recovery__isnull=False),
                name="whoever_is_called_was_confirmed",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.url

    @property
    def turn(self) -> str:
        """Whose turn it is, in words; "" if nobody has to do anything."""
        if self.state == self.State.INVITED:
            return "an admin of the other portal" if self.asked_at else "this portal, which calls it again"
        if self.state == self.State.SUSPENDED and self.suspended_by_id is None:
            return "the other portal, with a card that counts"
        if self.state in {self.State.WAITING, self.State.SUSPENDED} or self.wished or self.recovered_at:
            return "" if self.state == self.State.REMOVED else "an admin of this portal"
        return ""

    @property
    def clock(self) -> str:
        """How far its clock is from ours, in words; "" before it has been heard."""
        if self.clock_offset is None:
            return ""
        seconds = abs(self.clock_offset)
        if seconds < 1:
            return "less than 1 s"
        return f"{seconds:.0f} s {'ahead' if self.clock_offset > 0 else 'behind'}"

    @property
    def clock_is_wrong(self) -> bool:
        """Whether its clock is so far from ours that signed calls are refused."""
        return self.clock_offset is not None and abs(self.clock_offset) > self.CLOCK_LIMIT


class PeerKey(BaseModel):
    """A key of a peer that calls are verified with. Only what an admin confirmed, or a pinned key signed, is here."""

    peer = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="keys")
    public = models.BinaryField()
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-since"]
        constraints = [models.UniqueConstraint(fields=["peer", "public"], name="one_row_per_peer_key")]

    def __str__(self) -> str:
        return f"Key of {self.peer}"

    def counts(self, now: "datetime") -> bool:
        """Return whether it may verify a call now."""
        return self.since <= now and (self.until is None or now < self.until)
