"""What other apps do, or object to, when something changes for a person. They register here; accounts calls them."""

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
    """Called once by each app that runs or keeps something for people, from its AppConfig.ready().

    `suspended(person, by)` ends what a person has running; `role_taken(person, role, by)` what the role lets them run.
    `objection(person, role)` says why a person must not be given a role, or None.
    """
    if suspended is not None:
        on_suspended.append(suspended)
    if role_taken is not None:
        on_role_taken.append(role_taken)
    if objection is not None:
        objections.append(objection)


def suspended(person: User, *, by: User) -> None:
    """A person was suspended: call in the transaction that does it."""
    for act in on_suspended:
        act(person, by)


def role_taken(person: User, role: str, *, by: User) -> None:
    """A role was taken from a person: call in the transaction that does it."""
    for act in on_role_taken:
        act(person, role, by)


def objection_to(person: User, role: str) -> str | None:
    """The first reason why this person must not be given this role."""
    return next((why for ask in objections if (why := ask(person, role))), None)
