"""Pinning: what of another portal's card is stored, and from then on trusted."""

from datetime import UTC, datetime

from django.utils import timezone

from network import cards
from network.cards import KEY_OVERLAP, Card, CardKey
from network.models import Peer, PeerKey


def pin(peer: Peer, text: str, card: Card, *, ends_old_keys: bool = False) -> None:
    """Set the card of a locked portal and pin its keys; the caller saves the row.

    Keys that the card no longer names end after the overlap, or at once with `ends_old_keys`. Whatever the card says,
    no key but the present one counts for longer than the overlap.
    """
    now = timezone.now()
    peer.card, peer.card_expires_at = text, _moment(card.expires)
    peer.recovery, peer.epoch, peer.sequence = card.recovery, card.epoch, card.sequence
    named = {key.public: key for key in card.keys}
    known = {bytes(row.public): row for row in peer.keys.all()}
    latest = now if ends_old_keys else now + KEY_OVERLAP
    for public, row in known.items():
        _end(row, named.get(public), latest)
    PeerKey.objects.bulk_create(
        PeerKey(peer=peer, public=key.public, since=min(_moment(key.since), now), until=_until(key, now))
        for public, key in named.items()
        if public not in known
    )


def _end(row: PeerKey, named: CardKey | None, latest: datetime) -> None:
    """Let a pinned key end when the card says so, at most at `latest`. A key that has ended never counts again."""
    if named is not None and named.until is None and row.until is None:
        return
    ends = [latest, row.until, _until(named, latest) if named else None]
    row.until = min(each for each in ends if each is not None)
    row.save(update_fields=["until"])


def card_of(peer: Peer) -> Card | None:
    """Return the card of a portal that counts, or None before an admin has fetched one."""
    return cards.read(peer.card) if peer.card else None


def fingerprint(peer: Peer) -> str:
    """Return the fingerprint of the card that counts, as both admins see it. Before there is one: ""."""
    card = card_of(peer)
    return cards.fingerprint(card) if card else ""


def _until(key: CardKey, now: datetime) -> datetime | None:
    return None if key.until is None else min(_moment(key.until), now + KEY_OVERLAP)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
