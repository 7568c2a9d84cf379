"""Reads a DDI Codebook (2.x): the variables of its data description. A document type, and so any entity, is refused.

https://ddialliance.org/Specification/DDI-Codebook/2.5/
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from common.errors import Refused
from datasets.codebooks.cells import type_of
from datasets.codebooks.entries import (
    MOST_CATEGORIES,
    MOST_ENTRIES,
    NUMERIC,
    Codebook,
    ColumnEntry,
    codebook,
    listed,
)

FORMAT = "DDI Codebook"
TEXTS = frozenset({"labl", "qstnLit", "txt", "catValu"})
BLOCKS = frozenset({"p", "div", "br", "hd", "list", "item", "row"})
"""Elements inside a text that begin a line; the others, such as emph, may stand within a word."""
USED = TEXTS | {"qstn", "valrng", "invalrng", "catgry", "varFormat", "sumStat"}
"""The parts of a variable that are read, or of which it is said elsewhere that they are not."""
DERIVED = frozenset({"sumStat", "catStat"})
DEEPEST = 100
MOST_TEXT = 5_000
MOST_CODES = 100
"""The codes that a range of missing values may have."""


@dataclass(slots=True)
class _Variable:
    name: str
    line: int
    unit: str
    type: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    lower: str = ""
    upper: str = ""
    categories: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Reader:
    """Collects variables while expat walks through the document."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.path: list[str] = []
        self.found: list[_Variable] = []
        self.now: _Variable | None = None
        self.category: dict[str, str] = {}
        self.text = ""
        self.texts_open = 0
        self.has_statistics = False
        self.unused: set[str] = set()

    def _refuse(self, *_: object) -> None:
        raise Refused("This XML has a document type (<!DOCTYPE …>), which can hide text. Remove that line.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if not self.path and name != "codeBook":
            raise Refused(
                f"This XML is not a DDI Codebook: it begins with <{name[:60]}>, not with <codeBook>."
            )
        self.path.append(name)
        if len(self.path) > DEEPEST:
            raise Refused("This XML has too many levels.")
        if name == "var" and self.now is None:
            self.now = _Variable(
                attributes.get("name", "").strip(),
                self.parser.CurrentLineNumber,
                attributes.get("measUnit", ""),
            )
        elif self.now is not None:
            self._inside(name, attributes, self.now)
        if name in TEXTS:
            self.text = "" if not self.texts_open else self.text
            self.texts_open += 1
        self._break(name)

    def _inside(self, name: str, given: dict[str, str], now: _Variable) -> None:
        within = self.path[-2]
        self.has_statistics = self.has_statistics or name in DERIVED
        if name == "varFormat":
            now.type = _type(given)
        elif name == "catgry":
            self.category = {"missing": given.get("missing", "")}
        elif within == "valrng":
            _valid(name, given, now)
        elif within == "invalrng":
            _invalid(name, given, now)
        elif within == "var" and name not in USED:
            self.unused.add(name[:60])

    def _data(self, text: str) -> None:
        if self.now is not None and self.texts_open and len(self.text) < MOST_TEXT:
            self.text += text

    def _break(self, name: str) -> None:
        if name in BLOCKS:
            self._data(" ")

    def _end(self, tag: str) -> None:
        name = self.path.pop()
        self.texts_open -= name in TEXTS
        self._break(name)
        now = self.now
        if now is None:
            return
        text = " ".join(self.text.split())
        within = self.path[-1] if self.path else ""
        if name == "var":
            self._close(now)
        elif name == "catgry":
            self._categorize(now)
        elif within == "catgry" and name in {"catValu", "labl"}:
            self.category.setdefault(name, text)
        elif within in {"var", "qstn"} and name in TEXTS:
            now.texts.setdefault(name, text)

    def _close(self, now: _Variable) -> None:
        self.found.append(now)
        self.now = None
        if len(self.found) > MOST_ENTRIES:
            raise Refused(f"This codebook names more than {MOST_ENTRIES:,} columns. Take it in parts.")

    def _categorize(self, now: _Variable) -> None:
        code = self.category.get("catValu", "")
        if self.category.get("missing", "").upper().startswith("Y") and code:
            now.missing.append(code)
        elif code and len(now.categories) <= MOST_CATEGORIES:
            now.categories.append((code, self.category.get("labl", "")))
        elif not code:
            label = self.category.get("labl", "")
            now.notes.append(f"A category without a value was not taken: “{label[:60]}”.")


def _type(given: dict[str, str]) -> str:
    if (known := type_of(given.get("category", ""))) in {"date", "datetime"}:
        return known or ""
    return {"numeric": NUMERIC, "character": "text"}.get(given.get("type", ""), "")


def _valid(name: str, given: dict[str, str], now: _Variable) -> None:
    """Take the valid range; several ranges become the one around them only if their order says so."""
    if name != "range":
        if name == "item":
            now.notes.append(f"A single valid value was not taken: “{given.get('VALUE', '')[:60]}”.")
        return
    if now.lower or now.upper:
        now.notes.append(
            f"Only the first of its ranges was taken, not {given.get('min')} to {given.get('max')}."
        )
        return
    now.lower, now.upper = given.get("min", "").strip(), given.get("max", "").strip()
    if exclusive := [key for key in ("minExclusive", "maxExclusive") if key in given]:
        now.notes.append(f"Bounds that do not belong to the range were not taken: {', '.join(exclusive)}.")


def _invalid(name: str, given: dict[str, str], now: _Variable) -> None:
    """Take the codes that mean missing: single ones, and short ranges of whole numbers."""
    if name == "item" and (code := given.get("VALUE", "").strip()):
        now.missing.append(code)
    if name != "range":
        return
    lower, upper = given.get("min", "").strip(), given.get("max", "").strip()
    try:
        first, last = int(lower), int(upper)
    except ValueError:
        first, last = 1, 0
    if 0 <= last - first < MOST_CODES and len(now.missing) <= MOST_CATEGORIES:
        now.missing += map(str, range(first, last + 1))
    else:
        now.notes.append(
            f"A range that means missing was not taken: {lower[:40] or '…'} to {upper[:40] or '…'}."
        )


def read(text: str) -> Codebook:
    """Read a codebook. Raises Refused if it is not one, or has a document type."""
    reader = _Reader()
    try:
        reader.parser.Parse(text.encode(errors="replace"), True)  # noqa: FBT003 -- expat's own signature
    except expat.ExpatError as bad:
        why = expat.errors.messages[bad.code]
        raise Refused(f"Line {bad.lineno}: this is not XML that can be read ({why}).") from bad
    notes = []
    if reader.has_statistics:
        notes.append("Statistics (sumStat, catStat) were not taken: they were computed from the data.")
    if reader.unused:
        notes.append(f"Not used of this codebook: {listed(sorted(reader.unused))}.")
    named = [each for each in reader.found if each.name]
    notes += [
        f"Line {each.line}: a variable without a name was not taken."
        for each in reader.found
        if not each.name
    ]
    return codebook(FORMAT, map(_entry, named), notes)


def _entry(now: _Variable) -> ColumnEntry:
    texts = now.texts
    return ColumnEntry(
        name=now.name,
        line=now.line,
        type=now.type,
        description=texts.get("labl") or texts.get("txt") or texts.get("qstnLit") or "",
        unit=now.unit.strip(),
        lower=now.lower,
        upper=now.upper,
        categories=tuple(now.categories),
        missing=tuple(dict.fromkeys(now.missing)),
        notes=tuple(now.notes),
    )
