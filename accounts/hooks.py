"""Callbacks that other apps register: to react to a suspension or a revoked role, to object to a new role, to name
datasets."""

from collections.abc import Callable, Collection
from uuid import UUID

from accounts.models import User

OnSuspended = Callable[[User, User], None]
OnRoleTaken = Callable[[User, str, User], None]
Objection = Callable[[User, str], str | None]
Titles = Callable[[User, Collection[UUID] | None], dict[str, str]]

on_suspended: list[OnSuspended] = []
on_role_taken: list[OnRoleTaken] = []
objections: list[Objection] = []
titles: list[Titles] = []


def register(
    *,
    suspended: OnSuspended | None = None,
    role_taken: OnRoleTaken | None = None,
    objection: Objection | None = None,
    dataset_titles: Titles | None = None,
) -> None:
    """Register an app's callbacks. Call it once, from AppConfig.ready().

    `suspended(person, by)` ends everything that a person has running; `role_taken(person, role, by)` ends whatever only
    that role allowed. `objection(person, role)` returns why the person must not be granted the role, or None.
    `dataset_titles(person, ids)` returns {id: title} of the datasets that the person sees, or of those among `ids`.
    """
    if suspended is not None:
        on_suspended.append(suspended)
    if role_taken is not None:
        on_role_taken.append(role_taken)
    if objection is not None:
        objections.append(objection)
    if dataset_titles is not None:
        titles.append(dataset_titles)


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


def dataset_titles(person: User, ids: Collection[UUID] | None = None) -> dict[str, str]:
    """Return {id: title} of the first datasets that this person sees, or of those among `ids`."""
    return {pk: title for ask in titles for pk, title in ask(person, ids).items()}
