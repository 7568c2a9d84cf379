"""Reads a sealed table for its owner: rows as text, cells that meet conditions, rows and values per person."""

from pathlib import Path
from typing import Any

from datasets.reading import engine

MEMORY_MB = 256
GROUPING_MB = 512
CELL = 200
AT_ONCE = 20
"""The columns of which one query keeps two values for each person."""


def rows(table: Path, *, first: int, most: int) -> list[list[str]]:
    relation = f"read_parquet({engine.literal(str(table))})"
    with engine.connect(memory_mb=MEMORY_MB, threads=1) as database:
        found = database.execute(f"SELECT * FROM {relation} LIMIT {most:d} OFFSET {first:d}").fetchall()  # noqa: S608 -- quoted, numbers
    return [[_cell(value) for value in row] for row in found]


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= CELL else f"{text[:CELL]}…"


def counts(table: Path, tests: list[str], values: list[Any]) -> list[int]:
    """Count the rows that meet each SQL condition; `values` are for the question marks in all of them, in order."""
    relation = f"read_parquet({engine.literal(str(table))})"
    wanted = ", ".join(f"count(*) FILTER ({test})" for test in tests)
    with engine.connect(memory_mb=MEMORY_MB) as database:
        found = database.execute(f"SELECT {wanted} FROM {relation}", values).fetchone() or ()  # noqa: S608 -- the portal's own conditions
    return [int(count) for count in found]


def people(table: Path, subject: str, *, most: int, same: str = "") -> dict[str, int]:
    """Count a table's people (`all`), those with more than `most` rows (`over`), the most rows of one (`most`), and the
    rows without a person (`nobody`).

    With a column `same`, rows are counted per person and value of that column.
    """
    keys = [engine.name(name) for name in (subject, same) if name]
    relation = f"read_parquet({engine.literal(str(table))}, hive_partitioning=false)"
    there = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    each = f"SELECT {keys[0]} AS who, count(*) AS n FROM {relation} WHERE {there} GROUP BY {', '.join(keys)}"  # noqa: S608 -- quoted
    with engine.connect(memory_mb=GROUPING_MB) as database:
        largest = f"SELECT max(n) AS n FROM ({each}) GROUP BY who"  # noqa: S608
        counted = f"SELECT count(*), count(*) FILTER (n > {most:d}), coalesce(max(n), 0) FROM ({largest})"  # noqa: S608
        found = database.execute(counted).fetchone() or (0, 0, 0)
        lacking = f"SELECT count(*) FROM {relation} WHERE {keys[0]} IS NULL"  # noqa: S608 -- quoted
        nobody = database.execute(lacking).fetchone() or (0,)
    return dict(zip(("all", "over", "most", "nobody"), map(int, (*found, *nobody)), strict=True))


def varying(table: Path, subject: str, columns: list[str]) -> list[int]:
    """Count, for each column, the people with several values in it, or with a value in some of their rows only."""
    relation = f"read_parquet({engine.literal(str(table))}, hive_partitioning=false)"
    who, found = engine.name(subject), list[int]()
    with engine.connect(memory_mb=GROUPING_MB) as database:
        for first in range(0, len(columns), AT_ONCE):
            some = [engine.name(name) for name in columns[first : first + AT_ONCE]]
            names = [f"v{number}" for number in range(len(some))]
            tests = [
                f"min({it}) IS DISTINCT FROM max({it}) OR count({it}) BETWEEN 1 AND count(*) - 1"
                for it in some
            ]
            each = f"SELECT {', '.join(tests)} FROM {relation} WHERE {who} IS NOT NULL GROUP BY {who}"  # noqa: S608 -- quoted
            wanted = ", ".join(f"count(*) FILTER ({name})" for name in names)
            asked = f"SELECT {wanted} FROM ({each}) AS people({', '.join(names)})"  # noqa: S608
            found += map(int, database.execute(asked).fetchone() or ())
    return found
