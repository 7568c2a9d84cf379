"""What the gates share: the refusal, and text that can be shown to a person without harm."""

import re
import unicodedata

from runner.contract import CloseCode


class Refusal(Exception):
    """This file does not come out. The text is a sentence for the owner; the code is OUTPUT_TOO_BIG or OUTPUT_TYPE."""

    def __init__(self, reason: str, code: CloseCode = CloseCode.OUTPUT_TYPE) -> None:
        super().__init__(reason)
        self.code = code


ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 (but tab and line ends), delete, C1
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, bidirectional
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # lone surrogates, tags
)
ASCII_CONTROL = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")


def control_line(text: str) -> int | None:
    """The line of the first control or invisible character, if there is one."""
    if text.isascii() and len(text.encode().translate(None, ASCII_CONTROL)) == len(text):
        return None
    found = CONTROL.search(text)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def neutral(text: str) -> str:
    """The text without terminal sequences; every other control or invisible character becomes U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return CONTROL.sub("\ufffd", ANSI.sub("", text))


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
