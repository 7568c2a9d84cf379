"""Infers the type of a text column. The most common type wins; values that do not fit are reported with their line."""

from dataclasses import dataclass

import duckdb

from datasets.reading.engine import literal, name

SAMPLE_ROWS = 20_000
WHOLE = "-?(0|[1-9][0-9]{0,17})"
CODE = "[-+]?(0[0-9]+|[0-9]{19,})"
"""Digits that must not become a number, which would lose leading zeros or the last digits."""
DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME = DATE + "[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?"
TRUTH = "(?i:true|false)"
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
    "date32": "dates (YYYY-MM-DD)",
    "timestamp": "dates with time (YYYY-MM-DD HH:MM:SS)",
    "string": "text",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a column's cells are filled, and how many look like each type."""

    filled: int
    whole: int
    codes: int
    number: int
    date: int
    time: int
    truth: int
    comma: int


def number_pattern(mark: str) -> str:
    """Return the regular expression of a decimal number with this decimal mark."""
    return f"[-+]?([0-9]+[{mark}]?[0-9]*|[{mark}][0-9]+)([eE][-+]?[0-9]+)?"


def count(
    database: duckdb.DuckDBPyConnection, relation: str, columns: list[str], mark: str
) -> dict[str, Counts]:
    """Count, in one query, what the cells of each column of a relation of text look like."""
    patterns = [WHOLE, CODE, number_pattern(mark), DATE, TIME, TRUTH, number_pattern(",")]
    parts = [
        part
        for column in columns
        for part in (
            f"count({name(column)})",
            *(f"count(*) FILTER (regexp_full_match({name(column)}, {literal(each)}))" for each in patterns),
        )
    ]
    row = database.execute(f"SELECT {', '.join(parts)} FROM {relation}").fetchone() or ()  # noqa: S608 -- quoted
    width = len(patterns) + 1
    return {column: Counts(*row[place * width : (place + 1) * width]) for place, column in enumerate(columns)}


def kind(seen: Counts) -> str:
    """Return the stored type that at least half of the filled cells have; codes (CODE) make the column text."""
    half = max(seen.filled / 2, 1)
    if seen.codes or seen.filled == 0:
        return "string"
    choices = (
        ("int64", seen.whole, seen.whole == seen.number),
        ("double", seen.number, True),
        ("date32", seen.date, seen.time == 0),
        ("timestamp", seen.time, True),
        ("bool", seen.truth, True),
    )
    return next((each for each, hits, fits in choices if hits >= half and fits), "string")


def decimal_mark(delimiter: str, seen: dict[str, Counts]) -> str:
    """Return a comma if it is not the delimiter and some column contains only numbers with commas, else a point."""
    if delimiter == ",":
        return "."
    commas = any(
        each.filled and each.comma == each.filled and each.number < each.filled for each in seen.values()
    )
    return "," if commas else "."
