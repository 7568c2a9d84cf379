"""Other portals for tests: this portal's identity, and peers in every state."""

from typing import Any

from django.utils import timezone

from accounts.models import User
from network import cards
from network.cards import Card
from network.models import Peer
from network.services import own, pins
from tests.makers.accounts import admin
from tests.network import making

URL = "https://b.example.org"


def set_up(name: str = "Hospital A", *, by: User | None = None) -> str:
    """Set up this portal's identity; return the recovery key as text."""
    by = by or admin()
    key = own.set_up(name, by=by)
    own.keep_recovery_key(by=by)
    return key


def card(*names: str, url: str = URL, **changes: Any) -> Card:
    """A card that counts now, signed by the last of the keys with these names; the others end soon."""
    now = int(timezone.now().timestamp())
    keys = [cards.CardKey(making.public_key(each), now - 1000, None) for each in (names or ("first",))[-1:]]
    keys += [cards.CardKey(making.public_key(each), now - 5000, now + 1000) for each in names[:-1]]
    given = {"expires": now + cards.CARD_SECONDS - 10, "url": url, "keys": tuple(keys), **changes}
    return making.card(**given)


def signed(made: Card, *, by: str = "first") -> str:
    return cards.signed(made, making.private_key(by))


def peer(state: str = "active", *, url: str = URL, by: User | None = None, **fields: Any) -> Peer:
    """A peer in this state, as it came to it, with a card of its own unless it waits."""
    made = Peer.objects.create(url=url)
    if state == Peer.State.WAITING:
        return made
    content = card(url=url, name=fields.pop("name", "Hospital B"))
    made.name = content.name
    pins.pin(made, signed(content), content)
    given = {
        "confirmed_by": by or admin(),
        "confirmed_with": "Bo Boss",
        "confirmed_at": timezone.now(),
        "asked_at": timezone.now(),
        "proven_at": None if state == Peer.State.INVITED else timezone.now(),
        "state": state,
        **fields,
    }
    for name, value in given.items():
        setattr(made, name, value)
    made.save()
    return Peer.objects.get(pk=made.pk)


def stranger(name: str) -> Peer:
    """A peer that only those who oversee know of, on a portal that is set up."""
    set_up()
    return peer("suspended", name=name)
