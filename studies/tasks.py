"""Celery tasks of studies."""

from celery import shared_task

from network.services import rounds
from studies.services import members


@shared_task(ignore_result=True)
def tell_members() -> None:
    """Tell other portals what this one decided in its studies. Celery beat calls it every minute."""
    rounds.alone(members.tell)
