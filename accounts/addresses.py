"""E-mail addresses in one exact form: no other spelling finds an account or gets a failure count of its own."""

import re
import unicodedata

from common.errors import Refused

LONGEST = 254
GUESTS_DOMAIN = ".guests.invalid"
"""The ending of the made-up addresses of guests. No mail reaches it, and nobody can type it."""
EXACT = r"^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)+$"
"""Lower-case ASCII letters, digits and punctuation. A CheckConstraint enforces the same pattern."""
_EXACT = re.compile(EXACT)


def exact(typed: str) -> str:
    """Return the address as it is stored, in lower case without surrounding spaces; raise Refused if it is invalid.

    Letters outside ASCII are refused, not folded: databases and mail servers disagree on which of them are equal.
    """
    address = typed.strip()
    if not address.isascii():
        raise Refused(
            "Use only the letters a to z, digits and punctuation in an e-mail address, such as name@example.org. "
            "If the domain has other letters, write it in its xn-- form."
        )
    address = address.lower()
    if len(address) > LONGEST or not _EXACT.fullmatch(address):
        raise Refused("Enter an e-mail address such as name@example.org.")
    if address.endswith(GUESTS_DOMAIN):
        raise Refused(
            "This is the address of a guest of another portal, which receives no mail. Enter another one."
        )
    return address


def of_guest(name: str, host: str, *, ending: str) -> str:
    """Return the made-up address of a guest, which says in the log who they are and where they come from."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    who = "-".join(re.findall(r"[a-z0-9]+", plain))[:60].strip("-") or "guest"
    at = "-".join(re.findall(r"[a-z0-9.-]+", host.lower().replace(":", "-"))).strip(".-")[:100] or "portal"
    return f"{who}-{ending}@{at}{GUESTS_DOMAIN}"
