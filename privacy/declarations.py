"""Convert a dataset's declarations for the engine: public schemas, storage plans and tables."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import prefetch_related_objects

from datasets.columns import DIGEST_BYTES, ColumnPlan, ColumnStore, stored
from datasets.models import Column, Revision, Table
from privacy.engine.language.schema import KEPT_AS_NUMBERS, MAX_ROWS_PER_SUBJECT, ColumnSpec, Kind, TableSpec
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.plan.cells import Domain, domain_of
from privacy.engine.release import SortedTable, table_from_columns

KINDS = {
    Column.Type.INTEGER: Kind.INTEGER,
    Column.Type.NUMBER: Kind.NUMBER,
    Column.Type.CATEGORY: Kind.CATEGORY,
    Column.Type.BOOLEAN: Kind.BOOLEAN,
    Column.Type.TEXT: Kind.TEXT,
    Column.Type.DATE: Kind.DATE,
}
BOOLEAN_LABELS = ("0", "1")


def specs_of(revision: Revision, constants: list[str]) -> dict[str, TableSpec]:
    """Return each table of a revision, as queries are checked against it."""
    prefetch_related_objects([revision], "tables__columns")
    return {table.name: spec_of(table, constants) for table in revision.tables.all()}


def spec_of(table: Table, constants: list[str]) -> TableSpec:
    columns = [column for column in table.columns.all() if not column.is_subject]
    subject = next((column.name for column in table.columns.all() if column.is_subject), "")
    return TableSpec(
        name=table.name,
        subject=subject,
        columns={column.name: _column(column, constants) for column in columns},
        max_rows=min(table.rows_per_subject, MAX_ROWS_PER_SUBJECT),
    )


def _column(column: Column, constants: list[str]) -> ColumnSpec:
    kind = KINDS.get(Column.Type(column.type), Kind.OTHER)
    labels = tuple(str(value) for value in column.categories) if kind == Kind.CATEGORY else ()
    boolean = kind == Kind.BOOLEAN
    return ColumnSpec(
        name=column.name,
        kind=kind,
        lower=0.0 if boolean or column.lower is None else column.lower,
        upper=1.0 if boolean else column.upper or 0.0,
        labels=BOOLEAN_LABELS if boolean else labels,
        nullable=column.nullable,
        constant=column.name in constants,
        unit=column.unit,
        rows_per_value=column.rows_per_value,
        decimals=column.decimals,
    )


def domain_for(revision: Revision, constants: list[str]) -> Domain:
    """Return the public cells of a dataset, as fixed when its promise is made."""
    return domain_of(specs_of(revision, constants).values())


def plans_for(spec: TableSpec) -> tuple[ColumnPlan, ...]:
    """Return how a table's columns are stored; columns that no query can read are left out."""
    return tuple(
        ColumnPlan(
            name=column.name,
            labels=column.labels if column.kind == Kind.CATEGORY else (),
            lower=column.lower if column.kind in KEPT_AS_NUMBERS else -math.inf,
            upper=column.upper if column.kind in KEPT_AS_NUMBERS else math.inf,
            decimals=column.lattice,
            constant=column.constant,
            text=column.kind == Kind.TEXT,
        )
        for column in spec.columns.values()
        if column.kind != Kind.OTHER
    )


def row_of(spec: TableSpec) -> SortedTable:
    """Return a table of one empty row, with the same array types as a stored table, to compile passes with."""
    plans = plans_for(spec)
    columns = {plan.name: Values(_unwritable(np.zeros(1, stored(plan))), NOWHERE) for plan in plans}
    texts = {plan.name: [""] for plan in plans if plan.text}
    digests = _unwritable(np.zeros((1, DIGEST_BYTES), dtype=np.uint8))
    return table_from_columns(
        Rows(spec, columns, 1, texts), _unwritable(np.arange(2, dtype=np.int64)), digests
    )


def _unwritable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Make an array read-only, as mapped files are: Numba compiles separately for read-only arrays."""
    array.flags.writeable = False
    return array


NOWHERE = _unwritable(np.zeros(1, dtype=np.bool_))


def engine_table(store: ColumnStore, spec: TableSpec) -> SortedTable:
    """Return a stored table as the engine reads it."""
    columns = {name: Values(found.numbers, found.valid) for name, found in store.columns.items()}
    rows = Rows(spec, columns, store.rows, store.texts)
    return table_from_columns(rows, np.asarray(store.offsets), np.asarray(store.digests))
