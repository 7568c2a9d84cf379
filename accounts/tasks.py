"""Celery tasks of accounts: sending mail."""

from celery import shared_task

from accounts.mail import delivery


@shared_task(ignore_result=True)
def send_mail() -> None:
    """Send the mails that are due. Celery beat calls it too, for messages that the broker has lost."""
    delivery.send_due()
