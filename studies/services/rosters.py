"""What this portal knows of the portals of a plan: their keys, and whether they count at present."""

from collections.abc import Sequence
from typing import TypeAlias

from django.conf import settings
from django.utils import timezone

from common.errors import Refused
from network import cards, identity
from network.models import IdentityKey, Peer
from studies import queries

Peers: TypeAlias = dict[str, Peer]
UNKNOWN = (
    "This portal does not know {url}, or does not work with it at present. Its admin has to connect the two."
)
RECOVERED = "{name} has replaced its keys. An admin of this portal has to compare its fingerprint first."


def public_key(url: str, key_id: str) -> bytes | None:
    """Return a key of an active portal, or of this one, that is pinned and counts now."""
    now = timezone.now()
    if url == settings.BASE_URL:
        own = [bytes(key.public) for key in IdentityKey.objects.all() if key.until is None or now < key.until]
        return next((public for public in own if cards.key_id(public) == key_id), None)
    peer = _active(url)
    pinned = [bytes(key.public) for key in peer.keys.all() if key.counts(now)] if peer else []
    return next((public for public in pinned if cards.key_id(public) == key_id), None)


def peers_of(urls: Sequence[str]) -> Peers:
    """Return the active portals at these addresses, by address; this portal is none of them."""
    return {peer.url: peer for peer in Peer.objects.active().filter(url__in=urls)}


def signing_key(peer: Peer | None) -> str:
    """Return the id of the key that a portal signs with at present; None is this one. Raises Refused if none counts.

    It is chosen as that portal chooses it (`identity.signer`).
    """
    if peer is None:
        return identity.signer()[0].partition("#")[2]
    now = timezone.now()
    counting = sorted(
        (key for key in peer.keys.all() if key.counts(now)), key=lambda key: key.since, reverse=True
    )
    if not counting:
        raise Refused(f"No key of {peer} counts at present. Its admin has to look after it.")
    known = next((key for key in counting if key.since <= now - identity.KNOWN_AFTER), counting[-1])
    return cards.key_id(bytes(known.public))


def trouble_among(urls: Sequence[str]) -> str:
    """Return why joint questions cannot be answered with these portals at present, or an empty string."""
    for url in urls:
        peer = _active(url) if url != settings.BASE_URL else None
        if peer is None and url != settings.BASE_URL:
            return UNKNOWN.format(url=queries.name_of(url))
        if peer is not None and peer.recovered_at is not None:
            return RECOVERED.format(name=peer)
    return ""


def _active(url: str) -> Peer | None:
    return Peer.objects.active().filter(url=url).first()
