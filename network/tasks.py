"""Celery tasks of the network: looking after the portals that are known, and witnessing each other's logs."""

from uuid import UUID

from celery import shared_task

from network.models import Peer
from network.services import catalogue, directories, elsewhere, polling, rounds, witnesses

AGAIN = 20
"""Seconds after which portals are polled if another round was running."""


@shared_task(ignore_result=True)
def poll_peers() -> None:
    """Fetch the cards of all portals and call them. Celery beat calls it every ten minutes."""
    if not polling.poll_all():
        poll_peers.apply_async(countdown=AGAIN)


@shared_task(ignore_result=True)
def poll_peer(pk: str) -> None:
    """Fetch the card of one portal and call it, soon after something changed."""
    polling.poll(UUID(pk))


@shared_task(ignore_result=True)
def have_log_signed() -> None:
    """Ask each peer to sign the newest checkpoint of this portal's log. Celery beat calls it every minute."""
    rounds.of(Peer.objects.reachable(), witnesses.submit)


@shared_task(ignore_result=True)
def compare_checkpoints() -> None:
    """Compare with each peer what it and this portal have signed. Celery beat calls it every ten minutes."""
    rounds.of(Peer.objects.reachable(), witnesses.compare)


@shared_task(ignore_result=True)
def refresh_catalogues() -> None:
    """Read the catalogues of all active peers. Celery beat calls it every ten minutes."""
    rounds.of(Peer.objects.reachable(), catalogue.refresh)


@shared_task(ignore_result=True)
def refresh_directories() -> None:
    """Ask all directories which portals they work with. Celery beat calls it every hour."""
    rounds.of(Peer.objects.reachable(), directories.refresh)


@shared_task(ignore_result=True)
def look_after_askings() -> None:
    """Ask other portals what has become of what people here asked for. Celery beat calls it every minute."""
    rounds.alone(elsewhere.look_after)
