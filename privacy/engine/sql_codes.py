"""Comparisons in SQL with numbers that stand for declared values: yes or no, or categories that are kept as numbers.
Dates are compared with nothing yet."""

from collections.abc import Iterable

from privacy.engine.bounds import unreadable
from privacy.engine.expressions import (
    COMPARISONS,
    TURNED,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    Not,
    Predicate,
)
from privacy.engine.schema import Kind, QueryRefused, TableSpec


def compared(op: str, left: Expression, right: Expression, table: TableSpec) -> Predicate:
    """A comparison; that of a yes/no column with 0 or 1, or of a category with a number, says which of its values are
    meant. Raises QueryRefused."""
    if isinstance(left, Constant) and is_category(right, table):
        left, right, op = right, left, TURNED.get(op, op)
    if isinstance(left, Column) and isinstance(right, Constant):
        spec, label = table.column(left.name), written(right.value)
        if spec.kind == Kind.CATEGORY and op in TURNED:
            return _ordered(op, left.name, right.value, table)
        if spec.kind == Kind.CATEGORY or (
            spec.kind == Kind.BOOLEAN and op in {"=", "!="} and label in spec.labels
        ):
            chosen = In(left.name, (label,))
            return chosen if op == "=" else Not(chosen)
    return Compare(op, left, right)


def dates_in(columns: Iterable[str], table: TableSpec) -> str:
    """Why a condition on these columns is refused, where one of them holds dates or times; otherwise empty."""
    known = (table.columns[name] for name in columns if name in table.columns)
    return next(filter(None, map(unreadable, known)), "")


def is_category(of: Expression, table: TableSpec) -> bool:
    return isinstance(of, Column) and table.column(of.name).kind == Kind.CATEGORY


def written(value: float) -> str:
    """A number as a declared value is written."""
    return str(int(value)) if value.is_integer() else repr(value)


def _ordered(op: str, name: str, value: float, table: TableSpec) -> Predicate:
    """Those of a category's declared values, all of them numbers, for which the comparison holds."""
    try:
        found = tuple(label for label in table.column(name).labels if COMPARISONS[op](float(label), value))
    except ValueError as words:
        raise QueryRefused(
            f"The declared values of “{name}” have no order: compare with = <> or IN."
        ) from words
    if not found:
        raise QueryRefused(f"No declared value of “{name}” is {op} {written(value)}.")
    return In(name, found)
