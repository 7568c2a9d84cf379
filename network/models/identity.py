"""Who this portal is for other portals: one identity, and the keys it has signed with."""

from django.db import models
from django.db.models import Q

from common.models import BaseModel


class Identity(models.Model):
    """This portal's identity. There is one row once an admin has set it up."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    name = models.CharField(max_length=100)
    """The institution, as other portals show it."""
    recovery = models.BinaryField()
    """The public recovery key, 32 bytes of Ed25519. Its private half was shown once and is not kept."""
    epoch = models.PositiveIntegerField(default=1)
    """How often the recovery key was used, plus one."""
    sequence = models.PositiveBigIntegerField(default=0)
    """The number of the card that was signed last. It never goes back."""
    is_directory = models.BooleanField(default=False)
    """Whether it tells each portal that it works with which others it works with."""
    kept_at = models.DateTimeField(null=True, blank=True)
    """When an admin confirmed that the private recovery key is kept. Until then, set-up can begin again."""
    card = models.TextField(blank=True)
    """The card that was signed last, as it is served."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_identity")]

    def __str__(self) -> str:
        return self.name


class IdentityKey(BaseModel):
    """A key that this portal signs cards and calls with. The private half is sealed with the secret key."""

    public = models.BinaryField(unique=True)
    sealed = models.BinaryField()
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    """When it stops counting. None: it is the present key."""
    vouched_for_by = models.BinaryField(null=True, blank=True)
    """The public key that signed for this one: the key before it, or the recovery key. None for the first."""
    voucher = models.BinaryField(null=True, blank=True)
    """That signature, 64 bytes."""

    class Meta:
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(models.Value(1), condition=Q(until=None), name="one_present_identity_key")
        ]

    def __str__(self) -> str:
        return f"Identity key of {self.since:%Y-%m-%d %H:%M}"
