"""The owner's view of private rows: pages of them, and how well the declarations fit. For nobody else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from audit import log
from common.errors import Conflict, Refused
from datasets import columns, storage
from datasets.declarations.schema import UNITS, ColumnSchema, TableSchema
from datasets.ingest import sandboxed
from datasets.models import Table
from datasets.reading import engine, inspection

PAGE = 50
DEEPEST = 10_000
TOO_LONG = "Reading this table took too long or too much memory. Try again later, or tell an admin."


@dataclass(frozen=True, slots=True)
class RowsPage:
    """A page of rows of a private table, and where the pages before and after it begin."""

    names: list[str]
    rows: list[list[str]]
    first: int
    earlier: int | None
    later: int | None


def rows(table: Table, *, by: User, first: int) -> RowsPage:
    """Return a page of private rows. The look is recorded in the audit log."""
    if not 0 <= first <= DEEPEST:
        raise Refused(f"Only the first {DEEPEST:,} rows can be shown here.")
    path = storage.open_for_owner(table, by=by)
    names = [column.name for column in table.columns.all()]
    _record_look(table, by=by, first=first)
    found = _ask("rows", path, first=first, most=PAGE)
    more = first + PAGE < min(table.rows, DEEPEST)
    return RowsPage(
        names=names,
        rows=_cells(found.get("rows"), len(names)),
        first=first,
        earlier=max(first - PAGE, 0) if first else None,
        later=first + PAGE if more else None,
    )


def _record_look(table: Table, *, by: User, first: int) -> None:
    """Record the look before the rows are read, in a transaction that does not wait for them."""
    with transaction.atomic():
        log.record("rows.view", by=by, on=table, dataset_id=table.revision.dataset_id, first=first)


def _cells(value: object, width: int) -> list[list[str]]:
    """Validate a page of cells that came out of the sandbox. Raises Conflict if it is malformed."""
    if not isinstance(value, list) or len(value) > PAGE:
        raise Conflict(TOO_LONG)
    for row in value:
        if not isinstance(row, list) or len(row) != width or not all(_is_cell(cell) for cell in row):
            raise Conflict(TOO_LONG)
    return value


def _is_cell(value: object) -> bool:
    return isinstance(value, str) and len(value) <= inspection.CELL + 1


def try_fit(table: Table, *, by: User) -> str:
    """Count as check_fit() does. Return why that was not possible, or "": declarations are saved all the same."""
    try:
        check_fit(Table.objects.get(pk=table.pk), by=by)
    except Refused as why:
        return str(why)
    return ""


def check_fit(table: Table, *, by: User) -> dict[str, dict[str, int]]:
    """Count the cells that the declarations do not cover, and the people with more rows or values than declared.

    Returns {column: {test: cells or people}} and stores all counts with the table. Only the owner may see them.
    """
    path = storage.open_for_owner(table, by=by)
    tests = {"outside": outside, "empty": empty, "rounded": rounded}
    asked = [
        (column.name, name, test)
        for column in table.declared.columns
        for name, make in tests.items()
        if (test := make(column))
    ]
    misfits: dict[str, dict[str, int]] = {}
    if asked:
        values: list[Any] = [value for _, _, (_, given) in asked for value in given]
        found = _ask("fit", path, tests=[test for _, _, (test, _) in asked], values=values)
        for (column, name, _), many in zip(asked, _counts(found, len(asked)), strict=True):
            if many:
                misfits.setdefault(column, {})[name] = many
    found = {"checked": True, "columns": misfits}
    if subject := table.declared.subject:
        for column, many in _varying(path, table.declared, subject.name).items():
            misfits.setdefault(column, {})["varying"] = many
        most = min(table.rows_per_subject, columns.MOST_ROWS)
        found["people"] = _people(path, subject.name, most)
        counted = [column for column in table.declared.columns if column.rows_per_value]
        found["per_value"] = [
            _people(path, subject.name, each.rows_per_value or 1, each.name) for each in counted
        ]
    # For the owner alone: no scientist or auditor reads it, nor anything that follows from it.
    table.misfits = {**table.misfits, **found}
    Table.objects.filter(pk=table.pk).update(misfits=table.misfits)
    return misfits


def _people(path: Path, subject: str, most: int, column: str = "") -> dict[str, object]:
    """Count the people who have more rows than declared, or more rows per value of `column`; and rows of nobody."""
    found = _ask("each", path, subject=subject, most=most, same=column)
    if set(found) != {"all", "over", "most", "nobody"} or not all(map(_is_count, found.values())):
        raise Conflict(TOO_LONG)
    return {**found, "declared": most, **({"column": column} if column else {})}


def _varying(path: Path, table: TableSchema, subject: str) -> dict[str, int]:
    """Count the people with several values in each column that is declared constant, where there are any.

    With one row per person nothing can vary: more rows are counted as such.
    """
    names = [column.name for column in table.columns if column.constant and not column.is_subject]
    if not names or not table.has_repeats:
        return {}
    counts = _counts(_ask("vary", path, subject=subject, columns=names), len(names))
    return {name: many for name, many in zip(names, counts, strict=True) if many}


def _counts(found: dict[str, Any], wanted: int) -> list[int]:
    """Validate counts that came out of the sandbox. Raises Conflict if they are malformed."""
    counts = found.get("counts")
    if not isinstance(counts, list) or len(counts) != wanted or not all(map(_is_count, counts)):
        raise Conflict(TOO_LONG)
    return counts


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _ask(work: str, path: Path, **parameters: object) -> dict[str, Any]:
    try:
        return sandboxed.run(work, path, parameters=parameters, limits=sandboxed.LOOK)
    except sandboxed.Broken as broken:
        raise Conflict(TOO_LONG) from broken


def outside(column: ColumnSchema) -> tuple[str, list[Any]] | None:
    """Return an SQL condition for cells outside the declarations, with its values; None if there can be none."""
    it = engine.name(column.name)
    if column.needs_categories and column.categories:
        marks = ", ".join("?" for _ in column.categories)
        return f"{it} IS NOT NULL AND {it} NOT IN ({marks})", list(column.categories)
    if not column.needs_bounds or column.lower is None or column.upper is None:
        return None
    number = {
        "date": f"date_diff('day', DATE '1970-01-01', {it})",
        "datetime": f"epoch({it})",
    }.get(column.type, f"{it}::DOUBLE")
    endless = f" OR NOT isfinite({it})" if column.type in UNITS else ""
    return f"{number} < ? OR {number} > ?{endless}", [column.lower, column.upper]


def empty(column: ColumnSchema) -> tuple[str, list[Any]] | None:
    """Return an SQL condition for empty cells of a column that is declared without any; None if it may have some.

    Rows without a person are counted for themselves.
    """
    return None if column.nullable or column.is_subject else (f"{engine.name(column.name)} IS NULL", [])


def rounded(column: ColumnSchema) -> tuple[str, list[Any]] | None:
    """Return an SQL condition for cells within the bounds with more decimals than declared, with its values.

    None if there can be none. Rounding errors of floats, such as 0.30000000000000004, do not count as decimals.
    """
    if column.type != "number" or column.decimals is None or column.lower is None or column.upper is None:
        return None
    it = f"{engine.name(column.name)}::DOUBLE"
    scaled = f"{it} * {10**column.decimals}::DOUBLE"
    far = f"abs({scaled} - round({scaled})) > greatest(1e-6, abs({scaled}) * {2.0**-50!r})"
    return f"{it} BETWEEN ? AND ? AND {far}", [column.lower, column.upper]
