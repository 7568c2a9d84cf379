"""Celery tasks of the network: looking after the portals that are known."""

from uuid import UUID

from celery import shared_task

from network.services import polling


@shared_task(ignore_result=True)
def poll_peers() -> None:
    """Fetch the cards of all portals and call them. Celery beat calls it every ten minutes."""
    polling.poll_all()


@shared_task(ignore_result=True)
def poll_peer(pk: str) -> None:
    """Fetch the card of one portal and call it, soon after something changed."""
    polling.poll(UUID(pk))
