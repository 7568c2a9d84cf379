"""Sending the mails that wait. One that cannot be sent is tried again later, and holds up no other."""

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.mail.letters import letter
from accounts.models import Mail, Notification, User
from accounts.notifications import tell
from common import mail

logger = logging.getLogger(__name__)

AT_ONCE_SECONDS = 30.0
"""No mail is begun later than this after the first one: there is other work for this worker, and the clock rings again.
"""
TRIES = 8
FIRST_PAUSE = timedelta(minutes=1)
"""It doubles with each try: the last one is about two hours after the first."""


def send_due() -> None:
    """Send what is due. Several workers may do so at once: each row is taken by one of them."""
    until = time.monotonic() + AT_ONCE_SECONDS
    while time.monotonic() < until and _send_next():
        pass


@transaction.atomic
def _send_next() -> bool:
    """Send one mail, or write down when it is tried again; False when none is due."""
    due = Mail.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    item = due.select_for_update(skip_locked=True).first()
    if item is None:
        return False
    try:
        with transaction.atomic():  # so that the next try can be written down whatever the database says
            if item.kind == Mail.Kind.REGISTERED and not item.tries:
                _tell_admins()
            says = letter(item)
        if says:
            mail.send(item.address, says.text, url=says.url, extra=says.extra)
    except Exception as bad:  # noqa: BLE001 -- whatever it is about this mail, the others are sent
        _postpone(item, bad)
    else:
        item.delete()
    return True


def _tell_admins() -> None:
    """That somebody asks for an account: a line for each admin who has none unread, in none of the stranger's words."""
    page = reverse("accounts:registrations")
    know = Notification.objects.unread().filter(url=page).values("user")
    tell(User.objects.admins().exclude(pk__in=know), "Somebody asks for an account.", url=page)


def _postpone(item: Mail, bad: Exception) -> None:
    """Not the error's text: it may repeat the address or the mail."""
    item.tries += 1
    if item.tries >= TRIES:
        logger.error("Mail %s was given up after %d tries: %s", item.pk, item.tries, type(bad).__name__)
        item.delete()
        return
    item.due_at = timezone.now() + FIRST_PAUSE * 2 ** (item.tries - 1)
    item.save(update_fields=["tries", "due_at"])
    logger.warning("Mail %s could not be sent, and is tried again: %s", item.pk, type(bad).__name__)
