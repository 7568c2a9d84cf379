"""Notifications of admins about other portals. What a stranger has typed is not repeated in them."""

from django.urls import reverse

from accounts.models import User
from accounts.notifications import notify
from accounts.topics import Topic
from network.models import Peer


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
