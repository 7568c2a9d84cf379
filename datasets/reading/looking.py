"""A look into a sealed table: a page of its rows as text, and counts of cells that meet conditions."""

from pathlib import Path
from typing import Any

from datasets.reading import engine

MEMORY_MB = 256
CELL = 200


def rows(table: Path, *, first: int, most: int) -> list[list[str]]:
    relation = f"read_parquet({engine.literal(str(table))})"
    with engine.connect(memory_mb=MEMORY_MB, threads=1) as database:
        found = database.execute(f"SELECT * FROM {relation} LIMIT {most:d} OFFSET {first:d}").fetchall()  # noqa: S608 -- quoted, numbers
    return [[_cell(value) for value in row] for row in found]


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= CELL else f"{text[:CELL]}…"


def counts(table: Path, tests: list[str], values: list[Any]) -> list[int]:
    """How many rows meet each condition; `values` stand for the question marks in all of them."""
    relation = f"read_parquet({engine.literal(str(table))})"
    wanted = ", ".join(f"count(*) FILTER ({test})" for test in tests)
    with engine.connect(memory_mb=MEMORY_MB) as database:
        found = database.execute(f"SELECT {wanted} FROM {relation}", values).fetchone() or ()  # noqa: S608 -- the portal's own conditions
    return [int(count) for count in found]
