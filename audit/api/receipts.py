"""A receipt in the API, of whatever it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rest_framework import serializers

from audit import receipts
from common.rest.bodies import Item


@dataclass(frozen=True, slots=True)
class Found:
    """A receipt, or None while the log has not been signed since."""

    receipt: dict[str, Any] | None


class ReceiptItem(Item):
    """A receipt, once the log has been signed. `weir verify` checks it without the portal."""

    ready = serializers.SerializerMethodField()
    receipt = serializers.DictField(
        child=serializers.JSONField(), allow_null=True, help_text="What to keep as a file; null until then."
    )
    due = serializers.SerializerMethodField(help_text="When to ask again; null once it is there.")

    def get_ready(self, found: Found) -> bool:
        return found.receipt is not None

    def get_due(self, found: Found) -> datetime | None:
        return receipts.due() if found.receipt is None else None
