"""The inbox: what waits for a person, across all apps."""

from collections import Counter
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, reads
from common.rest.grants import Call
from common.rest.references import Reference
from portal import inbox

ADDRESSES = {
    "review": ("versions", "version"),
    "check": ("releases", "release"),
    "access": ("access", "access_request"),
    "top_up": ("top-ups", "top_up"),
    "registration": ("people", "person"),
    "portal": ("network/portals", "portal"),
    "guest": ("network/portals", "portal"),
    "study": ("studies", "study"),
    "changes": ("requests", "request"),
    "output_changes": ("releases", "release"),
    "released": ("releases", "release"),
    "answer": ("answers", "answer"),
    "joint_answer": ("joint-answers", "joint_answer"),
    "run": ("requests", "request"),
    "expired": ("requests", "request"),
    "draft": ("requests", "request"),
}
"""For each kind of item, the resource of the API to read, and which of the item's ids names the object."""


class WaitingDataset(Item):
    """The dataset that something is about."""

    id = serializers.UUIDField()
    title = serializers.CharField()


class WaitingItem(Item):
    """One thing that waits for this person."""

    kind = serializers.ChoiceField(list(ADDRESSES))
    title = serializers.CharField()
    dataset = serializers.SerializerMethodField()
    who = serializers.CharField(help_text="Whose it is, in words.")
    since = serializers.DateTimeField()
    object = serializers.SerializerMethodField(help_text="What there is to decide on or to read.")
    path = serializers.SerializerMethodField()
    page = serializers.CharField(source="url", help_text="The path of the page of the portal.")

    @extend_schema_field(WaitingDataset(allow_null=True))
    def get_dataset(self, item: inbox.InboxItem) -> dict[str, str] | None:
        pk = item.ids.get("dataset")
        return None if pk is None else {"id": str(pk), "title": item.dataset}

    @extend_schema_field(Reference)
    def get_object(self, item: inbox.InboxItem) -> dict[str, str]:
        return {"id": str(_object(item)[1])}

    def get_path(self, item: inbox.InboxItem) -> str:
        """The path of the object in this API."""
        resource, pk = _object(item)
        return f"{settings.API}{resource}/{pk}/"


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


def _object(item: inbox.InboxItem) -> tuple[str, UUID]:
    """Return the resource of the API and the id of what there is to decide on or to read."""
    resource, name = ADDRESSES[item.kind]
    return resource, item.ids[name]


def _within(call: Call, found: inbox.Inbox) -> inbox.Inbox:
    """Keep only what is about datasets that the call's token may reach."""
    limited = call.auth.dataset_ids if call.auth else None
    if limited is None:
        return found
    kept = [item for item in found if item.ids.get("dataset") in limited]
    return inbox.Inbox(kept, dict(Counter(item.kind for item in kept)))
