"""Text of strangers as it can be shown to a person without harm."""

import unicodedata

from runner.plain_text import ANSI, is_blank, replaced


def neutral(text: str) -> str:
    """The text without terminal sequences; every character that is not seen as what it is becomes U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return replaced(ANSI.sub("", text), lambda character: " " if is_blank(character) else "\ufffd")


def one_line(text: str, limit: int) -> str:
    """The text neutral, on one line and no longer than `limit` characters."""
    line = " ".join(neutral(text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def shown_name(name: str, limit: int = 100) -> str:
    """A file name that the code chose, with everything but plain printable characters replaced."""
    safe = "".join(_plain(character) for character in name[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    return "?" if kind[0] in "CZ" and character != " " else character
