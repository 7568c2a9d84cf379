"""Looking after the portals that are known: fetch each one's card, take over a newer one, and hear its state."""

import logging
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from audit import log
from common import rows
from common.errors import Refused
from network import calls, cards, notifications
from network.cards import Card, Succession
from network.models import Peer
from network.services import changes, peers, pins, rounds

logger = logging.getLogger(__name__)

State = Peer.State
POLLED = Q(state__in=[State.INVITED, State.ACTIVE]) | Q(state=State.SUSPENDED, suspended_by=None)
"""Portals that are called: those that an admin has suspended are left alone."""
LATE = timedelta(days=1)
"""How long a card counts after it has expired, until the portal is suspended."""
TEXT = 300


def poll_all() -> bool:
    """Poll every portal that is not suspended by an admin. Returns False if another round is running."""
    return rounds.of(Peer.objects.filter(POLLED), lambda peer: poll(peer.pk))


def poll(pk: UUID) -> None:
    """Fetch the card of a portal and call it. What goes wrong is noted on its row, in words for an admin."""
    peer = Peer.objects.filter(POLLED, pk=pk).first()
    if peer is None:
        return
    answers = _fetch(peer)
    peer = _look_at_the_date(peer)
    if answers and peer.state in {State.INVITED, State.ACTIVE} and "url" not in peer.wished:
        _call(peer)


def _call(peer: Peer) -> None:
    """Send the introduction if it has not been sent, and hear the state of a portal."""
    try:
        if peer.state == State.INVITED and peer.asked_at is None:
            calls.introduce(peer.url)
            calls.note(peer, asked_at=timezone.now())
        calls.call(peer, "GET", calls.STATE)
    except calls.Unreachable as why:
        is_expected = peer.state == State.INVITED and why.kind == "unknown"
        _note(peer, "" if is_expected else str(why))
    except Refused as why:
        _note(peer, str(why))


def _fetch(peer: Peer) -> bool:
    """Fetch the card and take it over if it follows the pinned one; return whether the portal answered."""
    try:
        text, card = calls.fetch_card(peer.url, may_have_moved=True)
    except calls.Unreachable as why:
        if why.kind == "card":
            calls.note(peer, card_trouble=str(why)[:TEXT])
            return True
        _note(peer, str(why))
        return False
    with transaction.atomic():
        _take(rows.locked(peer), text, card)
    return True


def _note(peer: Peer, trouble: str) -> None:
    calls.note(peer, tried_at=timezone.now(), trouble=trouble[:TEXT])


def _take(peer: Peer, text: str, card: Card) -> None:
    """Take over the card of a locked portal, or note why it does not count."""
    try:
        succession = _succession(peer, text, card)
    except ValueError as why:
        peer.card_trouble = str(why)[:TEXT]
        if _went_back(peer, card):
            peers.suspend_by_itself(peer, "Its card is from before its keys were replaced.")
        peer.save()
        return
    peer.card_trouble = ""
    if succession != Succession.SAME:
        pins.pin(peer, text, card, ends_old_keys=succession == Succession.RECOVERED)
        changes.note_wishes(peer, card)
    if succession == Succession.RECOVERED:
        peer.recovered_at = timezone.now()
        log.record("network.peer.recovered", by=User.objects.system_actor(), on=peer, epoch=card.epoch)
        notifications.recovered(peer)
    peers.resume_by_itself(peer)
    peer.save()


def _succession(peer: Peer, text: str, card: Card) -> Succession:
    """Return how a card follows the pinned one. Raises ValueError if it does not."""
    succession = cards.follows(
        card,
        keys=_pinned(peer),
        recovery=bytes(peer.recovery or b""),
        epoch=peer.epoch,
        sequence=peer.sequence,
    )
    if succession == Succession.SAME and text != peer.card:
        raise ValueError("It shows another card with the number of the one that is known.")
    return succession


def _pinned(peer: Peer) -> list[bytes]:
    now = timezone.now()
    return [bytes(key.public) for key in peer.keys.all() if key.counts(now)]


def _went_back(peer: Peer, card: Card) -> bool:
    """Return whether keys that were replaced with the recovery key are in use again: somebody has them."""
    known = {bytes(key.public) for key in peer.keys.all()}
    same = card.recovery == bytes(peer.recovery or b"")
    return same and card.epoch < peer.epoch and any(key.public in known for key in card.keys)


def _look_at_the_date(peer: Peer) -> Peer:
    """Suspend a portal whose card expired too long ago; return its row as it is now."""
    with transaction.atomic():
        peer = rows.locked(peer)
        expires = peer.card_expires_at
        if expires is not None and expires + LATE < timezone.now():
            peers.suspend_by_itself(peer, "Its card has expired, and no newer one came.")
    return peer
