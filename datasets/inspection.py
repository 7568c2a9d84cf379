"""The owner's own look at private rows: pages of them, and how well the declarations fit. For nobody else."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import User
from audit import log
from common.errors import Refused
from datasets import storage
from datasets.models import Table
from datasets.reading import engine
from datasets.schema import ColumnSchema

PAGE = 50
DEEPEST = 10_000
MEMORY_MB = 256
CELL = 200


@dataclass(frozen=True, slots=True)
class RowsPage:
    """Some rows of a private table, and where the neighbouring ones begin."""

    names: list[str]
    rows: list[list[str]]
    first: int
    earlier: int | None
    later: int | None


@transaction.atomic
def rows(table: Table, *, by: User, first: int) -> RowsPage:
    """A page of private rows; that it was looked at is on record."""
    if not 0 <= first <= DEEPEST:
        raise Refused(f"Only the first {DEEPEST:,} rows are shown here.")
    path = storage.open_for_owner(table, by=by)
    relation = f"read_parquet({engine.literal(str(path))})"
    with engine.connect(memory_mb=MEMORY_MB, threads=1) as database:
        found = database.execute(f"SELECT * FROM {relation} LIMIT {PAGE} OFFSET {first}").fetchall()  # noqa: S608 -- quoted, numbers
    log.record("rows.view", by=by, on=table, dataset_id=table.revision.dataset_id, first=first)
    more = first + PAGE < min(table.rows, DEEPEST)
    return RowsPage(
        names=[column.name for column in table.columns.all()],
        rows=[[_cell(value) for value in row] for row in found],
        first=first,
        earlier=max(first - PAGE, 0) if first else None,
        later=first + PAGE if more else None,
    )


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= CELL else f"{text[:CELL]}…"


@transaction.atomic
def check_fit(table: Table, *, by: User) -> dict[str, dict[str, int]]:
    """Count, for the owner alone, how many cells the declarations do not cover; kept with the table."""
    path = storage.open_for_owner(table, by=by)
    asked = [(column, test) for column in table.declared.columns if (test := _outside(column))]
    misfits: dict[str, dict[str, int]] = {}
    if asked:
        relation = f"read_parquet({engine.literal(str(path))})"
        values: list[Any] = [value for _, (_, given) in asked for value in given]
        tests = ", ".join(f"count(*) FILTER ({test})" for _, (test, _) in asked)
        with engine.connect(memory_mb=MEMORY_MB) as database:
            counts = database.execute(f"SELECT {tests} FROM {relation}", values).fetchone() or ()  # noqa: S608 -- quoted
        for (column, _), outside in zip(asked, counts, strict=True):
            if outside:
                misfits[column.name] = {"outside": int(outside)}
    table.misfits = {"checked": True, "columns": misfits}
    Table.objects.filter(pk=table.pk).update(misfits=table.misfits)
    return misfits


def _outside(column: ColumnSchema) -> tuple[str, list[Any]] | None:
    """A condition that holds for cells outside the declarations, with its values."""
    it = engine.name(column.name)
    if column.needs_categories and column.categories:
        marks = ", ".join("?" for _ in column.categories)
        return f"{it} IS NOT NULL AND {it} NOT IN ({marks})", list(column.categories)
    if not column.needs_bounds or column.lower is None or column.upper is None:
        return None if column.nullable else (f"{it} IS NULL", [])
    number = {
        "date": f"date_diff('day', DATE '1970-01-01', {it})",
        "datetime": f"epoch({it})",
    }.get(column.type, f"{it}::DOUBLE")
    return f"{number} < ? OR {number} > ?", [column.lower, column.upper]
