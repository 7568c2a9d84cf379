"""The browser of a session, in words."""

from functools import lru_cache

from django import template

register = template.Library()


@register.filter
@lru_cache(maxsize=500)
def in_words(user_agent: str) -> str:
    """Name the browser and the system of a user agent, such as "Firefox on Windows", as far as they are known."""
    # Imported when a session is first shown: the parser takes 0.1 s to load.
    from ua_parser import parse  # noqa: PLC0415

    found = parse(user_agent)
    family, system = found.user_agent, found.os
    if family is None:
        return f"A program on {system.family}" if system else "Unknown program"
    return f"{family.family} on {system.family}" if system else family.family
