"""How a portal's own rows become rows of a study's table, row by row.

Each mapped row is computed from one own row and from public declarations: a linear change of a number or a category in
place of another, then clipped to the study's bounds and rounded to its lattice. Only operations that IEEE 754 rounds
correctly are used (+, *, / and rounding to whole numbers), so a row's bits do not depend on its neighbours or on where
it is. Rows are neither added, left out nor moved.

That keeps the charge right. The measure sees mapped rows alone, and each person's clipped vector still depends on that
person's own rows alone: taking a person away changes the total by exactly that vector. It is charged from the mapped
rows, with the clip that follows from the study's declarations, which mapped values never leave.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from common import decimal_grid
from common.errors import Refused
from datasets.columns import ColumnPlan, stored
from network.documents import Fields
from privacy.declarations import plans_for
from privacy.engine.language.query import Query
from privacy.engine.language.schema import NUMERIC, ColumnSpec, Kind, TableSpec
from privacy.engine.measure.evaluate import PART, Rows, Values
from privacy.engine.release import SortedTable, table_from_columns
from privacy.execution.questions import wanted_by
from studies import documents

Mapping_: TypeAlias = Mapping[str, Mapping[str, Any]]
"""By the study's column: {"column", "scale", "offset"} for numbers, {"column", "labels"} for categories and yes/no."""
Numbers: TypeAlias = npt.NDArray[Any]
LARGEST = 1e30
"""Of a scale or an offset: with the largest declared value, results stay finite."""
NO_LABEL = -1


class DoesNotFit(Refused):
    """Own columns cannot become the study's. `columns`: each reason, by the study's column."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        super().__init__(" ".join(columns.values()))
        self.columns = dict(columns)


def identity(study: TableSpec) -> dict[str, dict[str, Any]]:
    """Return the mapping of a table with the study's own columns."""
    return {
        name: {"column": name, "labels": {label: label for label in column.labels}}
        if column.is_key
        else {"column": name, "scale": "1.0", "offset": "0.0"}
        for name, column in study.columns.items()
    }


def check(mapping: Mapping_, own: TableSpec, study: TableSpec) -> None:
    """Raise DoesNotFit, with all reasons by column, unless each row of `own` has its place in the study's table."""
    wrong = {
        name: f"The study has no column “{name[:100]}”." for name in mapping if name not in study.columns
    }
    for name, column in study.columns.items():
        if why := _misfit(mapping.get(name), own, column):
            wrong[name] = why
    if wrong:
        raise DoesNotFit(wrong)


def wanted(mapping: Mapping_, query: Query, study: TableSpec) -> frozenset[str]:
    """Return the own columns that a query to the study's table reads."""
    return frozenset(str(mapping[name]["column"]) for name in wanted_by(query, study))


def mapped(mapping: Mapping_, own: TableSpec, study: TableSpec) -> Callable[[SortedTable], SortedTable]:
    """Return what turns own rows into the study's. Raises DoesNotFit, also for a mapping that no longer fits.

    Study columns whose own column was not opened are left out. Arrays have the types that a stored table of the study
    would have, and each column has all its `valid`, so that no time depends on what is missing.
    """
    check(mapping, own, study)
    plans = {plan.name: plan for plan in plans_for(study)}
    ways = {
        name: (own.columns[str(mapping[name]["column"])], _way(mapping[name], own, column))
        for name, column in study.columns.items()
    }

    def turn(table: SortedTable) -> SortedTable:
        columns = {
            name: _column(table.rows, source, plans[name], way)
            for name, (source, way) in ways.items()
            if source.name in table.rows.columns
        }
        return table_from_columns(Rows(study, columns, table.rows.length), table.offsets, table.digests)

    return turn


Way: TypeAlias = Callable[[Numbers], tuple[Numbers, npt.NDArray[np.bool_] | None]]
"""From a part of a column's stored numbers to the study's, and where they have a counterpart (None: everywhere)."""


def _column(rows: Rows, source: ColumnSpec, plan: ColumnPlan, way: Way) -> Values:
    """Return a column of the study. Shapes (rows,). A missing value is stored like 0, as near as the bounds allow."""
    found = rows.column(source.name)
    empty = np.clip(0.0, plan.lower, plan.upper) if not plan.labels else 0
    numbers, valid = np.empty(rows.length, stored(plan)), np.array(found.valid, dtype=np.bool_)
    for begin in range(0, rows.length, PART):
        part = slice(begin, begin + PART)
        given, here = way(found.numbers[part])
        if here is not None:
            valid[part] &= here
        numbers[part] = np.where(valid[part], given, empty)
    for array in (numbers, valid):  # as stored columns are: Numba compiles separately for others
        array.flags.writeable = False
    return Values(numbers, valid)


def _way(given: Mapping[str, Any], own: TableSpec, column: ColumnSpec) -> Way:
    return _by_label(given, own, column) if "labels" in given else _linear(given, column)


def _linear(given: Mapping[str, Any], column: ColumnSpec) -> Way:
    scale, offset = documents.number(given["scale"]), documents.number(given["offset"])
    lattice = column.lattice

    def way(numbers: Numbers) -> tuple[Numbers, None]:
        changed = np.ascontiguousarray(numbers, dtype=np.float64) * scale
        clipped = np.clip(changed + offset, column.lower, column.upper)
        return clipped if lattice is None else decimal_grid.nearest(clipped, lattice), None

    return way


def _by_label(given: Mapping[str, Any], own: TableSpec, column: ColumnSpec) -> Way:
    source = own.columns[given["column"]]
    places = {label: place for place, label in enumerate(column.labels)}
    codes = np.array([places.get(given["labels"].get(label), NO_LABEL) for label in source.groups])
    first = 0 if source.kind == Kind.CATEGORY else int(source.lower)

    def way(numbers: Numbers) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        found = codes[numbers.astype(np.int64) - first]
        return found, found != NO_LABEL

    return way


def _misfit(given: object, own: TableSpec, column: ColumnSpec) -> str:
    """Return why an own column cannot become this one of the study, or an empty string."""
    name = column.name
    if not isinstance(given, Mapping) or not given.get("column"):
        return f"Choose a column for “{name}”."
    source = own.columns.get(str(given["column"]))
    if source is None:
        return f"Your table has no column “{str(given['column'])[:100]}” for “{name}”."
    if source.nullable and not column.nullable:
        return f"“{source.name}” may have missing values, and “{name}” may not."
    if "labels" in given:
        return _unlabelled(given, source, column)
    if column.kind not in {Kind.INTEGER, Kind.NUMBER} or source.kind not in NUMERIC:
        return f"“{name}” and “{source.name}” are not both numbers. Say which categories belong together."
    return _not_linear(given, name)


def _not_linear(given: Mapping[str, Any], name: str) -> str:
    try:
        fields = Fields(given, ("column", "scale", "offset"))
        scale, offset = (documents.number(fields.take(each, str)) for each in ("scale", "offset"))
    except ValueError:
        return f"Give “{name}” a factor and an addend, both numbers."
    if not 1 / LARGEST <= abs(scale) <= LARGEST or abs(offset) > LARGEST:
        return f"The factor of “{name}” is 0, or one of its numbers is too large or too small."
    return ""


def _unlabelled(given: Mapping[str, Any], source: ColumnSpec, column: ColumnSpec) -> str:
    name = column.name
    if not column.is_key:
        return f"“{name}” is a number. Choose a column of numbers for it."
    if not source.groups:
        return f"“{source.name}” has no declared categories, and not a few whole numbers either."
    labels = given["labels"]
    if set(given) != {"column", "labels"} or not isinstance(labels, Mapping):
        return f"Say which categories of “{source.name}” become which of “{name}”."
    if strange := [label for label in labels if label not in source.groups]:
        return f"“{source.name}” has no category “{str(strange[0])[:100]}”."
    if strange := [label for label in labels.values() if label not in column.labels]:
        return f"“{name}” has no category “{str(strange[0])[:100]}”."
    if not labels:
        return f"Choose a category of “{name}” for at least one of “{source.name}”."
    if not column.nullable and len(labels) < len(source.groups):
        return f"“{name}” has no missing values. Choose a category of it for each of “{source.name}”."
    return ""
