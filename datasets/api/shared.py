"""What the endpoints of datasets share: how they find a dataset, and bodies and parts of answers."""

from uuid import UUID

from rest_framework import serializers

from common.reasons import LIMIT
from common.rest.bodies import Body
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


class WithReason(Body):
    """A reason, which the people concerned will read."""

    reason = serializers.CharField(max_length=LIMIT)
