"""The inbox: what waits for a person, across all apps."""

from collections import Counter
from typing import Any

from django.conf import settings
from rest_framework import serializers

from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, reads
from common.rest.grants import Call
from portal import inbox

ADDRESSES = {
    "review": ("versions", "version"),
    "check": ("releases", "release"),
    "access": ("access", "access_request"),
    "top_up": ("top-ups", "top_up"),
    "registration": ("people", "person"),
    "changes": ("requests", "request"),
    "output_changes": ("releases", "release"),
    "released": ("releases", "release"),
    "answer": ("answers", "answer"),
    "run": ("requests", "request"),
    "expired": ("requests", "request"),
    "draft": ("requests", "request"),
}
"""For each kind of item, the resource of the API to read, and which of the item's ids names the object."""


class WaitingItem(Item):
    """One thing that waits for this person."""

    kind = serializers.ChoiceField(list(ADDRESSES))
    title = serializers.CharField()
    dataset = serializers.CharField(help_text="The title of the dataset, or nothing.")
    who = serializers.CharField()
    since = serializers.DateTimeField()
    ids = serializers.DictField(
        child=serializers.UUIDField(), help_text="The ids of what it is about, such as dataset and version."
    )
    path = serializers.SerializerMethodField()
    page = serializers.CharField(source="url", help_text="The path of the page of the portal.")

    def get_path(self, item: inbox.InboxItem) -> str:
        """The path of the object in this API."""
        resource, name = ADDRESSES[item.kind]
        return f"{settings.API}{resource}/{item.ids[name]}/"


class InboxContent(Item):
    """What waits for this person: the oldest of each kind, oldest first, and how many there are of each kind."""

    items = WaitingItem(many=True)
    totals = serializers.DictField(child=serializers.IntegerField())


class Inbox(Endpoint):
    """Your inbox."""

    @reads(InboxContent)
    def get(self, call: Call) -> dict[str, Any]:
        """Read what waits for you: code to review, outputs to check, answers, drafts and so on."""
        found = _within(call, inbox.inbox(call.user))
        return {"items": found.items, "totals": found.totals}


def _within(call: Call, found: inbox.Inbox) -> inbox.Inbox:
    """Keep only what is about datasets that the call's token may reach."""
    limited = call.auth.dataset_ids if call.auth else None
    if limited is None:
        return found
    kept = [item for item in found if item.ids.get("dataset") in limited]
    return inbox.Inbox(kept, dict(Counter(item.kind for item in kept)))
