"""SQL comparisons with numbers that stand for declared values: yes/no columns, and categories that are numbers.

Dates cannot be compared yet.
"""

from collections.abc import Iterable

from sqlglot import exp

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
from privacy.engine.language.sql_statement import Node


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


def column_refusal(name: str, beside: Iterable[str], table: TableSpec) -> str:
    """Return why a condition on this column is refused, or an empty string. `beside`: all columns of the condition.

    The column may hold dates or times, or a name that is not a column may be text without quotes.
    """
    if name in table.columns:
        return unreadable(table.columns[name])
    others = [table.columns[each] for each in beside if each in table.columns]
    if name != table.subject and any(not spec.is_numeric and not unreadable(spec) for spec in others):
        text = name[:100]
        return (
            f"There is no column “{text}” in {table.name}. If it is text, put it in quotes: {_quoted(text)}."
        )
    return ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def text_refusal(node: Node, table: TableSpec) -> str:
    """Return why text cannot be compared with <, <=, > or >=. `node`: what it is compared with."""
    spec = table.columns.get(node.name) if isinstance(node, exp.Column) else None
    if spec is not None and spec.is_numeric:
        return f"“{spec.name}” is a number: compare it with numbers, without quotes."
    return "text can only be compared with = and <>."


def condition_refusal(node: Node) -> str:
    """Return why this is no condition, and what to write instead."""
    if isinstance(node, exp.Like | exp.ILike):
        return "LIKE is not supported: compare the column with its declared values, using =, <> or IN."
    if subquery := node.find(exp.Select):
        return expression_refusal(subquery)
    return "a condition is expected here: comparisons, IN, BETWEEN, IS NULL, AND, OR, NOT."


def expression_refusal(node: Node) -> str:
    """Return why a calculation cannot have this part, and what to write instead."""
    if isinstance(node, exp.Subquery | exp.Select):
        return "subqueries are not supported. Ask that question first, and write its answer here as a number."
    if isinstance(node, exp.Window):
        return WINDOWS
    if isinstance(node, exp.Null):
        return "nothing is equal to NULL, or above or below it. Write IS NULL or IS NOT NULL."
    name = (node.name if isinstance(node, exp.Anonymous) else node.key).upper()
    if isinstance(node, exp.Distinct):
        return "DISTINCT is not supported here, only to count people."
    if isinstance(node, exp.AggFunc):
        return (
            f"{name} cannot stand here: this is about single rows. Conditions on the answer stand in HAVING."
        )
    if isinstance(node, exp.Log):
        return "LOG is not supported, because databases differ in its base. Use LN, or LN(x) / LN(10)."
    return (
        f"{name} is not supported. Use + - * /, ABS, EXP, LN, SQRT, POWER, GREATEST, LEAST, COALESCE or CASE."
    )


WINDOWS = "window functions are not supported: they look at other people's rows."
INSTEAD = {
    "covarsamp": "COVAR_SAMP is not supported: ask for COVAR_POP",
    "min": "MIN is not supported because one person alone determines it: ask for QUANTILE(x, 0.01)",
    "std": "STD is not supported: ask for STDDEV",
    "mode": "MODE is not supported: count the rows of each value, with GROUP BY",
    "regrslope": "REGR_SLOPE is not supported in SQL: choose a regression in the form",
    "regrintercept": "REGR_INTERCEPT is not supported in SQL: choose a regression in the form",
    "max": "MAX is not supported because one person alone determines it: ask for QUANTILE(x, 0.99)",
}


def aggregate_refusal(node: Node, table: TableSpec) -> str:
    """Return why this cannot be asked for, and what to ask for instead."""
    people = f"COUNT(DISTINCT {table.subject})"
    name = (node.name if isinstance(node, exp.Anonymous) else node.key).lower()
    if name in INSTEAD:
        return f"{INSTEAD[name]}."
    if isinstance(node, exp.Window):
        return WINDOWS
    if isinstance(node, exp.Star):
        return "answers never show single rows. Ask for an aggregate, such as COUNT(*) or AVG(x)."
    if isinstance(node, exp.Literal):
        return "only columns of GROUP BY and one aggregate can be selected."
    if isinstance(node, exp.WithinGroup):
        return "WITHIN GROUP is supported with PERCENTILE_CONT only."
    if node.find(exp.AggFunc) not in {None, node}:
        return "ask for the aggregate alone, and compute with the answer: that costs nothing."
    of_one = "SUM, AVG, VARIANCE, STDDEV, MEDIAN, QUANTILE(x, q), HISTOGRAM(x, 0, 10, 20)"
    return f"use COUNT(*), {people}, {of_one}, CORR or COVAR_POP."


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
