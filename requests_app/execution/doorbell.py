"""The doorbell: a Celery message that wakes a worker to claim a run. The row in the database is the truth."""

from collections.abc import Iterable
from uuid import UUID

from celery import current_app
from django.db.models.functions import Now

from common import commit
from requests_app.models import Run

TASK = "requests_app.tasks.execute_run"


def ring(pk: UUID) -> None:
    """Wake a worker after commit. If the message is lost, the periodic sweep sends another."""
    commit.after(_send, pk)


def ring_again(pks: Iterable[UUID]) -> None:
    for pk in pks:
        ring(pk)


def _send(pk: UUID) -> None:
    Run.objects.filter(pk=pk, state=Run.State.QUEUED).update(rung_at=Now())
    current_app.send_task(TASK, args=[str(pk)])
