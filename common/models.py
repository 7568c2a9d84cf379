"""The abstract base of all models."""

import uuid

from django.db import models


class BaseModel(models.Model):
    """An object with an unguessable id and the time at which it was created."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
