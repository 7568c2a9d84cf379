"""Grant and revoke roles, suspend and reinstate people. What is revoked ends at once, open sockets included."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Q

from accounts import hooks, names, rules
from accounts.models import Role, RoleGrant, Session, User
from accounts.notifications import notify, write_to
from accounts.services import tokens
from accounts.topics import Topic
from audit import log
from common import live
from common.access import require
from common.errors import Conflict, Refused
from common.reasons import reason as written_reason


@transaction.atomic
def grant_role(person: User, *, by: User, role: str, reason: str) -> RoleGrant:
    """Grant a person a role and record the reason."""
    person, by = _locked(person, by)
    role, reason = known_role(role), written_reason(reason)
    require(rules.may_grant_role, by, person, role)
    grant = write_grant(person, by=by, role=role, reason=reason)
    text = f"You now have the role {Role(role).label.lower()}."
    notify([person], text, about=Topic.TERMS, url="/", by=by)
    live.close_sockets(person.pk)
    return grant


@transaction.atomic
def take_role(person: User, *, by: User, role: str, reason: str) -> User:
    """Revoke a person's role at once. Their open pages reload without it."""
    person, by = _locked(person, by)
    role, reason = known_role(role), written_reason(reason)
    require(rules.may_take_role, by, person, role)
    old = sorted(person.roles)
    person.role_grants.get(role=role).delete()
    new = [name for name in old if name != role]
    _record("take_role", person, by=by, changes={"roles": (old, new)}, role=role, reason=reason)
    hooks.role_taken(person, role, by=by)
    text = f"You no longer have the role {Role(role).label.lower()}: {reason}"
    notify([person], text, about=Topic.TERMS, url="/", by=by)
    live.close_sockets(person.pk)
    return User.objects.get(pk=person.pk)


@transaction.atomic
def suspend(person: User, *, by: User, reason: str) -> User:
    """Suspend a person at once: end their sessions and sockets, and have other apps end everything else they run."""
    person, by = _locked(person, by)
    reason = written_reason(reason)
    require(rules.may_suspend, by, person)
    person = set_state(person, User.State.SUSPENDED, by=by, action="suspend", reason=reason)
    shut_out(person, by=by)
    hooks.suspended(person, by=by)
    if not person.is_guest:
        write_to(person.email, "Your account was suspended.", extra=f"The reason given: {reason}")
    return person


@transaction.atomic
def reinstate(person: User, *, by: User, reason: str) -> User:
    """Reinstate a suspended person with the roles that they held."""
    person, by = _locked(person, by)
    reason = written_reason(reason)
    require(rules.may_reinstate, by, person)
    back = User.State.REMOTE if person.is_guest else User.State.ACTIVE
    person = set_state(person, back, by=by, action="reinstate", reason=reason)
    shut_out(person, by=by)  # a session created during the suspension must not become valid again
    notify([person], "Your account is active again.", about=Topic.TERMS, url="/", by=by)
    return person


@transaction.atomic
def reset_second_step(person: User, *, by: User, reason: str) -> User:
    """Remove a lost authenticator from an account: the password alone signs in until a new one is set up."""
    person, by = _locked(person, by)
    reason = written_reason(reason)
    require(rules.may_reset_second_step, by, person)
    Authenticator.objects.filter(user=person).delete()
    shut_out(person, by=by)
    log.record("user.reset_second_step", by=by, on=person, person_id=person.pk, reason=reason)
    write_to(
        person.email,
        "An admin reset your two-step sign-in. Sign in with your password and set it up again.",
        extra=f"The reason given: {reason}",
    )
    return person


def shut_out(person: User, *, by: User) -> None:
    """End every session and access token of a person in this transaction, and close their sockets after commit."""
    Session.objects.filter(user=person).delete()
    tokens.end_all(person, by=by)
    live.close_sockets(person.pk)


def set_state(person: User, state: User.State, *, by: User, action: str, reason: str) -> User:
    """Set and record an account's state. No other function writes it."""
    old = person.state
    person.state, person.state_reason = state, reason
    person.is_active = state == User.State.ACTIVE
    person.save(update_fields=["state", "state_reason", "is_active"])
    _record(action, person, by=by, changes={"state": (old, state)}, reason=reason)
    live.changed("user", person.pk)
    return person


def write_grant(person: User, *, by: User, role: str, reason: str) -> RoleGrant:
    """Create and record a role grant. No other function does; callers check their rule first."""
    old = sorted(person.role_grants.values_list("role", flat=True))
    grant = RoleGrant.objects.create(user=person, role=role, granted_by=by, reason=reason)
    _record(
        "grant_role",
        person,
        by=by,
        changes={"roles": (old, sorted([*old, role]))},
        role=role,
        reason=reason,
    )
    return grant


def _locked(person: User, by: User) -> tuple[User, User]:
    """Lock and return both people. All admins are locked too, in one order: no two admins can remove each other."""
    admins = User.objects.admins().values("pk")
    wanted = User.objects.filter(Q(pk__in=[person.pk, by.pk]) | Q(pk__in=admins))
    people = {item.pk: item for item in wanted.order_by("pk").select_for_update(of=("self",))}
    return people[person.pk], people[by.pk]


def free_name(wanted: str, person: User | None = None) -> str:
    """Return the cleaned name; raise Conflict if another account's looks the same.

    A lock on the portal's account serializes everybody who chooses a name.
    """
    name = names.clean(wanted)
    User.objects.select_for_update().get(pk=User.objects.system().pk)
    if why := rules.name_is_free(name, person):
        raise Conflict(why)
    return name


def known_role(role: str) -> str:
    if role not in Role.values:
        raise Refused("This role does not exist. Choose one from the list.")
    return Role(role)


def _record(
    action: str, person: User, *, by: User, changes: dict[str, tuple[object, object]], **detail: Any
) -> None:
    log.record(f"user.{action}", by=by, on=person, person_id=person.pk, changes=changes, **detail)
