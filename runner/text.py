"""Make untrusted text safe to show."""

import unicodedata

from runner.plain_text import ANSI, is_blank, replaced


def neutral(text: str) -> str:
    """Return the text without terminal sequences and with each deceptive character replaced by U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return replaced(ANSI.sub("", text), lambda character: " " if is_blank(character) else "\ufffd")


def one_line(text: str, limit: int) -> str:
    """Return the neutral text on one line, shortened to `limit` characters."""
    line = " ".join(neutral(text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def shown_name(name: str, limit: int = 100) -> str:
    """Return an untrusted file name with all but printable characters replaced, shortened to `limit` characters."""
    safe = "".join(_plain(character) for character in name[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    return "?" if kind[0] in "CZ" and character != " " else character
