"""What happens to peers: other portals ask to be known, and become active."""

from django.db import IntegrityError, transaction

from audit import log
from audit.system import SYSTEM
from common.errors import Refused
from network import addresses
from network.models import Peer

MOST_WAITING = 20
"""Portals that may wait for an admin. More are not stored."""


def asked(url: str) -> None:
    """Let a portal wait for an admin, unless it is known already, too many wait, or this is no portal's address.

    The portal is not told which, and nothing is fetched from it.
    """
    try:
        exact = addresses.exact(url)
    except Refused:
        return
    if exact != url or Peer.objects.known().filter(url=url).exists():
        return
    if Peer.objects.filter(state=Peer.State.WAITING).count() >= MOST_WAITING:
        return
    try:
        with transaction.atomic():
            Peer.objects.create(url=url, state=Peer.State.WAITING)
    except IntegrityError:  # it asked twice at once
        return


def heard_from(peer: Peer) -> None:
    """Make an invited peer active: its valid signature says that it has confirmed this portal. Otherwise do nothing."""
    if peer.state != Peer.State.INVITED:
        return
    with transaction.atomic():
        locked = Peer.objects.select_for_update().get(pk=peer.pk)
        if locked.state == Peer.State.INVITED:
            locked.state = Peer.State.ACTIVE
            locked.save(update_fields=["state"])
            log.record("network.peer.active", by=SYSTEM, on=locked, url=locked.url)
    peer.state = locked.state
