"""Sending the mails that wait. One that cannot be sent is tried again later, and holds up no other."""

import logging
from datetime import timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.letters import letter
from accounts.models import Mail, Notification, User
from common import mail

logger = logging.getLogger(__name__)

AT_MOST = 500
"""In one go: there is other work for this worker."""
TRIES = 8
FIRST_PAUSE = timedelta(minutes=1)
"""It doubles with each try: the last one is about two hours after the first."""


def send_due() -> None:
    """Send what is due. Several workers may do so at once: each row is taken by one of them."""
    for _ in range(AT_MOST):
        if not _send_next():
            return


@transaction.atomic
def _send_next() -> bool:
    """Send one mail, or write down when it is tried again; False when none is due."""
    due = Mail.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    item = due.select_for_update(skip_locked=True).first()
    if item is None:
        return False
    try:
        if item.kind == Mail.Kind.REGISTERED:
            _tell_admins()
        if says := letter(item):
            mail.send(item.address, says.text, url=says.url, extra=says.extra)
    except Exception as bad:  # noqa: BLE001 -- whatever it is about this mail, the others are sent
        _postpone(item, bad)
    else:
        item.delete()
    return True


def _tell_admins() -> None:
    """That somebody asks for an account: a line for each admin who has none unread, in none of the stranger's words."""
    from accounts.notifications import tell  # noqa: PLC0415 -- it rings for this itself

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
