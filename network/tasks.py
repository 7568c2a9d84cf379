"""Celery tasks of the network."""

from celery import shared_task

from network.services import elsewhere


@shared_task(ignore_result=True)
def look_after_askings() -> None:
    """Ask other portals what has become of what people here asked for. Celery beat calls it every minute."""
    elsewhere.look_after()
