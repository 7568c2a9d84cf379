"""Tell people: a line in the portal now, a mail after commit."""

from collections.abc import Iterable

from accounts import tasks
from accounts.models import Notification, User
from common import commit, live


def tell(people: Iterable[User], text: str, *, url: str, by: User | None = None) -> None:
    """Notify `people` (but not `by`, who knows already). `url` is a path on this portal.

    The text reaches inboxes outside the portal: it must not hold anything of private data.
    """
    told = {person.pk: person for person in people if person.is_active and person != by}
    rows = Notification.objects.bulk_create(
        [Notification(user=person, text=text[:300], url=url) for person in told.values()]
    )
    live.changed("user", *told)
    wanted = [str(row.pk) for row in rows if told[row.user_id].mail_wanted]
    if wanted:
        commit.after(tasks.mail_notifications.delay, wanted)


def write_to(address: str, text: str, *, url: str = "", extra: str = "") -> None:
    """Mail one address after commit: somebody who cannot sign in yet, or no longer."""
    commit.after(tasks.mail_address.delay, address, text, url, extra)
