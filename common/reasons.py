"""What people write when they use a power that affects others: one rule for all of it."""

from common.errors import Refused

LIMIT = 500
"""Characters of a reason."""


def reason(text: str, *, limit: int = LIMIT, keep_lines: bool = False) -> str:
    """The reason, on one line unless its lines are kept. Raises Refused if it is empty, too long, or holds a NUL."""
    written = note(text, limit, name="reason")
    if not written:
        raise Refused("Give a reason. The people concerned will read it.")
    return written if keep_lines else " ".join(written.split())


def note(text: str, limit: int, *, name: str = "comment") -> str:
    """The text without blanks around it; it may be empty. Raises Refused if it is too long or holds a NUL."""
    if "\x00" in text:
        raise Refused(f"The {name} contains an invalid character. Remove it.")
    if len(text) > limit:
        raise Refused(f"The {name} is too long. Keep it to {limit:,} characters.")
    return text.strip()
