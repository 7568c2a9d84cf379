"""Who may do what with accounts, roles and invitations. A rule returns the reason for a refusal, or None.

Admins manage every role except their own and never hold one that reads data. Every role that they grant is recorded
with their name and reason.
"""

from collections.abc import Iterable

from allauth.mfa.utils import is_mfa_enabled

from accounts import hooks, names
from accounts.models import EXCLUSIVE_ROLES, AccessToken, Invitation, Role, User
from common.access import all_of

INACTIVE = "This account is not active. Ask an admin."


def is_active(user: User, item: object = None) -> str | None:
    """Whether they may act: as somebody who signs in, or as a guest in whose name another portal calls."""
    return None if user.takes_part else INACTIVE


def may_sign_in(user: User, item: object = None) -> str | None:
    """Whether this account is their own to sign in with. Guests do that at their own portal."""
    return None if user.is_active else INACTIVE


def is_no_guest(user: User, person: User) -> str | None:
    return "Guests of another portal are data scientists only." if person.is_guest else None


def is_admin(user: User, item: object = None) -> str | None:
    return None if user.is_admin else "Only an admin can do this."


def is_overseer(user: User, item: object = None) -> str | None:
    return None if user.oversees else "Only admins and auditors see this."


def is_free_for_duties(user: User, item: object = None) -> str | None:
    """Check when a duty is assigned and again at every use: the role may have been granted after the duty."""
    if not user.oversees:
        return None
    return "Admins and auditors oversee work with data, so they cannot hold a duty on it themselves."


def is_somebody_else(user: User, person: User) -> str | None:
    return "You cannot change your own account. Ask another admin." if user == person else None


def is_a_person(user: User, person: User) -> str | None:
    return "The portal's own account cannot be changed." if person.state == User.State.SYSTEM else None


def is_in_service(user: User, person: User) -> str | None:
    """Refuse changes of roles and suspension for accounts that are not active."""
    return None if person.takes_part else f"This account is not active: {person.get_state_display().lower()}."


def is_suspended(user: User, person: User) -> str | None:
    return None if person.state == User.State.SUSPENDED else "This account is not suspended."


def has_second_step(user: User, person: User) -> str | None:
    return None if is_mfa_enabled(person) else "This account does not use two-step sign-in."


def is_pending(user: User, person: User) -> str | None:
    return None if person.state == User.State.PENDING else "This registration has already been decided."


def is_not_the_last_admin(user: User, person: User) -> str | None:
    if person.is_admin and not User.objects.admins().exclude(pk=person.pk).exists():
        return "This is the last admin. Make somebody else an admin first."
    return None


def name_is_free(name: str, person: User | None = None) -> str | None:
    """Refuse a name that looks like another account's. Pending and refused registrations reserve no name."""
    wanted = names.keys(name)
    waiting = [User.State.PENDING, User.State.REFUSED]
    others = User.objects.exclude(state__in=waiting)
    if person is not None:
        others = others.exclude(pk=person.pk)
    if all(wanted.isdisjoint(names.keys(taken)) for taken in others.values_list("name", flat=True)):
        return None
    return "Somebody else here has a name that looks the same. Add a second name or an initial."


may_manage_people = all_of(is_active, is_admin)
may_change = all_of(may_manage_people, is_a_person, is_somebody_else)
may_suspend = all_of(may_change, is_in_service, is_not_the_last_admin)
may_reinstate = all_of(may_change, is_suspended)
may_reset_second_step = all_of(may_change, is_in_service, has_second_step)
may_decide_registration = all_of(may_change, is_pending)


def go_together(roles: Iterable[str]) -> str | None:
    """Refuse a set of roles that one person cannot hold: overseeing and working with data are separate duties."""
    held = set(roles)
    alone = next((Role(role) for role in sorted(held) if role in EXCLUSIVE_ROLES), None)
    if alone is None or len(held) == 1:
        return None
    return (
        f"The role {alone.label.lower()} excludes all other roles: admins and auditors do not work with data."
    )


def may_grant_role(user: User, person: User, role: str) -> str | None:
    """Return why this admin cannot grant this person this role now, or None."""
    if why := all_of(may_change, is_in_service)(user, person):
        return why
    if role != Role.SCIENTIST and (why := is_no_guest(user, person)):
        return why
    if role in person.roles:
        return f"{person} already has the role {Role(role).label.lower()}."
    if why := go_together({*person.roles, role}):
        return f"{why} Revoke the other roles first."
    return hooks.objection_to(person, role)


def may_take_role(user: User, person: User, role: str) -> str | None:
    if why := may_change(user, person):
        return why
    if role not in person.roles:
        return f"{person} does not have this role."
    return is_not_the_last_admin(user, person) if role == Role.ADMIN else None


def may_revoke_invitation(user: User, item: Invitation) -> str | None:
    if why := may_manage_people(user):
        return why
    return None if item.state == "open" else f"This invitation is already {item.state}."


def may_revoke_token(user: User, token: AccessToken) -> str | None:
    if token.owner_id != user.pk:
        return "This access token belongs to somebody else."
    return None if token.revoked_at is None else "This access token was revoked already."


def invitation_is_open(item: Invitation) -> str | None:
    """Return why this link no longer creates an account, or None. Strangers read it, so the text names no cause."""
    inviter = item.invited_by
    if item.state == "open" and (inviter.state == User.State.SYSTEM or may_manage_people(inviter) is None):
        return None
    return (
        "This invitation is no longer valid: it was used or withdrawn, or it has expired. Ask for a new one."
    )
