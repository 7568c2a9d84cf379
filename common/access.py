"""Rules: functions that return the reason against something. None is permission."""

from collections.abc import Callable
from typing import ParamSpec

from common.errors import Denied

P = ParamSpec("P")


def all_of(*rules: Callable[P, str | None]) -> Callable[P, str | None]:
    """Combine rules into one that permits only what all of them permit; it returns the first reason against."""

    def combined(*args: P.args, **kwargs: P.kwargs) -> str | None:
        return next((why for rule in rules if (why := rule(*args, **kwargs))), None)

    return combined


def any_of(*rules: Callable[P, str | None]) -> Callable[P, str | None]:
    """Combine rules into one that permits what at least one of them permits; otherwise it returns the last reason."""

    def combined(*args: P.args, **kwargs: P.kwargs) -> str | None:
        why: str | None = None
        for rule in rules:
            why = rule(*args, **kwargs)
            if why is None:
                return None
        return why

    return combined


def require(rule: Callable[P, str | None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Raise Denied with the rule's reason if there is one."""
    if why := rule(*args, **kwargs):
        raise Denied(why)
