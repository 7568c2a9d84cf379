"""Callbacks that other apps register to react to a suspension or a revoked role, or to object to a new role."""

from collections.abc import Callable

from accounts.models import User

OnSuspended = Callable[[User, User], None]
OnRoleTaken = Callable[[User, str, User], None]
Objection = Callable[[User, str], str | None]

on_suspended: list[OnSuspended] = []
on_role_taken: list[OnRoleTaken] = []
objections: list[Objection] = []


def register(
    *,
    suspended: OnSuspended | None = None,
    role_taken: OnRoleTaken | None = None,
    objection: Objection | None = None,
) -> None:
    """Register an app's callbacks. Call it once, from AppConfig.ready().

    `suspended(person, by)` ends everything that a person has running; `role_taken(person, role, by)` ends whatever only
    that role allowed. `objection(person, role)` returns why the person must not be granted the role, or None.
    """
    if suspended is not None:
        on_suspended.append(suspended)
    if role_taken is not None:
        on_role_taken.append(role_taken)
    if objection is not None:
        objections.append(objection)


def suspended(person: User, *, by: User) -> None:
    """Run the callbacks for a suspension. Call it in the same transaction as the suspension."""
    for act in on_suspended:
        act(person, by)


def role_taken(person: User, role: str, *, by: User) -> None:
    """Run the callbacks for a revoked role. Call it in the same transaction as the change."""
    for act in on_role_taken:
        act(person, role, by)


def objection_to(person: User, role: str) -> str | None:
    """Return the first reason why this person must not be granted this role, or None."""
    return next((why for ask in objections if (why := ask(person, role))), None)
