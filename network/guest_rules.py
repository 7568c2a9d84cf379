"""Who may admit guests of other portals, and who may ask there. A rule returns the reason against it, or None."""

from accounts.models import User
from accounts.rules import may_manage_people, may_sign_in
from common.access import all_of
from datasets.rules import is_scientist
from network.models import Admission, Peer

MOST_WAITING = 20
"""How many people of one portal may wait for an admin at a time."""


def is_waiting(user: User, item: Admission) -> str | None:
    return None if item.state == Admission.State.WAITING else "This has already been decided."


def is_of_an_active_portal(user: User, item: Admission) -> str | None:
    return is_active_portal(user, item.peer)


def is_active_portal(user: User, peer: Peer) -> str | None:
    if peer.state == Peer.State.ACTIVE:
        return None
    return f"{peer} is not active here: {peer.get_state_display().lower()}."


may_refuse = all_of(may_manage_people, is_waiting)
may_admit = all_of(may_refuse, is_of_an_active_portal)
may_ask_elsewhere = all_of(may_sign_in, is_scientist, is_active_portal)
may_call_elsewhere = may_ask_elsewhere


def may_wait(peer: Peer) -> str | None:
    """Why no more people of this portal may wait for an admin."""
    waiting = peer.admissions.filter(state=Admission.State.WAITING)
    if waiting.values("remote_id").distinct().count() < MOST_WAITING:
        return None
    return f"{MOST_WAITING} people of your portal wait for an admin of this one already. Try again later."
