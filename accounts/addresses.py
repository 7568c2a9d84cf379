"""E-mail addresses in one exact form, so that no other spelling finds an account or counts its tries apart."""

import re

from common.errors import Refused

LONGEST = 254
EXACT = r"^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)+$"
"""Small ASCII letters, digits and signs: what the database holds, too."""
_EXACT = re.compile(EXACT)


def exact(typed: str) -> str:
    """The address in the form in which it is kept; Refused when it has none.

    Letters outside ASCII are refused, not folded: databases and mail servers disagree on which of them are the same.
    """
    address = typed.strip()
    if not address.isascii():
        raise Refused(
            "An e-mail address here has only the letters a to z, digits and signs, such as name@example.org. "
            "If its domain has other letters, write the domain in its xn-- form."
        )
    address = address.lower()
    if len(address) > LONGEST or not _EXACT.fullmatch(address):
        raise Refused("This is not an e-mail address such as name@example.org.")
    return address
