"""What the endpoints of datasets share: how they find a dataset."""

from uuid import UUID

from common.rest.grants import Call, one
from datasets import models


def visible(call: Call, pk: UUID) -> models.Dataset:
    """Return a dataset that this call may see, or raise Http404."""
    return one(
        call, models.Dataset.objects.visible_to(call.user).select_related("owner"), dataset="pk", pk=pk
    )


def owned(call: Call, pk: UUID) -> models.Dataset:
    """Return a dataset of this person's own that this call may see, or raise Http404."""
    return one(call, models.Dataset.objects.owned_by(call.user).select_related("owner"), dataset="pk", pk=pk)
