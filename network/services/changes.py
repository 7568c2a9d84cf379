"""A name or an address that another portal wishes to change: an admin accepts or refuses it."""

from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit import log
from common import rows
from common.access import require
from common.errors import Conflict, Refused
from network import addresses, notifications, rules
from network.cards import Card
from network.models import Peer
from network.services import peers

WORDS = {"name": "name", "url": "address"}
"""What a portal may wish to change, by field, in words."""


def note_wishes(peer: Peer, card: Card) -> None:
    """Compare the name and the address of a locked portal with those in its newer card; the caller saves the row."""
    differs = {name: getattr(card, name) for name in WORDS if getattr(card, name) != getattr(peer, name)}
    wished = {name: value for name, value in differs.items() if peer.refused.get(name) != value}
    if wished and wished != peer.wished:
        notifications.wishes(peer)
    peer.wished = wished


@transaction.atomic
def accept(peer: Peer, *, by: User, seen: dict[str, str]) -> Peer:
    """Give a portal the name and the address that it wishes. `seen`: what the admin saw on the page.

    Raises Conflict if it wishes something else by now, or if another portal has the address; Refused for an address
    that no admin could have typed.
    """
    peer = _decided(peer, by=by, seen=seen)
    if "url" in peer.wished and addresses.exact(peer.wished["url"]) == settings.BASE_URL:
        raise Refused("This is the address of this portal. Refuse it.")
    if Peer.objects.known().filter(url=peer.wished.get("url", "")).exclude(pk=peer.pk).exists():
        raise Conflict("Another portal in the list has this address. Remove that one first.")
    changes = rows.change(peer, {**peer.wished, "wished": {}, "refused": {}})
    told = {name: change for name, change in changes.items() if name in WORDS}
    log.record("network.peer.change", by=by, on=peer, changes=told, verdict="accepted")
    peers.poll_soon(peer)
    return peer


@transaction.atomic
def refuse(peer: Peer, *, by: User, seen: dict[str, str]) -> Peer:
    """Keep the name and the address of a portal as they are. It is not asked about the same ones again."""
    peer = _decided(peer, by=by, seen=seen)
    log.record("network.peer.change", by=by, on=peer, wished=peer.wished, verdict="refused")
    rows.change(peer, {"wished": {}, "refused": {**peer.refused, **peer.wished}})
    return peer


def _decided(peer: Peer, *, by: User, seen: dict[str, str]) -> Peer:
    peer = rows.locked(peer)
    require(rules.may_decide_change, by, peer)
    if peer.wished != seen:
        raise Conflict("The portal asks for something else by now. Reload the page and decide again.")
    return peer
