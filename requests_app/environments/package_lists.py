"""Validate the list of packages that an admin enters: its length here, its lines in runner/pins.py. Pure."""

import re

from common.errors import Refused
from runner import pins

LIMIT = 200_000
PACKAGES = 500
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def check_name(name: str) -> str:
    """Return the name if it can be used for a folder; raise Refused otherwise."""
    if not NAME.fullmatch(name):
        raise Refused(
            "Use at most 40 lower-case letters, digits and '-', beginning with a letter or a digit."
        )
    return name


def check(text: str) -> dict[str, str]:
    """Return the packages of a list as name and version. Raise Refused, naming the line, unless versions are exact."""
    if len(text) > LIMIT:
        raise Refused(f"The list is longer than {LIMIT:,} characters. Shorten it.")
    try:
        found = pins.read(text)
    except pins.BadList as bad:
        raise Refused(str(bad)) from bad
    if not found:
        raise Refused("The list is empty. Name at least one package.")
    if len(found) > PACKAGES:
        raise Refused(f"The list names more than {PACKAGES} packages. Shorten it.")
    return {pin.name: pin.version for pin in found}
