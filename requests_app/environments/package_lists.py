"""A list of packages that an admin types: how long it may be, and what it may say (runner/pins.py). Pure."""

import re

from common.errors import Refused
from runner import pins

LIMIT = 200_000
PACKAGES = 500
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def check_name(name: str) -> str:
    """A name that is fit to be a folder's."""
    if not NAME.fullmatch(name):
        raise Refused(
            "Use at most 40 lower-case letters, digits and '-', beginning with a letter or a digit."
        )
    return name


def check(text: str) -> dict[str, str]:
    """The packages of a list by name. Refused, naming the line, for anything but exact versions."""
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
