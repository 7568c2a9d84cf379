"""What a scientist of this portal asks over the rows of all portals of a study, and what each portal sent for it."""

import base64
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import User
from audit import documents
from common.models import BaseModel
from network.models import Peer
from studies.models.studies import Study


class JointAnswerQuerySet(models.QuerySet["JointAnswer"]):
    def visible_to(self, user: User) -> "JointAnswerQuerySet":
        """Return a scientist's own, and all for auditors. Nobody else sees the figures."""
        if user.is_auditor:
            return self
        return self.none() if user.oversees else self.filter(scientist=user)


class JointAnswer(BaseModel):
    """One question to several portals. Only the noisy sum over all of them is ever seen."""

    class State(models.TextChoices):
        PREPARING = "preparing", "The portals reserve its price"
        COLLECTING = "collecting", "The portals compute their parts"
        RELEASED = "released", "Released"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    OPEN = (State.PREPARING, State.COLLECTING)

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="answers")
    scientist = models.ForeignKey(User, on_delete=models.PROTECT, related_name="joint_answers")
    key = models.UUIDField()
    """The idempotency key, chosen by the caller and unique for the scientist."""
    query: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()
    query_sha256 = models.CharField(max_length=64, db_index=True)
    sql = models.TextField(blank=True, max_length=10_000)
    asked = models.JSONField(default=dict)
    """What the scientist has fixed: {"error": …} or {"share": …}."""
    share = models.BigIntegerField()
    """The standard deviation of the noise that each portal adds, in units."""
    plan = models.TextField()
    """The canonical JSON of the plan (studies.plans), the same for all portals."""
    plan_sha256 = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.PREPARING)
    reason = models.CharField(max_length=1000, blank=True)
    """Why it was stopped or failed, in words for the scientist."""
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    record = models.JSONField(default=dict)
    document_salt = models.CharField(max_length=64, blank=True)

    objects: ClassVar[models.Manager["JointAnswer"]] = JointAnswerQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["scientist", "key"], name="a_key_names_one_joint_answer"),
            models.CheckConstraint(
                condition=Q(state="released", result__isnull=False) | (~Q(state="released") & Q(result=None)),
                name="a_released_joint_answer_has_a_result",
            ),
        ]

    def __str__(self) -> str:
        return f"Joint answer in {self.study}"

    @property
    def document(self) -> str:
        """What its receipt is about, as text that can be written again at any time from what is stored.

        It holds the plan, all cards and all masked vectors with what their portals signed: anybody can add them up.
        """
        parts = [
            {
                "url": part.url,
                "card": part.card,
                "vector": base64.b64encode(bytes(part.vector or b"")).decode("ascii"),
                "statement": part.vector_statement,
            }
            for part in self.parts.order_by("place")
        ]
        return documents.text(
            {
                "joint_answer": str(self.pk),
                "plan": self.plan,
                "parts": parts,
                "result": self.result,
                "record": self.record,
            }
        )


class Part(BaseModel):
    """One portal's part in a joint answer, as this portal, which asks, knows it."""

    class State(models.TextChoices):
        ASKED = "asked", "Asked to reserve the price"
        RESERVED = "reserved", "Has reserved the price"
        COMPUTING = "computing", "Computes its part"
        SENT = "sent", "Has sent its part"
        REFUSED = "refused", "Refused"
        LOST = "lost", "Lost its part"
        ENDED = "ended", "Told that nothing follows"

    answer = models.ForeignKey(JointAnswer, on_delete=models.CASCADE, related_name="parts")
    place = models.PositiveSmallIntegerField()
    """Its place in the plan's roster, from 0."""
    url = models.CharField(max_length=200)
    peer = models.ForeignKey(Peer, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """None: this portal itself."""
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    units = models.BigIntegerField(null=True, blank=True)
    """What its budget is charged, of privacy's CAP, as it told when it reserved."""
    card = models.TextField(blank=True)
    """Its signed key card, as it came."""
    vector = models.BinaryField(null=True, blank=True)
    """Its masked noisy totals: uint64, little endian."""
    vector_statement = models.TextField(blank=True)
    """What it signed about them, as it came."""
    trouble = models.CharField(max_length=300, blank=True)
    """Why it could not be reached, or what it refused, in words for the scientist."""
    tried_at = models.DateTimeField(null=True, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    """Since when it has not answered."""
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["answer", "place"], name="one_part_per_place"),
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(vector__isnull=False), name="a_part_that_was_sent_is_here"
            ),
        ]

    def __str__(self) -> str:
        return f"Part of {self.url}"
