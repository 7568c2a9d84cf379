"""The written reasons for actions that affect others, checked in one place."""

from common.errors import Refused

LIMIT = 500
"""The most characters of a reason."""


def reason(text: str, *, limit: int = LIMIT, keep_lines: bool = False) -> str:
    """Return the reason, on one line unless `keep_lines`. Raises Refused if it is empty, too long or contains a NUL."""
    written = note(text, limit, name="reason")
    if not written:
        raise Refused("Give a reason. The people concerned will read it.")
    return written if keep_lines else " ".join(written.split())


def note(text: str, limit: int, *, name: str = "comment") -> str:
    """Return the stripped text, which may be empty. Raises Refused if it is too long or contains a NUL."""
    if "\x00" in text:
        raise Refused(f"The {name} contains an invalid character. Remove it.")
    if len(text) > limit:
        raise Refused(f"The {name} is too long. Keep it to {limit:,} characters.")
    return text.strip()
