"""The SQL that turns the text of a cell into a value of a column's type, or into NULL if it is not one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from datasets.reading.engine import literal, name
from datasets.reading.formats import CLOCK, CLOCKS, FORMATS, ISO, ISO_DATE, ISO_TIME
from datasets.reading.inference import SQL_TYPES

ODD = "weir: not of the type of the column"
BLANKS = " \t\u00a0\u202f\u2007\ufeff"
STRICT = "^(-?(?:0|[1-9][0-9]{0,17}))(?:[.]0+)?$"
"""A whole number as a program writes it: leading zeros would be lost, so they make a column text."""
LENIENT = "^([-+]?[0-9]{1,18})(?:[.]0*)?$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that is read: its place in the file, names, type, and what its cells look like."""

    place: int
    source: str
    name: str
    kind: str = "string"
    missing: tuple[str, ...] = ()
    format: str = ISO
    is_asked: bool = False
    """Whether the owner chose the type, so that it is not changed."""

    @property
    def raw(self) -> str:
        return raw(self.place)

    @property
    def plain(self) -> str:
        """The name of its cells as DuckDB reads them."""
        return f"plain{self.place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What numbers and texts look like in the whole file."""

    decimal: str = "."
    thousands: str = ""
    trim: bool = True
    zone: str = "UTC"


PLAIN = {"int64": "{value}::VARCHAR = {text}", "double": "isfinite({value})"}
"""When a number is certainly what its text says, by type."""


def raw(place: int) -> str:
    """Return the name under which a column of the file is read, whatever the file calls it."""
    return f"c{place}"


def trimmed(column: str, marks: Marks) -> str:
    return f"trim({name(column)}, {literal(BLANKS)})" if marks.trim else name(column)


def among(text: str, listed: Iterable[str]) -> str:
    """Return the SQL condition that a text, without blanks around it, is one of a list.

    A regular expression: DuckDB's optimizer takes time that grows with the square of the number of IN lists.
    """
    blanks = f"[{BLANKS}]*"
    choices = "|".join(re.sub(r"([^\w ])", r"\\\1", each) for each in listed)
    return f"regexp_full_match({text}, {literal(f'{blanks}({choices}){blanks}')})"


def cell(column: Column, marks: Marks) -> str:
    """Return the SQL of a cell's text, which is NULL if the cell is missing."""
    is_missing = among(name(column.raw), ("", *column.missing))
    return f"CASE WHEN {is_missing} THEN NULL ELSE {trimmed(column.raw, marks)} END"


def plain_number(text: str, marks: Marks) -> str:
    """Return the SQL of a number's text with a point and without marks between thousands."""
    if marks.thousands == " ":
        text = f"regexp_replace({text}, '[ \u00a0\u202f\u2009]', '', 'g')"
    elif marks.thousands:
        text = f"replace({text}, {literal(marks.thousands)}, '')"
    return text if marks.decimal == "." else f"replace({text}, ',', '.')"


def value(column: Column, text: str, marks: Marks) -> str:
    """Return the SQL that turns a text into a value of the column's type, or into NULL if it is not one."""
    number = plain_number(text, marks)
    match column.kind:
        case "int64":
            pattern = LENIENT if column.is_asked else STRICT
            fast = f"TRY_CAST({number} AS BIGINT)"
            slow = f"TRY_CAST(regexp_extract({number}, {literal(pattern)}, 1) AS BIGINT)"
            return f"CASE WHEN {fast}::VARCHAR = {number} THEN {fast} ELSE {slow} END"
        case "double":
            found = f"TRY_CAST({number} AS DOUBLE)"
            return f"CASE WHEN isfinite({found}) THEN {found} END"
        case "bool":
            yes, no = ("'true', 'yes', 'y', 't', '1'", "'false', 'no', 'n', 'f', '0'")
            if not column.is_asked:
                yes, no = "'true'", "'false'"
            return f"CASE WHEN lower({text}) IN ({yes}) THEN true WHEN lower({text}) IN ({no}) THEN false END"
        case "date32":
            return _date(column.format, text)
        case "timestamp":
            return _moment(column.format, text, marks.zone)
        case _:
            return text


def _date(notation: str, text: str) -> str:
    pattern, looks = FORMATS[notation]
    parsed = (
        f"TRY_CAST({text} AS DATE)" if notation == ISO else f"try_strptime({text}, {literal(pattern)})::DATE"
    )
    return f"CASE WHEN regexp_full_match({text}, {literal(looks)}) THEN {parsed} END"


def _moment(notation: str, text: str, zone: str) -> str:
    """Return the SQL of a time in UTC. The session's time zone is that of times that do not name theirs."""
    if notation == ISO:
        looks = f"{ISO_TIME}|{ISO_DATE}"
        parsed = f"(TRY_CAST(replace({text}, ',', '.') AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
        return f"CASE WHEN regexp_full_match({text}, {literal(looks)}) THEN {parsed} END"
    pattern, looks = FORMATS[notation]
    patterns = ", ".join(literal(f"{pattern} {clock}") for clock in CLOCKS) + f", {literal(pattern)}"
    spaced = f"regexp_replace({text}, '([0-9])T([0-9])', '\\1 \\2')"
    local = f"try_strptime({spaced}, [{patterns}])"
    parsed = local if zone == "UTC" else f"timezone('UTC', timezone({literal(zone)}, {local}))"
    return f"CASE WHEN regexp_full_match({text}, {literal(f'{looks}([ T]{CLOCK})?')}) THEN {parsed} END"


def cells(relation: str, columns: Iterable[Column], marks: Marks) -> str:
    """Return a subquery of the cells of some columns, under their raw names. Missing cells are NULL."""
    listed = ", ".join(f"{cell(column, marks)} AS {name(column.raw)}" for column in columns)
    return f"(SELECT {listed} FROM {relation})"  # noqa: S608 -- quoted


def plainly_cast(column: Column, marks: Marks) -> str | None:
    """Return the SQL of a number as DuckDB reads it, under the column's plain name; None if marks stand in the way.

    Almost all numbers of most files need no more than this, which takes a third of the time.
    """
    is_plain = (marks.decimal, marks.thousands) == (".", "")
    has_numbers = any(character.isdigit() for each in column.missing for character in each)
    if column.kind not in PLAIN or not is_plain or has_numbers:
        return None
    return f"TRY_CAST({name(column.raw)} AS {SQL_TYPES[column.kind]}) AS {name(column.plain)}"


def quickly_converted(column: Column, marks: Marks) -> str:
    """Return the SQL of a stored cell, of rows that also have what plainly_cast() says."""
    if plainly_cast(column, marks) is None:
        return converted(column, marks, text=cell(column, marks))
    return (
        f"CASE WHEN {PLAIN[column.kind].format(value=name(column.plain), text=name(column.raw))} "
        f"THEN {name(column.plain)} ELSE {converted(column, marks, text=cell(column, marks), label=False)} END "
        f"AS {name(column.name)}"
    )


def converted(column: Column, marks: Marks, *, text: str = "", label: bool = True) -> str:
    """Return the SQL of a stored cell, of a subquery of cells(). Text of another type stops the query."""
    text, called = text or name(column.raw), f" AS {name(column.name)}" if label else ""
    if column.kind == "string":
        return text + called
    found, kind = value(column, text, marks), SQL_TYPES[column.kind]
    return (
        f"CASE WHEN {text} IS NULL THEN NULL WHEN ({found}) IS NOT NULL THEN ({found}) "
        f"ELSE error('{ODD}')::{kind} END{called}"
    )


def odd(column: Column, marks: Marks) -> str:
    """Return the SQL condition for cells that are not of the column's type."""
    text = name(column.raw)
    return f"{text} IS NOT NULL AND ({value(column, text, marks)}) IS NULL"


def shown(column: Column, marks: Marks) -> str:
    """Return the SQL of a cell as it is stored, as text; a cell that does not fit is shown as the file has it."""
    text = name(column.raw)
    if column.kind == "string":
        return f"coalesce({text}, '')"
    return f"coalesce(({value(column, text, marks)})::VARCHAR, '⚠ ' || {text}, '')"
