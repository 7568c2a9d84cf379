"""Notify people: a notification in the portal now, a mail after commit."""

from collections.abc import Iterable
from datetime import UTC, datetime

from celery import current_app

from accounts.models import Mail, Notification, User
from accounts.topics import Topic
from common import commit, live

TASK = "accounts.tasks.send_mail"


MORE = 2000


def notify(
    people: Iterable[User], text: str, *, about: Topic, url: str, by: User | None = None, more: str = ""
) -> None:
    """Notify the active `people`, except `by`, who knows already. `url` is a path on this portal.

    A mail goes to those who want mail `about` this topic; what people must learn in any case is sent with `write_to`.
    `more`: what the mail says besides: why, what to do, by when. The texts reach mailboxes outside the portal, so they
    must contain no private data.
    """
    notified = {person.pk: person for person in people if person.is_active and person != by}
    Notification.objects.bulk_create(
        [Notification(user=person, text=text[:300], url=url) for person in notified.values()]
    )
    live.changed("user", *notified)
    wanted = [person for person in notified.values() if about in person.mail_topics]
    _post([Mail(address=person.email, text=text[:300], url=url, extra=more[:MORE]) for person in wanted])


def day(moment: datetime) -> str:
    """Return a day for a mail, whose reader's time zone is not known."""
    return f"{moment.astimezone(UTC):%-d %B %Y}"


def write_to(address: str, text: str, *, url: str = "", extra: str = "") -> None:
    """Mail one address after commit, for people who cannot sign in yet or any longer."""
    _post([Mail(address=address, text=text, url=url, extra=extra)])


def write_letter(address: str, kind: str) -> None:
    """Queue a mail that the worker composes (accounts/mail/letters.py), whether or not the address has an account."""
    _post([Mail(address=address, kind=kind)])


def _post(mails: list[Mail]) -> None:
    """Store the mails and wake a worker. The task carries no argument: text and recipients are in the rows alone."""
    if Mail.objects.bulk_create(mails):
        commit.after(current_app.send_task, TASK)
