"""Celery tasks of the network: looking after the portals that are known, and witnessing each other's logs."""

import logging
from uuid import UUID

from celery import Task, shared_task

from common.errors import Refused
from network import identity
from network.models import Peer
from network.services import catalogue, elsewhere, polling, witnesses

logger = logging.getLogger(__name__)
MOST_PEERS = 200
SOON = 55
"""Seconds after which a call that has not begun is left out: the next minute brings another."""


@shared_task(ignore_result=True)
def poll_peers() -> None:
    """Fetch the cards of all portals and call them. Celery beat calls it every ten minutes."""
    polling.poll_all()


@shared_task(ignore_result=True)
def poll_peer(pk: str) -> None:
    """Fetch the card of one portal and call it, soon after something changed."""
    polling.poll(UUID(pk))


@shared_task(ignore_result=True)
def have_log_signed() -> None:
    """Ask each peer to sign the newest checkpoint of this portal's log. Celery beat calls it every minute."""
    _for_each_peer(have_log_signed_by)


@shared_task(ignore_result=True)
def compare_checkpoints() -> None:
    """Compare with each peer what it and this portal have signed. Celery beat calls it every ten minutes."""
    _for_each_peer(compare_checkpoints_with)


@shared_task(ignore_result=True)
def have_log_signed_by(peer_id: str) -> None:
    """Ask one peer. What it refuses is in the log of the worker; whether it can be reached is noted at the peer."""
    for peer in Peer.objects.active().filter(pk=peer_id):
        try:
            witnesses.submit(peer)
        except Refused as why:
            logger.warning("%s has not signed the log: %s", peer.url, why)


@shared_task(ignore_result=True)
def compare_checkpoints_with(peer_id: str) -> None:
    """Compare with one peer."""
    for peer in Peer.objects.active().filter(pk=peer_id):
        try:
            witnesses.compare(peer)
        except Refused as why:
            logger.warning("Checkpoints were not compared with %s: %s", peer.url, why)


@shared_task(ignore_result=True)
def refresh_catalogues() -> None:
    """Read the catalogues of all active peers, each in a task of its own. Celery beat calls it every 10 minutes."""
    _for_each_peer(refresh_catalogue)


@shared_task(ignore_result=True)
def refresh_catalogue(peer_id: str) -> None:
    """Read the catalogue of a peer, if it is still active."""
    for peer in Peer.objects.active().filter(pk=peer_id):
        catalogue.refresh(peer)


@shared_task(ignore_result=True)
def look_after_askings() -> None:
    """Ask other portals what has become of what people here asked for. Celery beat calls it every minute."""
    elsewhere.look_after()


def _for_each_peer(task: "Task[[str], None]") -> None:
    if identity.exists():
        for pk in Peer.objects.reachable().values_list("pk", flat=True)[:MOST_PEERS]:
            task.apply_async((str(pk),), expires=SOON)
