"""Celery tasks of the network: reading what other portals show."""

from celery import shared_task

from network.models import Peer
from network.services import catalogue

MOST_PEERS = 200


@shared_task(ignore_result=True)
def refresh_catalogues() -> None:
    """Read the catalogues of all active peers, each in a task of its own. Celery beat calls it every 10 minutes."""
    for pk in Peer.objects.filter(state=Peer.State.ACTIVE).values_list("pk", flat=True)[:MOST_PEERS]:
        refresh_catalogue.delay(str(pk))


@shared_task(ignore_result=True)
def refresh_catalogue(pk: str) -> None:
    """Read the catalogue of a peer, if it is still active."""
    peer = Peer.objects.filter(pk=pk, state=Peer.State.ACTIVE).first()
    if peer is not None:
        catalogue.refresh(peer)
