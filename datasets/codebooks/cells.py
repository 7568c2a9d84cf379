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
ELLIPSES = ("...", "…")
"""A list that ends with one of these is incomplete, unless a bar follows."""
_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_DAY = r"\d{4}-\d\d-\d\d"
_RANGE = re.compile(
    rf"[\[(]?\s*({_DAY}|{_NUMBER})\s*(-|–|—|\.\.\.?|to|thru|:|,)\s*({_DAY}|{_NUMBER})\s*[\])]?",
    re.IGNORECASE,
)
_CODED = re.compile(
    r"[\[(]?([-+]?\d+(?:\.\d+)?)(?:\s*[\])]\s*|\s*[:,](?:\s+|(?!\d))|\s+[-–]\s+|\.\s+)(.+)", re.DOTALL
)
"""A numeric code and its label: `1, Male`, `1: Male`, `1 - Male`, `1) Male`, `[1] Male`, `1. Male`."""
_ESCAPE = r"\\[\\|=]"
_LABELLED = r"\{([^{},|]{1,200}),([^{}|]{0,500})\}"
_SPSS_LABELS = re.compile(rf"(?:{_LABELLED}[\s,;]*+)+")
"""The whole of `{1, Male} {2, Female}`. No sign can belong to two of its parts, so that no text is looked at twice."""


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


def span(text: str, *, comma: bool = False) -> tuple[str, str] | None:
    """Return the two ends of a range such as `18-99`, `0 to 10` or `[0, 1]`, or None.

    `comma`: whether `0, 1` is one without its brackets, too. Among categories, these are two of them.
    """
    found = _RANGE.fullmatch(text.strip())
    if not found or (found[2] == "," and not comma and found[0][0] not in "[("):
        return None
    return found[1], found[3]


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
    text = text.strip()
    if text.startswith("{") and _SPSS_LABELS.fullmatch(text):
        found = re.findall(_LABELLED, text)
        return tuple((code.strip(), label.strip()) for code, label in found if code.strip())
    parts = [part.strip() for part in _divided(text)]
    return tuple(_category(part) for part in parts if part)


def _divided(text: str) -> list[str]:
    for divider in ("|", "\n", ";"):
        if len(parts := _split(text, divider)) > 1:
            return parts
    parts = _split(text, ",")
    if all(len(_split(part, "=")) > 1 for part in parts):
        return parts
    coded = _CODED.fullmatch(text)
    return [text] if coded and len(parts) == 2 and not re.fullmatch(_NUMBER, coded[2]) else parts


def _split(text: str, divider: str) -> list[str]:
    """Divide a text at a sign, unless a backslash escapes it."""
    parts, start = [], 0
    for found in re.finditer(rf"{_ESCAPE}|{re.escape(divider)}", text):
        if found[0] == divider:
            parts.append(text[start : found.start()])
            start = found.end()
    return [*parts, text[start:]]


def _category(part: str) -> tuple[str, str]:
    if re.match(r"\\[^\\|=]", part):
        return _shown(part[1:]), ""
    code, *label = _split(part, "=")
    if label:
        return _unquoted(_shown(code)), _unquoted(_shown("=".join(label)))
    if coded := _CODED.fullmatch(part):
        return _shown(coded[1]), _shown(coded[2])
    return _unquoted(_shown(part)), ""


def _shown(text: str) -> str:
    return re.sub(_ESCAPE, lambda escape: escape[0][1], text).strip()


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def written(values: tuple[str | int, ...]) -> str:
    """Return categories as `categories` reads them."""
    parts = [re.sub(r"([\\|=])", r"\\\1", str(value)) for value in values]
    safe = ["\\" + part if _is_ambiguous(part) else part for part in parts]
    text = "|".join(safe)
    return text + "|" if len(safe) == 1 or text.endswith(ELLIPSES) else text


def _is_ambiguous(part: str) -> bool:
    return bool(_CODED.fullmatch(part)) or _unquoted(part) != part
