"""Entries of a catalogue, as portals send them to each other: a closed list of fields, each with its limit.

Whatever a peer sends is text for people. Nothing in it is followed, and control characters are refused.
"""

import hashlib
import re
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from rest_framework import serializers

from common import plain_json
from common.errors import Refused
from common.rest.bodies import Body
from datasets.declarations.schema import OFFERED, TYPE_WORDS, ColumnSchema, TableSchema

MOST_DATASETS = 500
MOST_BYTES = 2_000_000
"""What a whole catalogue may take."""
MOST_MOCK_BYTES = 5_000_000
MOST_TABLES = 200
MOST_COLUMNS = 1000
MOST_CATEGORIES = 500
MOST_WORDS = 20_000
"""Characters of a dataset's tables and columns that can be searched."""
LONGEST_TEXT = 20_000
LARGEST = 2**63 - 1
NAME = r"\A[a-z][a-z0-9_]{0,62}\Z"
CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Categories of characters, and directions, that no entry has: controls, and what turns the direction of text round."""
DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?")
LINE_ENDS = re.compile("[\t\n]")

T = TypeVar("T")
Many = serializers.ListSerializer[Any]


def _is_odd(character: str) -> bool:
    kind = unicodedata.category(character)
    return (kind in CONTROL and character not in "\t\n") or unicodedata.bidirectional(character) in TURNS


class Unreadable(Refused):
    """A peer's catalogue is not as it should be. The text says where, and repeats nothing of it."""


class Text(serializers.CharField):
    """A text that may have several lines."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "allow_blank": True, **options})

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if any(map(_is_odd, text)):
            raise serializers.ValidationError("It has a control character.")
        return text


class Line(Text):
    """A text on one line."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if LINE_ENDS.search(text):
            raise serializers.ValidationError("It has more than one line.")
        return text


class Name(serializers.RegexField):
    """A name in code."""

    def __init__(self, **options: Any) -> None:
        super().__init__(NAME, trim_whitespace=False, **options)


class Number(serializers.CharField):
    """A number that may have decimals, as text: portals send each other no other numbers than integers."""

    def __init__(
        self, *, least: float = -sys.float_info.max, most: float = sys.float_info.max, **options: Any
    ):
        super().__init__(trim_whitespace=False, **options)
        self.least, self.most = least, most

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if not DECIMAL.fullmatch(text) or not self.least <= float(text) <= self.most:
            raise serializers.ValidationError("It is not a number that is expected here.")
        return text


class Whole(serializers.IntegerField):
    """A whole number from 0."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=LARGEST, **options)


class Id(serializers.UUIDField):
    """An id, as it is usually written: the other spellings would make two of one."""

    def to_internal_value(self, data: Any) -> UUID:
        found: UUID = super().to_internal_value(data)
        if data != str(found):
            raise serializers.ValidationError("It is not an id.")
        return found


class Category(serializers.Field[Any, Any, Any, Any]):
    """A text, or a whole number."""

    def to_internal_value(self, data: Any) -> str | int:
        if type(data) is int and abs(data) <= LARGEST:
            return data
        if type(data) is str and not any(map(_is_odd, data)):
            return data
        raise serializers.ValidationError("It is neither a text nor a whole number.")


class Column(Body):
    """The declarations of a column, as the REST API tells them."""

    name = Line(max_length=128, allow_blank=False)
    type = serializers.ChoiceField(sorted(TYPE_WORDS))
    stored = serializers.ChoiceField(sorted(OFFERED))
    description = Text(max_length=500)
    unit = Text(max_length=40)
    is_person = serializers.BooleanField()
    nullable = serializers.BooleanField()
    lower = Number(allow_null=True)
    upper = Number(allow_null=True)
    categories = serializers.ListField(child=Category(), max_length=MOST_CATEGORIES)
    rows_per_value = Whole(allow_null=True)
    decimals = Whole(allow_null=True)
    constant = serializers.BooleanField()


class Table(Body):
    """The declarations of a table, as the REST API tells them."""

    name = Name()
    description = Text(max_length=1000)
    mock_rows = Whole()
    rows_per_person = Whole()
    about_people = serializers.BooleanField()
    columns: Many = serializers.ListSerializer(child=Column(), allow_empty=False, max_length=MOST_COLUMNS)


class Numbered(Body):
    """A revision."""

    id = Id()
    number = Whole()


class Answer(Body):
    """The answer that a sampled mock is drawn from."""

    id = Id()


class Sampled(Body):
    """Where mock data comes from that is not drawn from the declarations."""

    table = Name()
    answer = Answer()
    epsilon = Number(least=1e-9, most=1e9)
    delta = Number(least=1e-300, most=1)
    columns = serializers.ListField(child=Line(max_length=128), max_length=MOST_COLUMNS)
    created_at = serializers.DateTimeField()


class Schema(Body):
    """What is public about a revision, as the REST API tells it."""

    revision = Numbered()
    sha256 = serializers.RegexField(r"\A[0-9a-f]{64}\Z")
    note = Text(max_length=500)
    published_at = serializers.DateTimeField()
    tables: Many = serializers.ListSerializer(child=Table(), max_length=MOST_TABLES)
    sampled_mocks: Many = serializers.ListSerializer(child=Sampled(), max_length=MOST_TABLES)


class Terms(Body):
    """The current terms of use."""

    number = Whole()
    text = Text(max_length=LONGEST_TEXT)


class Automatic(Body):
    """The promise within which the portal answers questions about the dataset automatically."""

    epsilon = Number(least=1e-9, most=1e9)
    delta = Number(least=1e-300, most=1)


class CatalogueEntry(Body):
    """One dataset."""

    id = Id()
    name = Name()
    title = Line(max_length=200, allow_blank=False)
    summary = Text(max_length=400)
    description = Text(max_length=LONGEST_TEXT)
    tags = serializers.ListField(child=Line(max_length=40), max_length=12)
    institution = Line(max_length=200)
    schema = Schema()
    terms = Terms(allow_null=True)
    automatic = Automatic(allow_null=True)


class CatalogueBody(Body):
    """What a portal shows another one. `left_off`: how many datasets did not fit."""

    datasets: Many = serializers.ListSerializer(child=CatalogueEntry(), max_length=MOST_DATASETS)
    left_off = serializers.IntegerField(min_value=0, max_value=2**31 - 1)


@dataclass(frozen=True, slots=True)
class Told:
    """A catalogue that was read: entries as they came, each checked, and how many the peer left off."""

    entries: list[dict[str, Any]]
    left_off: int


def read(document: object) -> Told:
    """Check a catalogue that a peer has sent. Raises Unreadable."""
    try:
        plain_json.check(document)
    except ValueError as bad:
        raise Unreadable(f"Its catalogue cannot be read: {bad}.") from bad
    given = CatalogueBody(data=document)
    if not given.is_valid():
        place, why = _first(given.errors)
        raise Unreadable(f"Its catalogue cannot be read. {place[:150]}: {why[:100]}")
    found: list[dict[str, Any]] = document["datasets"]  # type: ignore[index]  # it is valid
    if len({each["id"] for each in found}) < len(found):
        raise Unreadable("Its catalogue cannot be read: it names a dataset twice.")
    return Told(found, given.validated_data["left_off"])


def _first(errors: Any) -> tuple[str, str]:
    """Return the place of the first error in nested errors, and what it says."""
    place: list[str] = []
    while True:
        if isinstance(errors, Mapping) and errors:
            name = next(iter(errors))
            place.append(str(name))
            errors = errors[name]
        elif isinstance(errors, list) and any(errors):
            number = next(number for number, each in enumerate(errors) if each)
            if isinstance(errors[number], str):
                return ".".join(place), str(errors[number])
            place.append(str(number))
            errors = errors[number]
        else:
            return ".".join(place), "This is not right."


def cleaned(value: T) -> T:
    """Return JSON as every portal reads it: no odd characters in texts, and floats as text."""
    if isinstance(value, float):
        return repr(value)  # type: ignore[return-value]
    if isinstance(value, str):
        lines = value.replace("\r\n", "\n").replace("\r", "\n")
        return "".join(" " if _is_odd(each) else each for each in lines)  # type: ignore[return-value]
    if isinstance(value, Mapping):
        return {name: cleaned(each) for name, each in value.items()}  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return [cleaned(each) for each in value]  # type: ignore[return-value]
    return value


def one_line(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())


def tag_of(content: bytes) -> str:
    """Return the ETag of a catalogue: the SHA-256 of its bytes, which both portals have."""
    return f'"{hashlib.sha256(content).hexdigest()}"'


def tables_of(entry: Mapping[str, Any]) -> tuple[TableSchema, ...]:
    """Return the public schema of an entry that `read` has checked."""
    return tuple(_table(each) for each in entry.get("schema", {}).get("tables", []))


def _table(told: Mapping[str, Any]) -> TableSchema:
    return TableSchema(
        name=told["name"],
        description=told["description"],
        mock_rows=told["mock_rows"],
        rows_per_subject=told["rows_per_person"],
        about_people=told["about_people"],
        columns=tuple(_column(each) for each in told["columns"]),
    )


def _column(told: Mapping[str, Any]) -> ColumnSchema:
    fields = {name: value for name, value in told.items() if name not in {"is_person", "categories"}}
    bounds = {end: None if told[end] is None else float(told[end]) for end in ("lower", "upper")}
    return ColumnSchema(
        **{**fields, **bounds}, is_subject=told["is_person"], categories=tuple(told["categories"])
    )


def words_of(entry: Mapping[str, Any]) -> str:
    """Return the names and descriptions of an entry's tables and columns, as one text of limited length."""
    parts: list[str] = []
    for table in entry["schema"]["tables"]:
        parts += [table["name"], table["description"]]
        parts += [text for each in table["columns"] for text in (each["name"], each["description"])]
    return " ".join(part for part in parts if part)[:MOST_WORDS]
