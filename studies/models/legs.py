"""What this portal computes for a joint answer of its own or another portal."""

from django.db import models
from django.db.models import Q

from common.models import BaseModel
from network.models import Peer
from privacy.models import Budget, LedgerLine
from studies.models.studies import Participation


class Leg(BaseModel):
    """This portal's leg of one joint answer: reserved, charged and masked once, sent as often as it is asked for.

    Its unmasked totals are in one function's memory and nowhere else. Its private key for the masks is a file, never a
    row (studies.keys): a restored database must not bring it back.
    """

    class State(models.TextChoices):
        RESERVED = "reserved", "Reserved"
        COMPUTING = "computing", "Being computed"
        READY = "ready", "Computed"
        VOIDED = "voided", "Not computed: nothing was charged"
        LOST = "lost", "Lost: it was charged, and nothing was sent"

    OPEN = (State.RESERVED, State.COMPUTING)

    coordinator = models.ForeignKey(Peer, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """The portal of the scientist who asks. None: this one."""
    participation = models.ForeignKey(Participation, on_delete=models.PROTECT, related_name="legs")
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="legs")
    line = models.OneToOneField(LedgerLine, on_delete=models.PROTECT, related_name="leg")
    plan = models.TextField()
    plan_sha256 = models.CharField(max_length=64, unique=True)
    place = models.PositiveSmallIntegerField()
    share = models.BigIntegerField()
    h = models.PositiveSmallIntegerField()
    """On how many portals, this one included, the owner counts: what the charge was computed with."""
    state = models.CharField(max_length=10, choices=State, default=State.RESERVED)
    reason = models.CharField(max_length=500, blank=True)
    card = models.TextField()
    """This portal's signed key card."""
    cards = models.JSONField(default=list)
    """The signed cards of all, in order, fixed when the part was first asked for. Empty until then."""
    transcript = models.CharField(max_length=64, blank=True)
    vector = models.BinaryField(null=True, blank=True)
    """Masked noisy totals, stored before anything of them is sent."""
    visible_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="ready", vector__isnull=False, visible_at__isnull=False)
                | (~Q(state="ready") & Q(vector=None)),
                name="a_leg_that_is_ready_has_its_vector",
            ),
            models.CheckConstraint(condition=Q(h__gte=1), name="a_leg_counts_on_itself"),
        ]

    def __str__(self) -> str:
        return f"Leg of {self.plan_sha256[:12]}"
