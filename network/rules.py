"""Who may do what with other portals. A rule returns the reason for a refusal, or None.

Admins act, auditors read, and for everybody else these pages do not exist.
"""

from accounts.models import User
from accounts.rules import is_active, is_admin, may_sign_in
from common.access import all_of
from datasets import rules as dataset_rules
from datasets.models import Dataset
from network.models import Admission, Identity, Peer

State = Peer.State


def may_read(user: User, item: object = None) -> str | None:
    return None if user.oversees else "Only admins and auditors see the other portals."


def is_waiting(user: User, peer: Peer) -> str | None:
    return None if peer.state == State.WAITING else "This introduction has already been decided."


def is_called(user: User, peer: Peer) -> str | None:
    """Refuse what only makes sense for a portal that was confirmed and not removed."""
    if peer.state in {State.INVITED, State.ACTIVE, State.SUSPENDED}:
        return None
    return f"This portal is not in use: {peer.get_state_display().lower()}."


def is_not_suspended_by_an_admin(user: User, peer: Peer) -> str | None:
    """A portal that was suspended without an admin may still be suspended by one, so that it stays so."""
    if peer.state == State.SUSPENDED and peer.suspended_by_id is not None:
        return "This portal is already suspended."
    return None


def is_suspended(user: User, peer: Peer) -> str | None:
    if peer.state != State.SUSPENDED:
        return "This portal is not suspended."
    if peer.suspended_by_id is None:
        return "It is resumed by itself as soon as its card counts again. Ask its admin to look after it."
    return None


def is_invited(user: User, peer: Peer) -> str | None:
    return None if peer.state == State.INVITED else "The other portal does not have to be asked again."


def was_recovered(user: User, peer: Peer) -> str | None:
    return None if peer.recovered_at else "There is nothing to compare: its keys were not replaced."


def wishes_something(user: User, peer: Peer) -> str | None:
    return None if peer.wished else "This portal asks for no other name or address."


def identity_is_kept(user: User, item: object = None) -> str | None:
    """Refuse introductions before set-up: whoever loses the recovery key has to be introduced everywhere again."""
    if Identity.objects.filter(kept_at__isnull=False).exists():
        return None
    return "Set up this portal's identity first, and confirm that the recovery key is kept."


may_manage = all_of(is_active, is_admin)
may_introduce = all_of(may_manage, identity_is_kept)
may_dismiss = all_of(may_manage, is_waiting)
may_suspend = all_of(may_manage, is_called, is_not_suspended_by_an_admin)
may_resume = all_of(may_manage, is_suspended)
may_remove = all_of(may_manage, is_called)
may_call = all_of(may_manage, is_called, is_not_suspended_by_an_admin)
may_ask_again = all_of(may_manage, is_invited)
may_compare_again = all_of(may_manage, is_called, was_recovered)
may_decide_change = all_of(may_manage, is_called, wishes_something)


may_change_listing = all_of(dataset_rules.may_edit, dataset_rules.is_not_retired)
"""Who says which other portals see a dataset: its owner alone."""


def is_shown(user: User, dataset: Dataset) -> str | None:
    """Why other portals do not see a dataset, whatever its owner has chosen: what `Listing.shown_to` leaves out."""
    if why := dataset_rules.is_in_use(user, dataset):
        return why
    if dataset.current is None:
        return "It has no published revision at present."
    if not dataset.discoverable:
        return "Its description says that it is not listed for every data scientist."
    return None


def is_undecided(user: User, item: Admission) -> str | None:
    return None if item.state == Admission.State.WAITING else "This has already been decided."


def is_of_an_active_portal(user: User, item: Admission) -> str | None:
    return is_active_portal(user, item.peer)


def is_active_portal(user: User, peer: Peer) -> str | None:
    if peer.state == Peer.State.ACTIVE:
        return None
    return f"{peer} is not active here: {peer.get_state_display().lower()}."


may_refuse = all_of(may_manage, is_undecided)
may_admit = all_of(may_refuse, is_of_an_active_portal)
may_ask_elsewhere = all_of(may_sign_in, dataset_rules.is_scientist, is_active_portal)
"""Who may become a guest of another portal, and call it as one."""
