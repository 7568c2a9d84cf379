"""Infers the types of text columns from a sample. Values that do not fit are reported later, with their line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from datasets.reading.engine import literal, name
from datasets.reading.formats import ISO_DATE, ISO_TIME

SAMPLE_ROWS = 20_000
SAMPLE_CELLS = 4_000_000
CODE = "[-+]?(0[0-9]+|[0-9]{19,})"
"""Digits that must not become a number, which would lose leading zeros or the last digits."""
TRUTH = "(?i:true|false)"
MARKERS = (
    ".", "-", "--", "?", "*", "N/A", "n/a", "None", "none", "NONE", "na", "Nan", "missing", "-nan", "1.#QNAN", "#NULL!",
)  # fmt: skip
"""What means missing in a column whose other cells are all numbers, dates or times."""
SQL_TYPES = {
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date32": "DATE",
    "timestamp": "TIMESTAMP",
    "string": "VARCHAR",
}
KIND_WORDS = {
    "int64": "whole numbers",
    "double": "numbers",
    "bool": "true or false",
    "date32": "dates",
    "timestamp": "dates with time",
    "string": "text",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a column's cells are filled, and how many look like each type."""

    filled: int = 0
    whole: int = 0
    codes: int = 0
    number: int = 0
    date: int = 0
    time: int = 0
    truth: int = 0
    comma: int = 0
    """Numbers with a decimal comma, or with neither mark."""
    grouped: int = 0
    """Numbers with a comma between thousands, or with neither."""
    points: int = 0
    """Numbers with a point between thousands, and perhaps a decimal comma."""
    marked: int = 0
    """Cells that would mean missing in a column of numbers."""


def number_pattern(decimal: str, thousands: str = "") -> str:
    """Return the regular expression of a number with these marks."""
    tail = f"[{decimal}]?[0-9]*" if decimal else ""
    lead = f"|[{decimal}][0-9]+" if decimal else ""
    plain = f"[0-9]+{tail}{lead}"
    if thousands:
        mark = "[ \u00a0\u202f\u2009]" if thousands == " " else f"[{thousands}]"
        plain = f"{plain}|[0-9]{{1,3}}({mark}[0-9]{{3}})+{tail}"
    return f"[-+]?({plain})([eE][-+]?[0-9]+)?"


def count(
    database: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[str],
    *,
    decimal: str = ".",
    thousands: str = "",
) -> dict[str, Counts]:
    """Count, in one query, what the cells of each text column of a relation look like; NULL is not counted."""
    mark = f"[{decimal}]"
    patterns = [
        f"-?(0|[1-9][0-9]{{0,17}})({mark}0+)?" if not thousands
        else f"-?(0|[1-9][0-9]{{0,17}}|[1-9][0-9]{{0,2}}([{thousands}\u00a0\u202f][0-9]{{3}})+)({mark}0+)?",
        CODE,
        number_pattern(decimal, thousands),
        ISO_DATE,
        ISO_TIME,
        TRUTH,
        number_pattern(","),
        number_pattern(".", ","),
        number_pattern(",", "."),
        "|".join(map(re.escape, MARKERS)),
    ]  # fmt: skip
    tests = ", ".join(f"count(*) FILTER (regexp_full_match(cell, {literal(each)}))" for each in patterns)
    listed = ", ".join(name(column) for column in columns)
    turned = f"(UNPIVOT (SELECT {listed} FROM {relation}) ON {listed} INTO NAME place VALUE cell)"  # noqa: S608 -- quoted
    found = database.execute(f"SELECT place, count(*), {tests} FROM {turned} GROUP BY place").fetchall()  # noqa: S608 -- quoted
    counted = {str(place): Counts(*numbers) for place, *numbers in found}
    return {column: counted.get(column, Counts()) for column in columns}


def kind(seen: Counts) -> str:
    """Return the stored type that at least half of the filled cells have; codes (CODE) make the column text."""
    half = max(seen.filled / 2, 1)
    if seen.codes or seen.filled == 0:
        return "string"
    choices = (
        ("int64", seen.whole, seen.whole == seen.number),
        ("double", seen.number, True),
        ("date32", seen.date, seen.time == 0),
        ("timestamp", seen.time + seen.date, True),
        ("bool", seen.truth, True),
    )
    return next((each for each, hits, fits in choices if hits >= half and fits), "string")


def marks(delimiter: str, seen: dict[str, Counts]) -> tuple[str, str]:
    """Return the decimal mark and the mark between thousands that make most columns numbers.

    `1,234` is a decimal comma in a file with semicolons, as continental spreadsheets write it, else thousands.
    """
    odd = [
        (each, each.filled - each.marked)
        for each in seen.values()
        if each.number < each.filled - each.marked and not each.codes
    ]
    is_continental = any(each.points == filled and each.comma < filled for each, filled in odd)
    has_commas = any(each.comma == filled for each, filled in odd)
    if delimiter != "," and (has_commas or is_continental):
        return ",", "." if is_continental else ""
    if any(each.grouped == filled for each, filled in odd):
        return ".", ","
    if is_continental:
        return ",", "."
    return (",", "") if has_commas else (".", "")
