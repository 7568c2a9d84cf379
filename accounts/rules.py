"""Who may do what with people and privileges. A rule returns why not, or None.

Admins manage every role, their own excepted, and never hold one that reads data: what an admin cannot hold
they cannot use, and what they give is recorded with their name and reason.
"""

from collections.abc import Iterable

from allauth.mfa.utils import is_mfa_enabled

from accounts import hooks, names
from accounts.models import EXCLUSIVE_ROLES, Invitation, Role, User
from common.access import all_of


def is_active(user: User, item: object = None) -> str | None:
    return None if user.is_active else "This account is not active."


def is_admin(user: User, item: object = None) -> str | None:
    return None if user.is_admin else "Only an admin can do this."


def is_overseer(user: User, item: object = None) -> str | None:
    return None if user.oversees else "Only admins and auditors see this."


def is_free_for_duties(user: User, item: object = None) -> str | None:
    """Asked when a duty is given, and again whenever it is used: a role may have come later than the duty."""
    if not user.oversees:
        return None
    return "Admins and auditors oversee those who work with data: they hold no duty on it themselves."


def is_somebody_else(user: User, person: User) -> str | None:
    return "Another admin has to change your own account." if user == person else None


def is_a_person(user: User, person: User) -> str | None:
    return "The portal's own account does not change." if person.state == User.State.SYSTEM else None


def is_in_service(user: User, person: User) -> str | None:
    """Roles and suspension are for accounts that are active."""
    return None if person.is_active else f"This account is not active: {person.get_state_display().lower()}."


def is_suspended(user: User, person: User) -> str | None:
    return None if person.state == User.State.SUSPENDED else "This account is not suspended."


def has_second_step(user: User, person: User) -> str | None:
    return None if is_mfa_enabled(person) else "This account has no second step."


def is_pending(user: User, person: User) -> str | None:
    return None if person.state == User.State.PENDING else "This registration has been decided already."


def is_not_the_last_admin(user: User, person: User) -> str | None:
    if person.is_admin and not User.objects.admins().exclude(pk=person.pk).exists():
        return "This is the last admin. Give somebody else the role first."
    return None


def name_is_free(name: str, person: User | None = None) -> str | None:
    """Why this name could be taken for somebody else's. Who waits for a decision holds no name yet."""
    wanted = names.keys(name)
    waiting = [User.State.PENDING, User.State.REFUSED]
    others = User.objects.exclude(state__in=waiting)
    if person is not None:
        others = others.exclude(pk=person.pk)
    if all(wanted.isdisjoint(names.keys(taken)) for taken in others.values_list("name", flat=True)):
        return None
    return "Somebody here has a name that reads the same. Add a second name or an initial."


may_manage_people = all_of(is_active, is_admin)
may_change = all_of(may_manage_people, is_a_person, is_somebody_else)
may_suspend = all_of(may_change, is_in_service, is_not_the_last_admin)
may_reinstate = all_of(may_change, is_suspended)
may_reset_second_step = all_of(may_change, is_in_service, has_second_step)
may_decide_registration = all_of(may_change, is_pending)


def go_together(roles: Iterable[str]) -> str | None:
    """Why these roles cannot be held by one person: overseeing and working with data are separate duties."""
    held = set(roles)
    alone = next((Role(role) for role in sorted(held) if role in EXCLUSIVE_ROLES), None)
    if alone is None or len(held) == 1:
        return None
    return f"The role {alone.label.lower()} goes with no other: who oversees does not work with data."


def may_grant_role(user: User, person: User, role: str) -> str | None:
    """Why this admin cannot give this person this role now."""
    if why := all_of(may_change, is_in_service)(user, person):
        return why
    if role in person.roles:
        return f"{person} is {Role(role).label.lower()} already."
    if why := go_together({*person.roles, role}):
        return f"{why} Take the other roles away first."
    return hooks.objection_to(person, role)


def may_take_role(user: User, person: User, role: str) -> str | None:
    if why := may_change(user, person):
        return why
    if role not in person.roles:
        return f"{person} does not hold this role."
    return is_not_the_last_admin(user, person) if role == Role.ADMIN else None


def may_revoke_invitation(user: User, item: Invitation) -> str | None:
    if why := may_manage_people(user):
        return why
    return None if item.state == "open" else f"This invitation is {item.state} already."


def invitation_is_open(item: Invitation) -> str | None:
    """Why this link makes no account any more, in words that fit a stranger's eyes."""
    inviter = item.invited_by
    if item.state == "open" and (inviter.state == User.State.SYSTEM or may_manage_people(inviter) is None):
        return None
    return "This invitation does not work any more: it was used, withdrawn or has run out. Ask for a new one."
