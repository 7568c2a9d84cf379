"""Celery tasks of accounts: sending mail, and deleting what has expired."""

from celery import shared_task
from django.core.management import call_command

from accounts.mail import delivery
from accounts.services import programs


@shared_task(ignore_result=True)
def send_mail() -> None:
    """Send the mails that are due. Celery beat calls it too, for messages that the broker has lost."""
    delivery.send_due()


@shared_task(ignore_result=True)
def clear_sessions() -> None:
    """Delete the rows of expired sessions. Celery beat calls it every night."""
    call_command("clearsessions")


@shared_task(ignore_result=True)
def forget_expired_sign_ins() -> None:
    """Delete programs' unfinished sign-ins that have expired. Celery beat calls it every night."""
    programs.forget_expired()
