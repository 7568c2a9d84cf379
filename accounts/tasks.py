"""What the worker does for people: mail."""

from celery import shared_task

from accounts.mail import delivery


@shared_task(ignore_result=True)
def send_mail() -> None:
    """A bell: the rows say what is sent. The clock rings it too, for what the broker has lost."""
    delivery.send_due()
