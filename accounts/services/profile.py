"""Actions of people on their own account: profile, sessions, password and notifications."""

from typing import cast

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import rules, time_zones, topics
from accounts.models import Notification, Session, User
from accounts.services import tokens
from accounts.services.privileges import free_name, shut_out
from audit import log
from common import live, rows
from common.access import require
from common.errors import Denied, Refused

NEW_PASSWORD = {"user.change_password", "user.reset_password"}
PROFILE_FIELDS = ("name", "affiliation", "time_zone", "mail_topics")


@transaction.atomic
def update_profile(person: User, *, by: User, **fields: object) -> User:
    """Change a person's own name, affiliation, time zone or topics of mail.

    Raises Refused if the time zone or a topic is not known.
    """
    if by != person:
        raise Denied("You can change only your own profile.")
    person = rows.locked(person)
    require(rules.may_sign_in, person, person)
    if "name" in fields:
        fields["name"] = _own_name(str(fields["name"]), person)
    if fields.get("time_zone", "UTC") not in time_zones.known():
        raise Refused("This time zone is not known. Write it as Europe/Paris, or UTC.")
    if "mail_topics" in fields:
        fields["mail_topics"] = topics.known(cast("list[str]", fields["mail_topics"]))
    changes = {
        name: (getattr(person, name), fields[name])
        for name in PROFILE_FIELDS
        if name in fields and getattr(person, name) != fields[name]
    }
    for name, (_, new) in changes.items():
        setattr(person, name, new)
    if changes:
        person.save(update_fields=list(changes))
        log.record("user.update", by=by, on=person, person_id=person.pk, changes=changes)
    return person


def _own_name(wanted: str, person: User) -> str:
    """Return the new name if it is free. An unchanged name is not checked again."""
    if wanted == person.name:
        return wanted
    return free_name(wanted, person)


@transaction.atomic
def end_sessions(person: User, *, by: User) -> int:
    """Sign a person out everywhere, as the person or an admin; return the number of sessions ended."""
    if by != person:
        require(rules.may_change, by, person)
    count = Session.objects.filter(user=person).count()
    shut_out(person, by=by)
    log.record("session.end_all", by=by, on=person, person_id=person.pk, sessions=count)
    return count


@transaction.atomic
def password_changed(person: User, *, by: User, action: str, keep: str | None) -> None:
    """Record a changed password or factor; end all sockets and every session except the one with the key `keep`.

    A new password also ends all access tokens: somebody who knew the old one may have made some.
    """
    Session.objects.filter(user=person).exclude(session_key=keep or "").delete()
    if action in NEW_PASSWORD:
        tokens.end_all(person, by=by)
    live.close_sockets(person.pk)
    log.record(action, by=by, on=person, person_id=person.pk)


def read_notification(item: Notification, *, by: User) -> Notification:
    """Mark one of the actor's own notifications as read."""
    if item.user_id != by.pk:
        raise Denied("This notification belongs to somebody else.")
    if item.read_at is None:
        item.read_at = timezone.now()
        item.save(update_fields=["read_at"])
        live.changed("user", by.pk)
    return item


def read_notifications_of(path: str, *, by: User) -> int:
    """Mark the actor's notifications that lead to this page as read, and return how many."""
    leads_here = Q(url=path) | Q(url__startswith=f"{path}#")
    count = Notification.objects.unread().filter(leads_here, user=by).update(read_at=timezone.now())
    if count:
        live.changed("user", by.pk)
    return count


def read_all_notifications(*, by: User) -> int:
    count = Notification.objects.filter(user=by, read_at=None).update(read_at=timezone.now())
    live.changed("user", by.pk)
    return count
