"""The notations of single facts in codebooks: types, yes and no, categories with labels, ranges."""

import re

from datasets.codebooks.entries import NUMERIC

_TYPES = {
    "integer": "integer|int|int8|int16|int32|int64|bigint|smallint|long|whole|whole number|whole numbers|count|year",
    "number": "number|float|float32|float64|double|decimal|real|currency|continuous",
    NUMERIC: "numeric|num|numerical|dbl|dbl lbl|scale|haven labelled|calc|slider|byte",
    "category": "category|categorical|cat|factor|fct|ordered|ord|enum|nominal|ordinal|radio|dropdown|select|choice"
    "|single choice|coded",
    "boolean": "boolean|bool|logical|lgl|yes or no|yesno|yes no|true or false|truefalse|true false|binary",
    "date": "date|dates|day",
    "datetime": "datetime|date and time|date time|timestamp|dttm|posixct|posixct posixt",
    "text": "text|string|str|character|char|chr|varchar|free text|notes|plain text",
}
_KNOWN = {word: type_ for type_, words in _TYPES.items() for word in words.split("|")}
_SPSS = {
    r"f\d+(\.\d+)?|comma\d+(\.\d+)?|dot\d+(\.\d+)?": NUMERIC,
    r"(a|str)\d+": "text",
    r"[aejs]?date\d+": "date",
    r"datetime\d+(\.\d+)?": "datetime",
}
YES = frozenset({"yes", "y", "true", "t", "1", "x", "ja", "oui", "si", "sí"})
NO = frozenset({"no", "n", "false", "f", "0", "nein", "non"})
_NOTHING = frozenset({"", "none", "na", "n a", "no missing", "none defined"})
_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_DAY = r"\d{4}-\d\d-\d\d"
_RANGE = re.compile(
    rf"[\[(]?\s*({_DAY}|{_NUMBER})\s*(?:-|–|—|\.\.\.?|to|thru|:|,)\s*({_DAY}|{_NUMBER})\s*[\])]?",
    re.IGNORECASE,
)
_CODED = re.compile(
    r"[\[(]?([-+]?\d+(?:\.\d+)?)(?:\s*[\])]\s*|\s*[:,](?:\s+|(?!\d))|\s+[-–]\s+|\.\s+)(.+)", re.DOTALL
)
"""A numeric code and its label: `1, Male`, `1: Male`, `1 - Male`, `1) Male`, `[1] Male`, `1. Male`."""
_SPSS_LABELS = re.compile(r"\{\s*([^,{}]{1,200}?)\s*,\s*([^{}]{0,500}?)\s*\}")
_HIDING = 0xF0000
"""Escaped characters are moved to a private plane of Unicode while a text is divided."""


def plain(word: str) -> str:
    """Return a word of a codebook in lower case, with one blank for whatever is neither letter nor digit."""
    return " ".join(re.findall(r"[^\W_]+", word.casefold()))


def type_of(word: str) -> str | None:
    """Return the type that a word means, or None if it is not known."""
    if (known := _KNOWN.get(plain(word))) is not None:
        return known
    tight = word.strip().casefold()
    return next((type_ for pattern, type_ in _SPSS.items() if re.fullmatch(pattern, tight)), None)


def yes(word: str) -> bool | None:
    """Return whether a word means yes or no, or None if it means neither."""
    said = plain(word)
    return True if said in YES else False if said in NO else None


def span(text: str) -> tuple[str, str] | None:
    """Return the two ends of a range such as `18-99`, `0 to 10` or `[0, 1]`, or None."""
    found = _RANGE.fullmatch(text.strip())
    return (found[1], found[2]) if found else None


def is_nothing(text: str) -> bool:
    """Whether a cell says in words, or by a dash, that there is nothing."""
    return plain(text) in _NOTHING and not any(sign in text for sign in "|=;")


def missing(text: str) -> tuple[str, ...]:
    """Return the codes that a text lists as missing, such as `-9, -8` or `-9=refused`."""
    if is_nothing(text):
        return ()
    parts = (part.partition("=")[0].strip() for part in re.split(r"[,;|\n]", text))
    return tuple(part for part in parts if part)


def categories(text: str) -> tuple[tuple[str, str], ...]:
    """Return codes with their labels: `1=male|2=female`, `a|b|c`, `1, Male | 2, Female`, or one on each line.

    Bars divide; without them, line ends; then semicolons; then commas. A backslash before a bar, an equals sign or a
    backslash means that sign; in front of a category, that its digits are no code.
    """
    if "{" in text and (found := _SPSS_LABELS.findall(text)):
        return tuple(found)
    hidden = re.sub(r"\\([\\|=])", lambda sign: chr(_HIDING + ord(sign[1])), text.strip())
    parts = [part.strip() for part in _divided(hidden)]
    return tuple(_category(part) for part in parts if part)


def _divided(text: str) -> list[str]:
    for divider in ("|", "\n", ";"):
        if divider in text:
            return text.split(divider)
    parts = text.split(",")
    if all("=" in part for part in parts):
        return parts
    return [text] if _CODED.fullmatch(text) and len(parts) == 2 else parts


def _category(part: str) -> tuple[str, str]:
    if part.startswith("\\") and len(part) > 1:
        return _shown(part[1:]), ""
    if "=" in part:
        code, _, label = part.partition("=")
        return _unquoted(_shown(code)), _unquoted(_shown(label))
    if coded := _CODED.fullmatch(part):
        return _shown(coded[1]), _shown(coded[2])
    return _unquoted(_shown(part)), ""


def _shown(text: str) -> str:
    return "".join(
        chr(ord(sign) - _HIDING) if ord(sign) - _HIDING in _ESCAPED else sign for sign in text
    ).strip()


_ESCAPED = frozenset(map(ord, "\\|="))


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def written(values: tuple[str | int, ...]) -> str:
    """Return categories as `categories` reads them."""
    parts = [re.sub(r"([\\|=])", r"\\\1", str(value)) for value in values]
    safe = ["\\" + part if _is_ambiguous(part) else part for part in parts]
    return safe[0] + "|" if len(safe) == 1 else "|".join(safe)


def _is_ambiguous(part: str) -> bool:
    return (
        bool(_CODED.fullmatch(part))
        or _unquoted(part) != part
        or ("{" in part and bool(_SPSS_LABELS.search(part)))
    )
