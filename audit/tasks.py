"""Celery tasks of the audit log: signing it."""

import logging

from celery import shared_task
from django.utils import timezone

from audit import signing

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def sign_log() -> None:
    """Sign the log if somebody waits or a new hour has begun. Celery beat calls it every minute."""
    try:
        signing.sign_if_due(timezone.now())
    except signing.KeyLost as lost:
        logger.error("The log was not signed: %s", lost)  # noqa: TRY400 -- every minute; the reason says it all
