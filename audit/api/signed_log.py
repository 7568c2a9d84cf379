"""The signed log for those who read the whole audit log: its checkpoints, and receipts of entries."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers

from audit import queries, receipts
from audit.models import Checkpoint
from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, lists, reads
from common.rest.grants import Call, one

ORDER = ("at", "size")


class CheckpointItem(Item):
    """What the log says about itself, signed."""

    size = serializers.IntegerField(help_text="How many leaves the log has.")
    root = serializers.CharField(  # type: ignore[assignment]  # fields do not stay attributes
        source="root_text", help_text="The root over them, in base64."
    )
    at = serializers.DateTimeField()
    public = serializers.BooleanField(help_text="Whether everybody may have it: one each hour.")
    note = serializers.CharField(help_text="The signed note.")


class ReceiptItem(Item):
    """A receipt, or when there will be one."""

    ready = serializers.BooleanField()
    receipt = serializers.DictField(
        allow_null=True, help_text="What `weir verify` checks. Null until it is ready."
    )
    due = serializers.DateTimeField(allow_null=True, help_text="When to ask again. Null if it is ready.")


def item_of(receipt: dict[str, Any] | None) -> dict[str, object]:
    """Return what `ReceiptItem` shows of what `audit.receipts.for_entries` has returned."""
    return {
        "ready": receipt is not None,
        "receipt": receipt,
        "due": receipts.due() if receipt is None else None,
    }


class Checkpoints(Endpoint):
    """The checkpoints of the signed log."""

    @lists(CheckpointItem, order=ORDER, scope="audit")
    def get(self, call: Call) -> "QuerySet[Checkpoint]":
        """List the checkpoints: all if you may read the whole log, otherwise the public ones."""
        return Checkpoint.objects.visible_to(call.user)


class EntryReceipt(Endpoint):
    """The receipt of an entry."""

    @reads(ReceiptItem, scope="audit")
    def get(self, call: Call, pk: UUID) -> dict[str, object]:
        """Read the receipt of an entry, if you may read the whole log. If it is not ready, ask again when it is due."""
        entry = one(call, queries.provable(call.user), dataset="dataset_id", key=pk)
        return item_of(receipts.for_entries([entry], kind="entry"))
