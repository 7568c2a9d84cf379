"""The abstract base of all models, and the idempotency keys of the API."""

import uuid

from django.db import models


class BaseModel(models.Model):
    """An object with an unguessable id and the time at which it was created."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class IdempotencyKey(BaseModel):
    """A key that a program has sent with a call, and the object that the call made. Kept for a day.

    It holds the id of the object and never the answer: what a repeated call returns is the object as it is then.
    """

    person_id = models.UUIDField()
    key = models.UUIDField()
    place = models.CharField(max_length=200)
    body_sha256 = models.CharField(max_length=64)
    object_id = models.UUIDField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person_id", "key"], name="one_use_per_key")]
        indexes = [models.Index(fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.place} with {self.key}"
