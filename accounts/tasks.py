"""Celery tasks of accounts: sending mail, and deleting expired sessions."""

from celery import shared_task
from django.core.management import call_command

from accounts.mail import delivery


@shared_task(ignore_result=True)
def send_mail() -> None:
    """Send the mails that are due. Celery beat calls it too, for messages that the broker has lost."""
    delivery.send_due()


@shared_task(ignore_result=True)
def clear_sessions() -> None:
    """Delete the rows of expired sessions. Celery beat calls it every night."""
    call_command("clearsessions")
