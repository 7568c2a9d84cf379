"""The standing of another portal: active, suspended, removed. What changes here holds from the next call on."""

from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from audit import log
from common import commit, rows
from common.access import require
from common.reasons import reason as written_reason
from network import notifications, rules
from network.models import Peer
from network.services import guests

TASK = "network.tasks.poll_peer"
State = Peer.State


def heard_from(peer: Peer) -> None:
    """Make an invited portal active: a signed call or answer shows that its admin has confirmed this portal."""
    if peer.state != State.INVITED:
        return
    with transaction.atomic():
        locked = rows.locked(peer)
        if locked.state == State.INVITED:
            locked.proven_at = locked.proven_at or timezone.now()
            to_state(locked, State.ACTIVE, by=User.objects.system_actor(), action="active")
            notifications.active(locked)
            poll_soon(locked)
    peer.state = locked.state


@transaction.atomic
def suspend(peer: Peer, *, by: User, reason: str) -> Peer:
    """Suspend a portal: from its next call on, it gets the answer that a stranger gets."""
    peer = rows.locked(peer)
    reason = written_reason(reason)
    require(rules.may_suspend, by, peer)
    peer.suspended_by = by
    to_state(peer, State.SUSPENDED, by=by, action="suspend", reason=reason)
    notifications.suspended(peer, by=by)
    return peer


@transaction.atomic
def resume(peer: Peer, *, by: User, reason: str) -> Peer:
    """Resume a portal that an admin has suspended, in the state that it had reached before."""
    peer = rows.locked(peer)
    reason = written_reason(reason)
    require(rules.may_resume, by, peer)
    _resume(peer, by=by, reason=reason)
    poll_soon(peer)
    return peer


@transaction.atomic
def remove(peer: Peer, *, by: User, reason: str) -> Peer:
    """Remove a portal for good: its keys and its guests' access end, and it has to be introduced again to come back."""
    peer = rows.locked(peer)
    reason = written_reason(reason)
    require(rules.may_remove, by, peer)
    now = timezone.now()
    peer.keys.filter(Q(until=None) | Q(until__gt=now)).update(until=now)
    to_state(peer, State.REMOVED, by=by, action="remove", reason=reason)
    guests.shut_out(peer, by=by, reason=reason)
    notifications.removed(peer, by=by)
    return peer


def suspend_by_itself(peer: Peer, reason: str) -> None:
    """Suspend a locked portal whose card is out of date or went back. Nothing happens if it is suspended already."""
    if peer.state in {State.INVITED, State.ACTIVE}:
        system = User.objects.system_actor()
        to_state(peer, State.SUSPENDED, by=system, action="suspend", reason=reason)
        notifications.suspended(peer, by=system)


def resume_by_itself(peer: Peer) -> None:
    """Resume a locked portal whose card counts again, unless an admin has suspended it."""
    if peer.state == State.SUSPENDED and peer.suspended_by_id is None:
        _resume(peer, by=User.objects.system_actor(), reason="Its card counts again.")


def _resume(peer: Peer, *, by: User, reason: str) -> None:
    peer.suspended_by = None
    state = State.ACTIVE if peer.proven_at else State.INVITED
    to_state(peer, state, by=by, action="resume", reason=reason)
    notifications.resumed(peer, by=by)


def to_state(
    peer: Peer, state: Peer.State, *, by: User, action: str, reason: str = "", **detail: Any
) -> None:
    """Set and record the state of a locked portal, and save the row. No other function writes a state."""
    old = peer.state
    peer.state, peer.state_reason = state, reason
    peer.save()
    if reason:
        detail["reason"] = reason
    log.record(f"network.peer.{action}", by=by, on=peer, changes={"state": (old, state)}, **detail)


def poll_soon(peer: Peer) -> None:
    """Have a worker fetch the portal's card and call it, after commit."""
    commit.after(current_app.send_task, TASK, [str(peer.pk)])


def call_now(peer: Peer, *, by: User) -> None:
    """Call a portal now instead of within ten minutes."""
    require(rules.may_call, by, peer)
    with transaction.atomic():
        poll_soon(peer)
