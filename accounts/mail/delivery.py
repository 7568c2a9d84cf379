"""Send queued mails. A mail that fails is retried later and does not hold up the others."""

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.mail.letters import letter
from accounts.models import Mail, Notification, User
from accounts.notifications import notify
from accounts.topics import Topic
from common import mail

logger = logging.getLogger(__name__)

AT_ONCE_SECONDS = 30.0
"""Start no mail later than this after the first one. The worker has other work, and Celery beat calls again."""
TRIES = 8
FIRST_PAUSE = timedelta(minutes=1)
"""Doubles with each try, so the last try is about two hours after the first."""


def send_due() -> None:
    """Send the mails that are due. Several workers may do so at once: each row is locked by one of them."""
    until = time.monotonic() + AT_ONCE_SECONDS
    while time.monotonic() < until and _send_next():
        pass


@transaction.atomic
def _send_next() -> bool:
    """Send one mail or schedule its next try; return False if none is due."""
    due = Mail.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    item = due.select_for_update(skip_locked=True).first()
    if item is None:
        return False
    try:
        with transaction.atomic():  # a savepoint: the next try can be stored even after a database error
            if item.kind == Mail.Kind.REGISTERED and not item.tries:
                _tell_admins()
            says = letter(item)
        if says:
            mail.send(item.address, says.text, url=says.url, extra=says.extra)
    except Exception as bad:  # noqa: BLE001 -- no error of one mail may stop the others
        _postpone(item, bad)
    else:
        item.delete()
    return True


def _tell_admins() -> None:
    """Notify each admin without an unread notification of a registration. The text quotes nothing from the stranger."""
    page = reverse("accounts:registrations")
    informed = Notification.objects.unread().filter(url=page).values("user")
    admins = User.objects.admins().exclude(pk__in=informed)
    notify(admins, "Somebody has asked for an account.", about=Topic.WORK, url=page)


def _postpone(item: Mail, bad: Exception) -> None:
    """Schedule the next try, or give up. The log omits the error's text, which may repeat the address or the mail."""
    item.tries += 1
    if item.tries >= TRIES:
        logger.error("Mail %s was dropped after %d failed tries: %s", item.pk, item.tries, type(bad).__name__)
        item.delete()
        return
    item.due_at = timezone.now() + FIRST_PAUSE * 2 ** (item.tries - 1)
    item.save(update_fields=["tries", "due_at"])
    logger.warning("Mail %s could not be sent and will be retried: %s", item.pk, type(bad).__name__)
