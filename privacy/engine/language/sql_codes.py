"""SQL comparisons with numbers that stand for declared values: yes/no columns, and categories that are numbers.

Dates cannot be compared yet.
"""

from collections.abc import Iterable

from privacy.engine.language.bounds import unreadable
from privacy.engine.language.expressions import (
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
from privacy.engine.language.schema import Kind, QueryRefused, TableSpec


def comparison(op: str, left: Expression, right: Expression, table: TableSpec) -> Predicate:
    """Build the predicate of a comparison.

    Comparing a yes/no column with 0 or 1, or a category with a number, selects among its declared values. Raises
    QueryRefused.
    """
    if isinstance(left, Constant) and is_category(right, table):
        left, right, op = right, left, TURNED.get(op, op)
    if isinstance(left, Column) and isinstance(right, Constant):
        spec, label = table.column(left.name), label_of(right.value)
        if spec.kind == Kind.CATEGORY and op in TURNED:
            return _ordered(op, left.name, right.value, table)
        if spec.kind == Kind.CATEGORY or (
            spec.kind == Kind.BOOLEAN and op in {"=", "!="} and label in spec.labels
        ):
            chosen = In(left.name, (label,))
            return chosen if op == "=" else Not(chosen)
    return Compare(op, left, right)


def column_refusal(columns: Iterable[str], table: TableSpec) -> str:
    """Return why a condition on these columns is refused, or an empty string.

    A column may hold dates or times, or a name that is not a column may be text without quotes.
    """
    names = list(columns)
    known = [table.columns[name] for name in names if name in table.columns]
    unknown = [name for name in names if name not in table.columns and name != table.subject]
    if unknown and any(not spec.is_numeric and not unreadable(spec) for spec in known):
        bare = unknown[0][:100]
        return (
            f"There is no column “{bare}” in {table.name}. If it is text, put it in quotes: {_quoted(bare)}."
        )
    return next(filter(None, map(unreadable, known)), "")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


INSTEAD = {
    "covarsamp": "COVAR_SAMP is not supported: ask for COVAR_POP",
    "min": "MIN is not supported because one person alone determines it: ask for QUANTILE(x, 0.01)",
    "max": "MAX is not supported because one person alone determines it: ask for QUANTILE(x, 0.99)",
}


def aggregate_refusal(key: str, table: TableSpec) -> str:
    """Return why this aggregate is refused and what to ask for instead. `key`: its name in the parser."""
    people = f"COUNT(DISTINCT {table.subject})"
    of_one = "SUM, AVG, VARIANCE, STDDEV, MEDIAN, QUANTILE(x, q), HISTOGRAM(x, 0, 10, 20)"
    known = f"use COUNT(*), {people}, {of_one}, CORR or COVAR_POP"
    return f"{INSTEAD.get(key, known)}."


def is_category(of: Expression, table: TableSpec) -> bool:
    return isinstance(of, Column) and table.column(of.name).kind == Kind.CATEGORY


def label_of(value: float) -> str:
    """Write a number the way a declared value is written."""
    return str(int(value)) if value.is_integer() else repr(value)


def _ordered(op: str, name: str, value: float, table: TableSpec) -> Predicate:
    """Select the declared values of a numeric category for which the comparison holds."""
    try:
        found = tuple(label for label in table.column(name).labels if COMPARISONS[op](float(label), value))
    except ValueError as words:
        raise QueryRefused(
            f"The declared values of “{name}” are not numbers and have no order: compare with =, <> or IN."
        ) from words
    if not found:
        raise QueryRefused(f"No declared value of “{name}” is {op} {label_of(value)}.")
    return In(name, found)
