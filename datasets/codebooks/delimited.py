"""Reads a codebook that is a table: CSV, cells copied from a spreadsheet, or a REDCap data dictionary."""

import csv
import html
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from common.errors import Refused
from datasets.codebooks import cells
from datasets.codebooks.cells import plain, span, type_of, yes
from datasets.codebooks.entries import (
    MOST_CATEGORIES,
    Codebook,
    ColumnEntry,
    at,
    codebook,
    listed,
)
from runner.plain_text import was_formula

FORMAT = "a table"
REDCAP = "a REDCap data dictionary"
DIVIDERS = ("\t", ";", ",")
LOOKED_AT = 30
MOST_FACTS = 200
"""The cells that the line of names may have: a codebook has one for each fact about a column, not for each column."""
_HEADERS = {
    "name": "name|variable|variable name|variable field name|var|var name|varname|column|column name|field|field name"
    "|feature|attribute|pos name",
    "description": "label|description|variable label|field label|title|definition|question|question text|meaning"
    "|variable description|column description|var label|item",
    "type": "type|data type|datatype|class|field type|variable type|var type|column type|format|storage type|col type",
    "unit": "unit|units|unit of measurement|measurement unit|units of measurement|uom",
    "lower": "min|minimum|lowest|lower|lower bound|lower limit|smallest|smallest value|lowest value|valid min"
    "|minimum value|min value|lowest possible value|text validation min",
    "upper": "max|maximum|highest|upper|upper bound|upper limit|largest|largest value|highest value|valid max"
    "|maximum value|max value|highest possible value|text validation max",
    "range": "range|valid range|allowed range|value range|permitted range",
    "categories": "categories|values|value labels|levels|codes|coding|choices|options|allowed values|valid values"
    "|permissible values|permitted values|enum|factor levels|response options|code list|codelist"
    "|choices calculations or slider labels|select choices or calculations",
    "value": "value|code|value code|category code",
    "value_label": "value label|code label|category label|value description",
    "nullable": "may be empty|nullable|empty|optional|allow missing|missing allowed|can be missing|may be missing",
    "required": "required|mandatory|not null|required field",
    "missing": "missing|missing values|missing value|missing codes|missing code|missing value codes|na values"
    "|user missing",
    "decimals": "decimals|decimal places|number of decimals",
    "rows_per_value": "rows per value",
    "constant": "constant|constant per person|same in all of a person s rows|time invariant",
    "validation": "text validation type or show slider number|text validation type",
    "branching": "branching logic show field only if|branching logic",
}
_ROLES = {word: role for role, words in _HEADERS.items() for word in words.split("|")}
_VALIDATED = {
    "integer": "integer",
    "number": "number",
    "zipcode": "text",
    "phone": "text",
    "email": "text",
    "time": "text",
}
_WITHOUT_VALUES = frozenset({"descriptive", "file", "signature"})


@dataclass(frozen=True, slots=True)
class _Head:
    """Where the table begins, what divides its cells, and what each of them says."""

    divider: str
    line: int
    names: tuple[str, ...]
    roles: tuple[str, ...]
    """The role of each column of the codebook; "" if it is not used."""
    is_redcap: bool
    is_long: bool
    """Whether each row has one category, so that a column has several rows."""


def read(text: str) -> Codebook:
    """Read a codebook that is a table. Raises Refused if none of its first lines names its columns."""
    lines = list(io.StringIO(text, newline=""))  # with their ends, and without cutting at other signs
    head = max((_head(lines, divider) for divider in DIVIDERS), key=_known)
    if "name" not in head.roles or sum(map(bool, head.roles)) < 2:
        raise Refused(
            "No line of this text names the columns of a codebook. Begin with a line such as "
            "name,label,type,unit,min,max,categories,may be empty."
        )
    if len(head.names) > MOST_FACTS:
        raise Refused(
            f"Line {head.line} has {len(head.names):,} cells, and a line of names has {MOST_FACTS} at most. A codebook "
            "has a line for each column of your table, and in it one cell for each fact about the column."
        )
    notes: list[str] = []
    if unused := [name for name, role in zip(head.names, head.roles, strict=True) if not role and name]:
        notes.append(f"Not used of this codebook: {listed(unused)}.")
    rows = _without_counts(list(_rows(lines, head, notes)), notes)
    entries = (
        _long(rows, head, notes)
        if head.is_long
        else [each for row in rows for each in _read(row, head, notes)]
    )
    return codebook(REDCAP if head.is_redcap else FORMAT, entries, notes)


def _known(head: _Head) -> int:
    return sum(map(bool, head.roles)) + ("name" in head.roles) * 100


def _head(lines: list[str], divider: str) -> _Head:
    """Return the line among the first ones that has the most names of facts about columns."""
    found = [_head_of(divider, line, row) for line, row in _parsed(lines[:LOOKED_AT], divider, strict=False)]
    return max(found, key=_known, default=_head_of(divider, 0, []))


def _head_of(divider: str, line: int, row: list[str]) -> _Head:
    """Return what a line is as a header. Of one that is too long, the first cells are looked at."""
    roles = _roles_of(row[:MOST_FACTS])
    words = set(map(plain, row[:MOST_FACTS]))
    return _Head(
        divider,
        line,
        tuple(row),
        roles,
        is_redcap="field type" in words and ("variable field name" in words or "validation" in roles),
        is_long={"value", "value_label"} <= set(roles),
    )


def _roles_of(row: list[str]) -> tuple[str, ...]:
    """Return what each cell of a header stands for; a role counts once, but for descriptions."""
    words = [plain(cell).removeprefix("ï ") for cell in row]  # a byte order mark that was read as letters
    roles: list[str] = []
    for word in words:
        role = _ROLES.get(word, "")
        roles.append(role if role == "description" or role not in roles else "")
    if "value" in roles and "value_label" not in roles and "categories" not in roles:
        roles[roles.index("value")] = "categories"
    if "categories" in roles and "value" in roles and words[roles.index("categories")] == "value labels":
        roles[roles.index("categories")] = "value_label"
    if "value_label" in roles and "value" not in roles:
        place = roles.index("value_label")
        roles[place] = "categories" if words[place].endswith(" label") and "categories" not in roles else ""
    if "type" not in roles or words[roles.index("type")] != "field type":
        roles = ["" if role in {"validation", "branching"} else role for role in roles]  # REDCap's alone
    if "measure" in words and "width" in words and "decimals" in roles:
        roles[roles.index("decimals")] = ""  # SPSS shows that many, and stores more
    return tuple(roles)


def _parsed(lines: list[str], divider: str, *, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the lines on which they begin. Raises Refused if the quotes do not fit."""
    reader = csv.reader(lines, delimiter=divider, strict=strict)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, [cell.strip() for cell in row]
            line = reader.line_num + 1
    except csv.Error as bad:
        if strict:
            raise Refused(
                f"Line {line}: this row cannot be divided into cells ({bad}). Check its quotes."
            ) from bad


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: dict[str, str]
    """The text of each role that is not empty."""


def _rows(lines: list[str], head: _Head, notes: list[str]) -> Iterator[_Row]:
    """Yield the rows below the header."""
    for line, row in _parsed(lines, head.divider, strict=True):
        if line <= head.line:
            continue
        if any(row[len(head.names) :]):
            notes.append(f"Line {line} has more cells than the header; the last were not taken.")
        said: dict[str, str] = {}
        for role, cell in zip(head.roles, row, strict=False):
            text = cell[1:] if was_formula(cell) else cell
            if role and text:
                said[role] = _joined(said.get(role, ""), text)
        if "name" in said or head.is_long:
            yield _Row(line, said)
        else:
            notes.append(f"Line {line} has no name of a column and was not taken.")


def _without_counts(rows: list[_Row], notes: list[str]) -> list[_Row]:
    """Leave out a column “missing” that counts the missing cells of the data: it has a number for every column."""
    if len(rows) < 2 or not all(row.cells.get("missing", "").isdecimal() for row in rows):
        return rows
    notes.append(
        "Of “missing”, nothing was taken: it has a whole number for every column, as counts of missing cells are. If "
        "these are codes, write one of them with its meaning, such as 99=refused."
    )
    return [
        _Row(row.line, {role: text for role, text in row.cells.items() if role != "missing"}) for row in rows
    ]


def _joined(before: str, text: str) -> str:
    return f"{before}: {text}" if before and text not in before else before or text


def _read(row: _Row, head: _Head, notes: list[str]) -> Iterator[ColumnEntry]:
    """Yield the entry of a row: none if its column has no values, several for a REDCap checkbox."""
    said = row.cells
    kind = plain(said.get("type", ""))
    if not head.is_redcap:
        yield _entry(row, head)
        return
    said["description"] = _without_markup(said.get("description", ""))
    if kind in _WITHOUT_VALUES:
        notes.append(f"{at(row.line)}“{said['name'][:60]}” holds no values ({kind}) and was not taken.")
        return
    plain_row = _Row(row.line, _from_redcap(row, kind, notes))
    if kind == "checkbox":
        yield from _boxes(plain_row, head)
    else:
        yield _entry(plain_row, head)


def _from_redcap(row: _Row, kind: str, notes: list[str]) -> dict[str, str]:
    """Return the cells of a row as other codebooks have them: REDCap's types are those of input fields."""
    said = dict(row.cells)
    where = f"{at(row.line)}“{said['name'][:60]}”"
    check = plain(said.pop("validation", ""))
    if kind == "text":
        word = check.partition(" ")[0]
        said["type"] = _VALIDATED.get(word, word if word in {"date", "datetime"} else "")
    elif kind in {"yesno", "truefalse"}:
        said["categories"] = "1=Yes|0=No" if kind == "yesno" else "1=True|0=False"
    elif kind in {"calc", "slider", "sql"} and said.pop("categories", ""):
        notes.append(f"{where}: a calculation, or words beside a slider, were not taken.")
    if (said.get("branching") or kind == "checkbox") and said.pop("required", ""):
        notes.append(f"{where}: “required” was not taken, because it depends on other answers.")
    return said


def _boxes(row: _Row, head: _Head) -> Iterator[ColumnEntry]:
    """Yield an entry for each choice of a checkbox: REDCap exports one column for each, with 0 or 1."""
    whole = _entry(_Row(row.line, {**row.cells, "type": "category"}), head)
    for code, label in whole.categories[:MOST_CATEGORIES]:
        yield replace(
            whole,
            name=f"{whole.name}___{plain(code).replace(' ', '_')}",
            description=": ".join(filter(None, (whole.description, label))),
            categories=(("0", "Unchecked"), ("1", "Checked")),
        )


def _without_markup(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^<>]{1,500}>", " ", text)).split())


def _entry(row: _Row, head: _Head) -> ColumnEntry:
    said, notes = row.cells, list[str]()
    type_ = type_of(said["type"]) if said.get("type") else ""
    if type_ is None:
        notes.append(f"The type “{said['type'][:60]}” is not known.")
    lower, upper = said.get("lower", ""), said.get("upper", "")
    values = said.get("categories", "")
    written = span(said.get("range", ""), comma=True)
    ends = written or (span(values) if "=" not in values else None)
    if ends and not (lower or upper):
        lower, upper = ends
    if ends and (lower, upper) != ends:
        notes.append(f"The range {ends[0]} to {ends[1]} was not taken: there are a minimum and a maximum.")
    if said.get("range") and not written:
        notes.append(f"“{said['range'][:60]}” is not a range such as 18-99.")
    if values.endswith(cells.ELLIPSES):
        notes.append(
            "Its categories were not taken: by the dots at the end, these are only the first. If they are all, add a |."
        )
        values = ""
    elif cells.is_nothing(values):
        values = ""
    nullable, missing = _empty(said, notes)
    point = head.divider != ","
    return ColumnEntry(
        name=said["name"],
        line=row.line,
        type=type_ or "",
        description=said.get("description", ""),
        unit=said.get("unit", ""),
        lower=_number(lower, comma=point),
        upper=_number(upper, comma=point),
        categories=() if values and ends and ends == span(values) else cells.categories(values),
        nullable=nullable,
        decimals=said.get("decimals", ""),
        rows_per_value=said.get("rows_per_value", ""),
        constant=_constant(said, notes),
        missing=missing,
        notes=tuple(notes),
    )


def _number(text: str, *, comma: bool) -> str:
    """Return a number with a decimal point, if commas do not divide cells and this text has one."""
    return text.replace(",", ".") if comma and re.fullmatch(r"[-+]?\d+,\d+", text) else text


def _empty(said: dict[str, str], notes: list[str]) -> tuple[bool | None, tuple[str, ...]]:
    """Return whether cells may be empty, and the codes that mean missing."""
    found: bool | None = None
    for role, means in (("nullable", True), ("required", False)):
        if (text := said.get(role)) and (answer := yes(text)) is None:
            notes.append(f"“{text[:60]}” was not taken: whether cells may be empty is yes or no.")
        elif text:
            found = answer is means
    text = said.get("missing", "")
    answer = yes(text) if not any(sign.isdigit() for sign in text) else None
    if answer is not None and "nullable" not in said:
        return answer, ()
    return found, cells.missing(text) if answer is None else ()


def _constant(said: dict[str, str], notes: list[str]) -> bool | None:
    """Return whether a person has one value in all rows."""
    text = said.get("constant", "")
    answer = yes(text)
    if text and answer is None:
        notes.append(f"“{text[:60]}” was not taken: whether a column is constant is yes or no.")
    return answer


def _long(rows: list[_Row], head: _Head, notes: list[str]) -> Iterator[ColumnEntry]:
    """Yield one entry for the rows of each column: they follow each other, and name it once or on each row."""
    for name, group in itertools.groupby(_named(rows, notes), key=lambda row: row.cells["name"]):
        of_column = list(group)
        entry = _entry(_Row(of_column[0].line, {**of_column[0].cells, "name": name}), head)
        said = [(row.line, row.cells.get("value", ""), row.cells.get("value_label", "")) for row in of_column]
        without = [
            f"{at(line)}“{label[:60]}” has no value beside it."
            for line, code, label in said
            if label and not code
        ]
        values = [(code, label) for _, code, label in said if code][: MOST_CATEGORIES + 1]
        yield replace(entry, categories=(*entry.categories, *values), notes=(*entry.notes, *without))


def _named(rows: list[_Row], notes: list[str]) -> Iterator[_Row]:
    """Yield the rows with the name of their column: a row without one continues the row above."""
    name = ""
    for row in rows:
        name = row.cells.get("name", name)
        if name:
            yield _Row(row.line, {**row.cells, "name": name})
        else:
            notes.append(f"Line {row.line} has no name of a column and was not taken.")
