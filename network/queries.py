"""Reads for the pages about other portals, each in a bounded number of queries."""

from django.db.models import Case, IntegerField, QuerySet, Value, When

from accounts.models import User
from datasets.models import Dataset
from network.models import Identity, IdentityKey, Listing, LogAlarm, Peer, PeerKey

ORDER = [
    Peer.State.WAITING,
    Peer.State.INVITED,
    Peer.State.ACTIVE,
    Peer.State.SUSPENDED,
    Peer.State.REMOVED,
]
"""The order of the list: first what waits for somebody."""


def identity() -> Identity | None:
    """Return this portal's identity, or None before it has been set up."""
    return Identity.objects.first()


def identity_keys() -> QuerySet[IdentityKey]:
    """Return the keys that this portal has signed with, newest first."""
    return IdentityKey.objects.order_by("-since")


def peers(user: User) -> QuerySet[Peer]:
    """Return the portals that `user` may see and that were not removed: first what waits for somebody."""
    places = [When(state=state, then=Value(place)) for place, state in enumerate(ORDER)]
    found = Peer.objects.visible_to(user).known()
    return found.order_by(Case(*places, output_field=IntegerField()), "name", "url")


def keys_of(peer: Peer) -> list[PeerKey]:
    """Return the pinned keys of a portal, newest first."""
    return list(peer.keys.all())


def waiting_for_an_admin() -> QuerySet[Peer]:
    """Return the portals on which an admin has to decide something."""
    known = Peer.objects.known()
    asks = known.filter(state=Peer.State.WAITING)
    return (asks | known.filter(recovered_at__isnull=False) | known.exclude(wished={})).order_by("created_at")


def has_open_alarms() -> bool:
    """Return whether nobody has dealt with an alarm about another portal's log."""
    return LogAlarm.objects.filter(seen_at=None).exists()


def listing_of(dataset: Dataset) -> Listing:
    """Return who of the other portals sees a dataset; a listing that is not stored, if its owner never said."""
    return Listing.objects.filter(dataset=dataset).first() or Listing(dataset=dataset)
