"""Notifications about other portals and their guests. Those of admins repeat nothing that a stranger has typed."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from accounts.models import Notification, User
from accounts.notifications import notify
from accounts.topics import Topic
from network.models import Admission, AskedElsewhere, Peer

MOST_TOLD = 20
"""Notifications of one person in an hour: what another portal says can change as often as it is asked."""


def page(peer: Peer) -> str:
    return reverse("network:peer", args=[peer.pk])


def asked(peer: Peer) -> None:
    _to_admins(peer, "Another portal introduces itself and waits for an admin.")


def active(peer: Peer) -> None:
    _to_admins(peer, f"{peer} and this portal now know each other.")


def suspended(peer: Peer, *, by: User) -> None:
    _to_admins(peer, f"{peer} was suspended: {peer.state_reason}", by=by)


def resumed(peer: Peer, *, by: User) -> None:
    _to_admins(peer, f"{peer} was resumed.", by=by)


def removed(peer: Peer, *, by: User) -> None:
    _to_admins(peer, f"{peer} was removed: {peer.state_reason}", by=by)


def recovered(peer: Peer) -> None:
    _to_admins(
        peer,
        f"{peer} replaced its keys with its recovery key.",
        more="Its old keys no longer count. Find out from its admin what happened, and compare the fingerprint again.",
    )


def wishes(peer: Peer) -> None:
    _to_admins(peer, f"{peer} has another name or address, which waits for an admin.")


def _to_admins(peer: Peer, text: str, *, by: User | None = None, more: str = "") -> None:
    notify(User.objects.admins(), text, about=Topic.WORK, url=page(peer), by=by, more=more)


def guest_asked(item: Admission) -> None:
    text = f"{item.name} of {item.peer} asks for access to {item.dataset}. An admin has to admit them first."
    notify(User.objects.admins(), text, about=Topic.WORK, url=reverse("network:guests"))


def guest_told(item: AskedElsewhere) -> None:
    """Notify a person that another portal says something new, unless it does so all the time."""
    page, hour = reverse("network:elsewhere"), timezone.now() - timedelta(hours=1)
    if Notification.objects.filter(user=item.user, url=page, created_at__gt=hour).count() >= MOST_TOLD:
        return
    text = f"{item.title} at {item.peer}: {item.get_state_display().lower()}."
    more = f"It says:\n\n{item.state_reason}" if item.state_reason else ""
    notify([item.user], text, about=Topic.ASKED, url=page, more=more)
