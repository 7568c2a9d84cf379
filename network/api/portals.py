"""The other portals: for everybody those that are active, and for those who oversee what state all are in."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers

from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, lists, reads
from common.rest.grants import Call, one, require_every_dataset
from network import rules
from network.models import Peer


class PortalLine(Item):
    """Another portal. `turn`, `seen_at` and `trouble` are empty for those who do not oversee."""

    id = serializers.UUIDField()
    name = serializers.CharField(help_text="The institution. Empty before an admin has looked the portal up.")
    url = serializers.CharField()
    state = serializers.ChoiceField(Peer.State.choices)
    turn = serializers.SerializerMethodField(help_text="Whose turn it is, in words.")
    seen_at = serializers.SerializerMethodField(help_text="When it last answered a call or made one.")
    trouble = serializers.SerializerMethodField(help_text="Why the last call failed, in words.")

    def get_turn(self, peer: Peer) -> str:
        return peer.turn if self._oversees() else ""

    def get_seen_at(self, peer: Peer) -> datetime | None:
        return peer.seen_at if self._oversees() else None

    def get_trouble(self, peer: Peer) -> str:
        return peer.trouble if self._oversees() else ""

    def _oversees(self) -> bool:
        return rules.may_read(self.context["call"].user) is None


class OtherPortals(Endpoint):
    """The portals that this one knows."""

    @lists(PortalLine)
    def get(self, call: Call) -> "QuerySet[Peer]":
        """List the portals that are active; admins and auditors get those in every other state, too."""
        require_every_dataset(call)
        return Peer.objects.visible_to(call.user)


class OtherPortal(Endpoint):
    """One portal that this one knows."""

    @reads(PortalLine)
    def get(self, call: Call, pk: UUID) -> Peer:
        """Read the name, the address and the state of another portal."""
        require_every_dataset(call)
        return one(call, Peer.objects.visible_to(call.user), dataset=None, pk=pk)
