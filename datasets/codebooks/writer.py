"""Writes the declarations of a table as a codebook, in the form in which the portal reads one."""

from collections.abc import Iterable

from common import spreadsheets
from datasets.codebooks.cells import written
from datasets.declarations.schema import ColumnSchema, TableSchema, bound_text

HEADER = (
    "name", "label", "type", "unit", "min", "max", "categories", "may be empty", "decimals", "rows per value",
    "constant",
)  # fmt: skip


def as_csv(table: TableSchema) -> str:
    """Return the public declarations of all columns as CSV. Nothing in it comes from anything else."""
    return spreadsheets.lines([HEADER, *map(_row, table.columns)])


def _row(column: ColumnSchema) -> Iterable[object]:
    return (
        column.name,
        column.description,
        column.type,
        column.unit,
        *("" if bound is None else bound_text(column.type, bound) for bound in (column.lower, column.upper)),
        written(column.categories) if column.categories else "",
        "yes" if column.nullable else "no",
        column.decimals,
        column.rows_per_value,
        "yes" if column.constant else "no",
    )
