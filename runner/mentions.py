"""Find what sentences say of numbers and people: "3 people", "n = 3", "person 4711". Whether it matters, rules decide.

Also shipped into the decoding sandbox, where nothing else of this project exists: standard library only.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

MOST_CHARACTERS = 400_000
MOST = 500
"""Mentions of each kind that are listed."""
LONGEST = 60
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NUMBER = rf"(?<![\w.,])(\d[\d,]*|{'|'.join(WORDS)})(?![\w%]|[.,]\d)"
QUANTITY = re.compile(
    rf"(?<!\w)(\w{{1,20}})?\W{{0,4}}{NUMBER}((?:\s{{1,4}}[^\W\d_]{{1,20}}){{1,3}})", re.IGNORECASE
)
"""A number and the words after it, with the word before it. No part is unbounded, as texts are hostile."""
PAIR = re.compile(
    r"(?<!\w)([^\W\d]\w{0,40})\.?[ \t]{0,20}(?:[:=#(]|no\.|nr\.|is|was)?[ \t]{0,20}#?[ \t]?"
    r"([A-Za-z]{0,3}[-_]?\d[\w,]{0,40})(?![%\w]|\.\d)"
)
"""A word and the number or code that follows it."""
LIMITS = frozenset(
    {"than", "least", "most", "below", "under", "over", "above", "minimum", "maximum", "threshold", "to"}
)
"""Words before a number that is a limit, not a count."""
FEW = frozenset({"only", "just"})
"""Words before a number that is a count, whatever follows."""
EXTREME = re.compile(
    r"\b(?:max|min|maximum|minimum|highest|lowest|largest|smallest|biggest|oldest|youngest|richest|poorest|longest|shortest"
    r"|heaviest|tallest|top|best|worst|outlier|outliers|extreme|record)\b",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}")
SENTENCE = re.compile(r"[\n;!?]|\.\s")


def found(texts: Iterable[str]) -> dict[str, list[list[object]]]:
    """Return what is said, by kind: `quantities` (number, words after it, whether it is said to be few), `pairs` (word,
    code after it, whether the sentence names an extreme) and `addresses`."""
    said: dict[str, list[list[object]]] = {"quantities": [], "pairs": [], "addresses": []}
    left = MOST_CHARACTERS
    for text in texts:
        for sentence in SENTENCE.split(text[:left]):
            for kind, mentions in _in_sentence(sentence):
                said[kind] += islice(mentions, MOST - len(said[kind]))
        left -= len(text)
        if left <= 0:
            break
    return said


def _in_sentence(sentence: str) -> Iterator[tuple[str, Iterator[list[object]]]]:
    extreme = EXTREME.search(sentence) is not None
    yield "quantities", _quantities(sentence)
    yield "pairs", ([pair[1].lower(), pair[2][:LONGEST], extreme] for pair in PAIR.finditer(sentence))
    yield "addresses", ([address[0][:LONGEST]] for address in ADDRESS.finditer(sentence))


def _quantities(sentence: str) -> Iterator[list[object]]:
    for match in QUANTITY.finditer(sentence):
        before, number, after = match.groups()
        if (before or "").lower() not in LIMITS:
            yield [_value(number), after.strip().lower()[:LONGEST], (before or "").lower() in FEW]


def _value(text: str) -> int:
    word = text.lower()
    return WORDS.index(word) + 1 if word in WORDS else int(text.replace(",", "")[:18] or 0)


def is_prose(text: str) -> bool:
    """Whether a person has to read this text, because it is more than a label."""
    words = len(text.split())
    return "\n" in text.strip() or words >= 8 or (words >= 5 and any(map(str.isdigit, text)))
