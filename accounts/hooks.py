"""What others want done when a person is suspended. Apps above register here; accounts calls."""

from collections.abc import Callable

from accounts.models import User

OnSuspended = Callable[[User, User], None]

on_suspended: list[OnSuspended] = []


def register(*, suspended: OnSuspended) -> None:
    """Called once per app that has something live of people, from its AppConfig.ready()."""
    on_suspended.append(suspended)


def suspended(person: User, *, by: User) -> None:
    """A person was suspended: call in the transaction that does it."""
    for act in on_suspended:
        act(person, by)
