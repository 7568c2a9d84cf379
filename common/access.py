"""Rules: functions that say why not. None is permission."""

from collections.abc import Callable
from typing import ParamSpec

from common.errors import Denied

P = ParamSpec("P")


def all_of(*rules: Callable[P, str | None]) -> Callable[P, str | None]:
    """A rule that holds when every one of `rules` does; the first refusal wins."""

    def combined(*args: P.args, **kwargs: P.kwargs) -> str | None:
        return next((why for rule in rules if (why := rule(*args, **kwargs))), None)

    return combined


def any_of(*rules: Callable[P, str | None]) -> Callable[P, str | None]:
    """A rule that holds when one of `rules` does; otherwise the last refusal is told."""

    def combined(*args: P.args, **kwargs: P.kwargs) -> str | None:
        why: str | None = None
        for rule in rules:
            why = rule(*args, **kwargs)
            if why is None:
                return None
        return why

    return combined


def require(rule: Callable[P, str | None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Raise Denied with the rule's own words when it refuses."""
    if why := rule(*args, **kwargs):
        raise Denied(why)
