"""Celery tasks of what every app uses: deleting idempotency keys that are too old."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from common.models import IdempotencyKey

KEPT = timedelta(days=1)
"""How long a call with the same key acts once."""


@shared_task(ignore_result=True)
def forget_keys() -> None:
    """Delete keys that are older than a day. Celery beat calls it every hour."""
    IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
