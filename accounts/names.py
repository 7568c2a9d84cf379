"""Names of people: what may stand in one, and which two read alike."""
# ruff: noqa: RUF001 -- letters that look like others are what this is about

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
"""Scripts that stand beside letters of an alphabet in real names, and look like none of them."""
A_HOST = re.compile(r"\.(?!$|[ -]|[^\W\d_]\.)")
"""A dot inside of a word, but for initials: that is an address, and mail programs make it a link."""
MANY_MARKS = re.compile(r"[\u0300-\u036f]{3}")

LOOKS_LIKE = {  # capital letters of other alphabets, and small ones, that are drawn like Latin ones
    "upper": str.maketrans("АВЕЅІЈКМНОРСТУХҮΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABESIJKMHOPCTYXYABEZHIKMNOPTYX"),
    "lower": str.maketrans("аеорсухіјѕһԁԛԝүɑνορικτυγχαøłđħıƒ", "aeopcyxijshdqwyavopiktuyxaoldhif"),
}  # fmt: skip


def clean(typed: str) -> str:
    """The name as it is kept; Refused when it holds anything but a name."""
    name = " ".join(unicodedata.normalize("NFKC", typed.translate(SPELT)).split())
    if not any(char.isalpha() for char in name):
        raise Refused("A name has at least one letter.")
    if len(name) > LONGEST:
        raise Refused(f"Keep the name to {LONGEST} characters.")
    if odd := next((char for char in name if not _may_stand(char)), None):
        shown = odd if odd.isprintable() else f"U+{ord(odd):04X}"
        raise Refused(f"A name has letters, spaces, apostrophes, hyphens and dots. Remove “{shown}”.")
    if A_HOST.search(name) or MANY_MARKS.search(unicodedata.normalize("NFD", name)):
        raise Refused("This does not read as a name. Put a space after each dot, as in “J. Doe”.")
    if len(_alphabets(name)) > 1:
        raise Refused("Write the name in the letters of one alphabet.")
    return name


def keys(name: str) -> frozenset[str]:
    """What a name looks like, in capitals and in small letters: two names that share a key read alike."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    spellings = (bare, bare.replace("I", "l"))
    drawn = [text.casefold().translate(LOOKS_LIKE["lower"]) for text in spellings]
    drawn += [text.upper().translate(LOOKS_LIKE["upper"]).casefold() for text in spellings]
    letters = ("".join(char for char in text if char.isalpha()) for text in drawn)
    return frozenset(text.replace("rn", "m").replace("vv", "w") for text in letters)


def _may_stand(char: str) -> bool:
    return (char in " '-." or unicodedata.category(char)[0] in "LM") and not is_hidden(char)


def _alphabets(name: str) -> set[str]:
    letters = (unicodedata.name(char, "UNKNOWN").split()[0] for char in name if char.isalpha())
    return set(letters) - WITHOUT_ALPHABET
