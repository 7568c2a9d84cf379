"""Highlight Python code line by line, in one pass of one regular expression, with the CSS class names of Pygments.

Pygments itself took a third of a second for two versions of 2,000 lines; a review page shows both.
"""

import builtins
import keyword
import re
from functools import lru_cache
from html import escape

from runner.plain_text import replaced

Segment = tuple[str, str]
"""A piece of a line: its class (may be empty) and its text."""
Line = tuple[Segment, ...]

TOKEN = re.compile(
    r"""
    (?P<c> \#[^\n]* )
  | (?P<s> (?:[rR][bBfF]?|[bBfF][rR]?|[uU])? (?:
        \"\"\" [^"\\]* (?: (?: \\(?:.|\Z) | "(?!"") ) [^"\\]* )* (?:\"\"\"|\Z)
      | ''' [^'\\]* (?: (?: \\(?:.|\Z) | '(?!'') ) [^'\\]* )* (?:'''|\Z)
      | " [^"\\\n]* (?: \\(?:.|\Z) [^"\\\n]* )* "?
      | ' [^'\\\n]* (?: \\(?:.|\Z) [^'\\\n]* )* '?
    ) )
  | (?P<m> (?: 0[xXoObB][\da-fA-F_]+ | (?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?[jJ]? ) )
  | (?P<nd> ^[ \t]*@[\w.]+ )
  | (?P<n> [^\W\d]\w* )
  | (?P<o> [-+*/%@&|^~<>=!]+ )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
WORDS = {name: "nb" for name in dir(builtins) if not name.startswith("_")}
WORDS |= dict.fromkeys(keyword.kwlist, "k")
WORDS |= dict.fromkeys(("True", "False", "None"), "kc")
WORDS |= dict.fromkeys(("and", "or", "not", "in", "is"), "ow")
WORDS |= dict.fromkeys(("import", "from"), "kn")
WORDS |= dict.fromkeys(("self", "cls"), "bp")
SHORT = 40
NAMED_BY = {"def": "nf", "class": "nc"}


@lru_cache(maxsize=16)
def lines(code: str) -> tuple[Line, ...]:
    """Split the code into lines of segments. The whole text is read at once, so multi-line strings are right."""
    text = code.replace("\r\n", "\n").replace("\r", "\n")
    found: list[list[Segment]] = [[]]
    at, before = 0, ""
    for token in TOKEN.finditer(text):
        if token.start() > at:
            _add(found, "", text[at : token.start()])
        kind, value = token.lastgroup or "", token.group()
        if kind == "n":
            is_attribute = token.start() > 0 and text[token.start() - 1] == "."
            kind = NAMED_BY.get(before) or ("" if is_attribute else WORDS.get(value, ""))
            before = value
        _add(found, kind, value)
        at = token.end()
    _add(found, "", text[at:])
    if len(found) > 1 and not found[-1]:
        found.pop()
    return tuple(map(tuple, found))


def _add(found: list[list[Segment]], kind: str, text: str) -> None:
    """Append a segment that may span several lines."""
    if "\n" not in text:
        if text:
            found[-1].append((kind, text))
        return
    first, *others = text.split("\n")
    if first:
        found[-1].append((kind, first))
    found.extend([(kind, part)] if part else [] for part in others)


def html(line: Line, mark: tuple[int, int] | None = None) -> str:
    """Return a line as HTML, with the characters [start, end) of `mark` marked."""
    if mark is None:
        return "".join([_span(kind, text) for kind, text in line])
    parts, at = [], 0
    for kind, text in line:
        first, last = (min(max(edge - at, 0), len(text)) for edge in mark)
        inside = _span(kind, text[first:last])
        parts += [
            _span(kind, text[:first]),
            f"<mark>{inside}</mark>" if inside else "",
            _span(kind, text[last:]),
        ]
        at += len(text)
    return "".join(parts)


def _span(kind: str, text: str) -> str:
    return _written_once(kind, text) if len(text) <= SHORT else _written(kind, text)


@lru_cache(maxsize=8192)
def _written_once(kind: str, text: str) -> str:
    """Cache short segments: the same few make up most of a page."""
    return _written(kind, text)


def _written(kind: str, text: str) -> str:
    if not text:
        return ""
    shown = escape(text)
    if not (shown.isascii() and shown.isprintable()):
        shown = replaced(shown, _spelled)
    return f'<span class="{kind}">{shown}</span>' if kind else shown


def _spelled(character: str) -> str:
    return f'<span class="hidden-character">U+{ord(character):04X}</span>'
