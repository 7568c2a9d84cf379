"""Turns workbooks, JSON and files of statistics programs into plain CSV, which is then read like any other."""

import csv
import datetime as dt
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.reading.options import Options
from datasets.reading.outcome import Unreadable

LINE = 4 * 1024 * 1024
WHOLE_JSON = 128 * 1024 * 1024
"""The most bytes of a JSON array, which is in memory as a whole; JSON Lines have no such limit."""
KEYS_FROM = 1000
WHOLE = 1e15
"""Floats below this are written without a point if they are whole."""
ROWS_AT_ONCE = 20_000
CELLS_AT_ONCE = 2_000_000


@dataclass(slots=True)
class Records:
    """The rows of a file as texts, with what its own format says of the columns."""

    names: list[str]
    rows: Iterable[Iterable[str]]
    has_names: bool = True
    sheets: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    """{name: what the file says of the column}"""


def write(records: Records, target: Path, most: int, rows: int | None = None) -> None:
    """Write records, all or the first ones, as CSV. Raises Unreadable if that needs more than `most` bytes."""
    with target.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        if records.has_names:
            writer.writerow(records.names)
        for number, row in enumerate(itertools.islice(records.rows, rows)):
            writer.writerow(row)
            if number % 1000 == 0 and target.stat().st_size > most:
                raise Unreadable(
                    f"As CSV, this file has more than {most // 2**20:,} MB. Split it.", final=True
                )


def text_of(value: Any) -> str:
    """Return a value as CSV would hold it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return _number(value)
        case dt.datetime():
            return value.isoformat(sep=" ")
        case _:
            return str(value)  # of dates and times, this is ISO 8601


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < WHOLE else repr(value)


# Workbooks


def of_workbook(source: Path, options: Options) -> Records:
    import python_calamine  # noqa: PLC0415 -- each kind of file loads only what it needs

    try:
        book = python_calamine.CalamineWorkbook.from_path(source)
        sheets = tuple(book.sheet_names)[:200]
        if options.sheet and options.sheet not in sheets:
            raise Unreadable(f"There is no sheet named “{options.sheet}”.")
        wanted = [book.get_sheet_by_name(name) for name in ([options.sheet] if options.sheet else sheets)]
        sheet = next((each for each in wanted if each.height), wanted[0])
        rows = sheet.iter_rows()
    except python_calamine.PasswordError as locked:
        raise Unreadable(
            "This workbook is protected by a password. Save it without one.", final=True
        ) from locked
    except python_calamine.CalamineError as broken:
        raise Unreadable(
            "This is not a workbook that the portal can read, or it is damaged. Save the sheet as CSV.",
            final=True,
        ) from broken
    if not sheet.height:
        raise Unreadable(
            "This sheet is empty. Choose another one." if len(sheets) > 1 else "This workbook is empty."
        )
    texts = ([text_of(cell) for cell in row] for row in rows)
    filled = (row for row in texts if any(row))
    return Records(
        [], filled, has_names=False, sheets=(sheet.name, *(each for each in sheets if each != sheet.name))
    )


# JSON


def of_json(source: Path, _options: Options) -> Records:
    """Read JSON Lines, an array of objects, or an object of columns as pandas writes it."""
    with source.open("rb") as stream:
        head = stream.read(64 * 1024).removeprefix(b"\xef\xbb\xbf").lstrip()
    objects = _lines if head[:1] == b"{" and _is_lines(head) else _array
    names: dict[str, None] = {}
    for each in itertools.islice(objects(source), None if objects is _array else KEYS_FROM):
        names |= dict.fromkeys(_object(each))
    known = list(names)

    def rows() -> Iterator[list[str]]:
        for number, each in enumerate(objects(source), 1):
            found = _object(each)
            if not found.keys() <= names.keys():
                new = next(key for key in found if key not in names)
                raise Unreadable(
                    f"Record {number:,} has the key “{new[:80]}”, which the first {KEYS_FROM:,} records do not have. "
                    "Give the first record all keys.",
                    final=True,
                )
            yield [_json_text(found.get(name), name) for name in known]

    return Records(known, rows())


def _is_lines(head: bytes) -> bool:
    first, _, rest = head.partition(b"\n")
    try:
        return bool(rest.strip()) and isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(
            "This JSON file is not a list of records. Each record has to be an object, such as {“age”: 34}.",
            final=True,
        )
    return value


def _json_text(value: Any, name: str) -> str:
    if isinstance(value, dict | list):
        raise Unreadable(
            f"“{name[:80]}” is nested, but a cell must contain one value. Flatten it into separate keys.",
            final=True,
        )
    return text_of(value)


def _lines(source: Path) -> Iterator[Any]:
    with source.open(encoding="utf-8-sig", errors="replace") as file:
        number = 0
        while line := file.readline(LINE):
            number += 1
            if len(line) == LINE:
                raise Unreadable(f"Line {number} is longer than 4 MB.", final=True)
            if line.strip():
                try:
                    yield json.loads(line, parse_constant=lambda _name: None)
                except (ValueError, RecursionError) as bad:
                    raise Unreadable(f"Line {number} is not valid JSON. Correct it.", final=True) from bad


def _array(source: Path) -> Iterator[Any]:
    if source.stat().st_size > WHOLE_JSON:
        most = WHOLE_JSON // 2**20
        raise Unreadable(
            f"A JSON array may have up to {most} MB. Write the records as JSON Lines: one on each line.",
            final=True,
        )
    try:
        value = json.loads(source.read_text("utf-8-sig"), parse_constant=lambda _name: None)
    except (ValueError, RecursionError) as bad:
        line = f" (line {bad.lineno})" if isinstance(bad, json.JSONDecodeError) else ""
        raise Unreadable(f"This looks like JSON, but it is not valid{line}. Correct it.", final=True) from bad
    yield from _records_in(value) if isinstance(value, dict) else value


def _records_in(value: dict[str, Any]) -> Iterable[Any]:
    """Return the records of an object: those of its one list of objects, or what pandas' to_json() writes."""
    parts = list(value.values())
    names, data = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(data, list) and _is_even(data, len(names)):
        return (dict(zip(map(str, names), row, strict=True)) for row in data)
    if parts and isinstance(parts[0], list) and _is_even(parts, len(parts[0])):
        return (dict(zip(value, row, strict=True)) for row in zip(*parts, strict=True))
    if parts and all(isinstance(each, dict) for each in parts):
        labels = parts[0].keys()
        if all(label.isdecimal() for label in labels) and all(each.keys() == labels for each in parts):
            return ({name: column[label] for name, column in value.items()} for label in labels)
        if all(label.isdecimal() for label in value):
            return parts
    lists = [each for each in parts if isinstance(each, list) and each and isinstance(each[0], dict)]
    return lists[0] if len(lists) == 1 else [value]


def _is_even(lists: list[Any], length: int) -> bool:
    """Whether these are lists of single values, each of this length."""
    return all(
        isinstance(each, list)
        and len(each) == length
        and not any(isinstance(cell, dict | list) for cell in each)
        for each in lists
    )


# Stata, SPSS, SAS


READERS = {"stata": "read_dta", "spss": "read_sav", "sas": "read_sas7bdat", "xport": "read_xport"}


def of_study(kind: str) -> Callable[[Path, Options], Records]:
    """Return how to read a file of a statistics program."""

    def reads(source: Path, options: Options) -> Records:
        import pyreadstat  # noqa: PLC0415 -- each kind of file loads only what it needs

        opens = getattr(pyreadstat, READERS[kind])
        try:
            _, found = opens(str(source), metadataonly=True, output_format="dict")
        except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError) as broken:
            raise Unreadable(
                "This file is damaged, or of a version that the portal cannot read. Save it as CSV.",
                final=True,
            ) from broken
        names = list(found.column_names)
        values = found.variable_value_labels if options.labels else {}
        return Records(names, _study_rows(opens, source, names, values), labels=_labels(found))

    return reads


def _study_rows(
    opens: Callable[..., Any], source: Path, names: list[str], labels: dict[str, dict[Any, str]]
) -> Iterator[list[str]]:
    step = max(100, min(ROWS_AT_ONCE, CELLS_AT_ONCE // max(len(names), 1)))
    for start in itertools.count(0, step):
        try:
            held, _ = opens(str(source), row_offset=start, row_limit=step, output_format="dict")
        except Exception as broken:
            raise Unreadable(
                f"This file is damaged after row {start:,}. Write it again.", final=True
            ) from broken
        columns = [_labelled(held[name], labels.get(name, {})) for name in names]
        count = len(columns[0]) if columns else 0
        for row in zip(*columns, strict=True):
            yield [text_of(value) for value in row]
        if count < step:
            return


def _labelled(values: list[Any], labels: dict[Any, str]) -> list[Any]:
    """Return the labels of values that have one."""
    return [labels.get(value, value) for value in values] if labels else values


def _labels(found: Any) -> dict[str, str]:
    """Return what the file says of its columns: their labels, and those of their values."""
    said: dict[str, str] = {}
    for name, label in found.column_names_to_labels.items():
        values = found.variable_value_labels.get(name, {})
        listed = "; ".join(
            f"{text_of(value)} = {text}" for value, text in itertools.islice(values.items(), 50)
        )
        said[name] = ". ".join(part for part in (str(label or "").strip(), listed) if part)[:500]
    return {name: text for name, text in said.items() if text}


READS: dict[str, Callable[[Path, Options], Records]] = {
    "excel": of_workbook,
    "json": of_json,
    **{kind: of_study(kind) for kind in READERS},
}
