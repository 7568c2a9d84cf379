"""What the worker does for people: mail."""

from celery import shared_task

from accounts.models import Notification
from common import mail


@shared_task(ignore_result=True)
def mail_notifications(pks: list[str]) -> None:
    for item in Notification.objects.filter(pk__in=pks).select_related("user"):
        mail.send(item.user.email, item.text, url=item.url)


@shared_task(ignore_result=True)
def mail_address(address: str, text: str, url: str = "", extra: str = "") -> None:
    """Mail that does not wait in anybody's bell: to those who cannot sign in yet, or no longer."""
    mail.send(address, text, url=url, extra=extra)
