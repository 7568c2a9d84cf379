"""Tell people: a line in the portal now, a mail after commit."""

from collections.abc import Iterable

from celery import current_app

from accounts.models import Mail, Notification, User
from common import commit, live

TASK = "accounts.tasks.send_mail"


def tell(people: Iterable[User], text: str, *, url: str, by: User | None = None) -> None:
    """Notify `people` (but not `by`, who knows already). `url` is a path on this portal.

    The text reaches inboxes outside the portal: it must not hold anything of private data.
    """
    told = {person.pk: person for person in people if person.is_active and person != by}
    Notification.objects.bulk_create(
        [Notification(user=person, text=text[:300], url=url) for person in told.values()]
    )
    live.changed("user", *told)
    _post([Mail(address=each.email, text=text[:300], url=url) for each in told.values() if each.mail_wanted])


def write_to(address: str, text: str, *, url: str = "", extra: str = "") -> None:
    """Mail one address after commit: somebody who cannot sign in yet, or no longer."""
    _post([Mail(address=address, text=text, url=url, extra=extra)])


def write_letter(address: str, kind: str) -> None:
    """Mail what the worker writes (accounts/mail/letters.py), whether or not the address has an account."""
    _post([Mail(address=address, kind=kind)])


def _post(mails: list[Mail]) -> None:
    """Write the mails down. The bell carries nothing: what is sent, and to whom, stands in the rows alone."""
    if Mail.objects.bulk_create(mails):
        commit.after(current_app.send_task, TASK)
