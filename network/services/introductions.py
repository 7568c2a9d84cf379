"""Introductions: two admins compare a fingerprint before either portal does anything for the other."""

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common import rows
from common.access import require
from common.errors import Conflict, Refused
from common.reasons import note
from network import addresses, calls, cards, notifications, rules
from network.cards import Card
from network.models import Identity, Peer
from network.services import peers, pins

WAITING_AT_MOST = 20
"""Introductions of strangers that wait for an admin at a time. Further ones are dropped."""
COMPARED_WITH = 150


@dataclass(frozen=True, slots=True)
class Found:
    """A portal whose card was fetched and is not trusted yet."""

    url: str
    text: str
    card: Card
    fingerprint: str


def look_up(typed: str, *, by: User) -> Found:
    """Fetch the card of the portal at an address. Nothing is stored.

    Raises Refused for an address that is not allowed, for a portal that is known already, and for a card that does
    not count; raises calls.Unreachable if there is no answer.
    """
    require(rules.may_introduce, by)
    url = addresses.exact(typed)
    if url == settings.BASE_URL:
        raise Refused("This is the address of this portal. Type the address of another one.")
    if Peer.objects.known().filter(url=url).exclude(state=Peer.State.WAITING).exists():
        raise _known()
    return _fetched(url)


def introduce(typed: str, *, by: User, fingerprint: str, compared_with: str) -> Peer:
    """Confirm a portal whose fingerprint the admin has compared with somebody there: pin its keys and call it.

    `fingerprint` is the one that the admin saw. Raises Conflict if the card has changed since, or if another admin
    was quicker; raises what `look_up` raises.
    """
    found = look_up(typed, by=by)
    compared_with = _whom(compared_with)
    if fingerprint != found.fingerprint:
        raise Conflict("The portal's card has changed since you saw it. Look it up and compare it again.")
    with transaction.atomic():
        peer, new = _row_for(found)
        if peer.state not in {Peer.State.WAITING, Peer.State.REMOVED}:
            raise _known()
        peer.url, peer.name = found.url, found.card.name
        pins.pin(peer, found.text, found.card)
        _confirmed(peer, by=by, compared_with=compared_with)
        action = "introduce" if new else "confirm"
        peers.to_state(
            peer,
            Peer.State.INVITED,
            by=by,
            action=action,
            fingerprint=found.fingerprint,
            compared_with=compared_with,
        )
        peers.poll_soon(peer)
    return peer


def _row_for(found: Found) -> tuple[Peer, bool]:
    """Return the locked row of a portal that is confirmed, and whether it had not introduced itself.

    One that was removed gets its old row back if it has the same recovery key: so its guests, their budgets and what
    was signed of its log are not begun anew.
    """
    waiting = Peer.objects.known().filter(url=found.url).first()
    earlier = Peer.objects.filter(
        state=Peer.State.REMOVED, recovery=found.card.recovery, confirmed_at__isnull=False
    )
    removed = earlier.order_by("-confirmed_at").first()
    if removed is None or (waiting and waiting.state != Peer.State.WAITING):
        peer, new = Peer.objects.known().get_or_create(url=found.url)
        return rows.locked(peer), new
    if waiting:
        rows.locked(waiting).delete()
    peer = rows.locked(removed)
    peer.keys.all().delete()  # they had ended; those in the card are pinned anew
    peer.asked_at = peer.proven_at = peer.recovered_at = peer.suspended_by = None
    peer.wished, peer.refused, peer.trouble, peer.card_trouble = {}, {}, "", ""
    return peer, waiting is None


def asked(url: str) -> None:
    """Note that a portal introduces itself. Nothing is fetched from it before an admin decides to.

    Nothing happens if the address is not one, is known, or if too many wait: the caller never learns which.
    """
    try:
        exact = addresses.exact(url)
    except Refused:
        return
    if exact != url or url == settings.BASE_URL:
        return
    if not _has_room_for(url):
        return
    with transaction.atomic():
        if Identity.objects.select_for_update().first() is None or not _has_room_for(url):
            return
        peer = Peer.objects.create(url=url)
        log.record("network.peer.ask", by=User.objects.system_actor(), on=peer)
        notifications.asked(peer)


def _has_room_for(url: str) -> bool:
    """Return whether this address may begin to wait: asked before the lock, and again under it."""
    known = Peer.objects.known()
    waiting = known.filter(state=Peer.State.WAITING).count()
    return waiting < WAITING_AT_MOST and not known.filter(url=url).exists()


@transaction.atomic
def dismiss(peer: Peer, *, by: User) -> Peer:
    """Dismiss an introduction that waits. The portal may introduce itself again."""
    peer = rows.locked(peer)
    require(rules.may_dismiss, by, peer)
    peers.to_state(peer, Peer.State.REMOVED, by=by, action="remove", reason="The introduction was dismissed.")
    return peer


@transaction.atomic
def ask_again(peer: Peer, *, by: User) -> Peer:
    """Send the introduction to a portal once more, for an admin there who has dismissed it or never saw it."""
    peer = rows.locked(peer)
    require(rules.may_ask_again, by, peer)
    peer.asked_at = None
    peer.save(update_fields=["asked_at"])
    peers.poll_soon(peer)
    return peer


@transaction.atomic
def compare_again(peer: Peer, *, by: User, fingerprint: str, compared_with: str) -> Peer:
    """Confirm a portal again after its keys were replaced with its recovery key."""
    peer = rows.locked(peer)
    require(rules.may_compare_again, by, peer)
    compared_with = _whom(compared_with)
    if fingerprint != pins.fingerprint(peer):
        raise Conflict("The portal's card has changed since you saw it. Compare it again.")
    _confirmed(peer, by=by, compared_with=compared_with)
    peer.recovered_at = None
    peer.save(update_fields=["confirmed_by", "confirmed_with", "confirmed_at", "recovered_at"])
    log.record("network.peer.confirm", by=by, on=peer, fingerprint=fingerprint, compared_with=compared_with)
    return peer


def _fetched(url: str) -> Found:
    text, card = calls.fetch_card(url)
    return Found(url, text, card, cards.fingerprint(card))


def _confirmed(peer: Peer, *, by: User, compared_with: str) -> None:
    peer.confirmed_by, peer.confirmed_with, peer.confirmed_at = by, compared_with, timezone.now()


def _whom(typed: str) -> str:
    whom = " ".join(note(typed, COMPARED_WITH, name="name").split())
    if not whom:
        raise Refused("Say with whom you compared the fingerprint.")
    return whom


def _known() -> Conflict:
    return Conflict("This portal has been introduced already. Its page is in the list.")
