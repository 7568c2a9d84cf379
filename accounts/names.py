"""Names of people: which characters are allowed, and which two names look alike."""
# ruff: noqa: RUF001 -- this module lists letters that look like others

import re
import unicodedata

from common.errors import Refused
from runner.plain_text import is_hidden

LONGEST = 100
SPELT = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "ʻ": "'", "‐": "-", "‑": "-"})
WITHOUT_ALPHABET = {
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "KATAKANA-HIRAGANA",
    "HANGUL",
    "BOPOMOFO",
    "IDEOGRAPHIC",
    "MODIFIER",
}
"""Scripts that appear beside alphabetic letters in real names and cannot be confused with them."""
A_HOST = re.compile(r"\.(?!$|[ -]|[^\W\d_]\.)")
"""A dot inside a word, except after initials: mail programs turn that into a link."""
MANY_MARKS = re.compile(r"[\u0300-\u036f]{3}")

LOOKS_LIKE = {  # upper-case and lower-case letters of other alphabets that look like Latin ones
    "upper": str.maketrans("АВЕЅІЈКМНОРСТУХҮΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABESIJKMHOPCTYXYABEZHIKMNOPTYX"),
    "lower": str.maketrans("аеорсухіјѕһԁԛԝүɑνορικτυγχαøłđħıƒ", "aeopcyxijshdqwyavopiktuyxaoldhif"),
}  # fmt: skip


def clean(typed: str) -> str:
    """Return the name as it is stored; raise Refused if it contains anything that does not belong in a name."""
    name = " ".join(unicodedata.normalize("NFKC", typed.translate(SPELT)).split())
    if not any(char.isalpha() for char in name):
        raise Refused("Enter a name with at least one letter.")
    if len(name) > LONGEST:
        raise Refused(f"Shorten the name to {LONGEST} characters or fewer.")
    if odd := next((char for char in name if not _is_allowed(char)), None):
        shown = odd if odd.isprintable() else f"U+{ord(odd):04X}"
        raise Refused(f"Use only letters, spaces, apostrophes, hyphens and dots in a name. Remove “{shown}”.")
    if A_HOST.search(name) or MANY_MARKS.search(unicodedata.normalize("NFD", name)):
        raise Refused("This does not look like a name. Put a space after each dot, as in “J. Doe”.")
    if len(_alphabets(name)) > 1:
        raise Refused("Write the name in the letters of one alphabet.")
    return name


def keys(name: str) -> frozenset[str]:
    """Return what a name looks like in upper and in lower case. Two names that share a key look alike."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    spellings = (bare, bare.replace("I", "l"))
    drawn = [text.casefold().translate(LOOKS_LIKE["lower"]) for text in spellings]
    drawn += [text.upper().translate(LOOKS_LIKE["upper"]).casefold() for text in spellings]
    letters = ("".join(char for char in text if char.isalpha()) for text in drawn)
    return frozenset(text.replace("rn", "m").replace("vv", "w") for text in letters)


def _is_allowed(char: str) -> bool:
    return (char in " '-." or unicodedata.category(char)[0] in "LM") and not is_hidden(char)


def _alphabets(name: str) -> set[str]:
    letters = (unicodedata.name(char, "UNKNOWN").split()[0] for char in name if char.isalpha())
    return set(letters) - WITHOUT_ALPHABET
