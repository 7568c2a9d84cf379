"""Write a query as SQL, where the supported SQL can express it: the inverse of `privacy.engine.language.sql`.

The text is parsed again and compared, so SQL shown next to a query always means that query.
"""

import re
from collections.abc import Callable

from privacy.engine.language import sql
from privacy.engine.language.display import EVERYTHING, Display, Order, compared
from privacy.engine.language.expressions import (
    And,
    Binary,
    Clip,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    IsNull,
    Not,
    Or,
    Power,
    Predicate,
    Unary,
    Where,
)
from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Histogram,
    KeyCounts,
    Mean,
    Measure,
    Quantiles,
    Query,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.schema import Kind, QueryRefused, TableSpec
from privacy.engine.language.sql_statement import WORDS

PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
FUNCTIONS = {"abs": "ABS", "exp": "EXP", "log": "LN", "sqrt": "SQRT"}
WIDE = 1e300


def write(query: Query, table: TableSpec, display: Display = EVERYTHING) -> str:
    """Return the SQL of a query, or an empty string if the supported SQL cannot express it.

    What is shown of the answer is left out where this SQL has no words for it: LIMIT beside LIMIT n BY.
    """
    text = _written(query, table)
    if not text or display == EVERYTHING:
        return text
    whole = "\n".join([*_with_limit_last(text, _shown(display, query, table))])
    try:
        return whole if sql.read(whole, {table.name: table}) == sql.Statement(query, display, whole) else text
    except QueryRefused:
        return text


def condition(where: Predicate, table: TableSpec) -> str:
    """Return what would follow WHERE, or an empty string if the supported SQL cannot express it."""
    text = _filter(where, table)
    try:
        return text if sql.read_condition(text, table) == where else ""
    except QueryRefused:
        return ""


def plain(node: Expression | Predicate, table: TableSpec) -> str:
    """Return a number or condition as a page shows it, whether or not the supported SQL can read it back."""
    if isinstance(node, Predicate):
        return _filter(node, table)
    text = _value(node, table)
    return text[1:-1] if isinstance(node, Binary) else text


def _with_limit_last(text: str, shown: list[str]) -> list[str]:
    """Return the lines of SQL with others before the LIMIT n BY that may be at its end."""
    lines = text.split("\n")
    at = len(lines) - lines[-1].startswith("LIMIT ")
    return [*lines[:at], *shown, *lines[at:]]


def _shown(display: Display, query: Query, table: TableSpec) -> list[str]:
    """Return HAVING, ORDER BY, LIMIT and OFFSET, a line each."""
    named = {"n": _rows_behind(query.measure, table)}

    def figure(name: str) -> str:
        return named.get(name) or _measure(query.measure, table)

    lines = []
    if display.having is not None:
        lines.append(f"HAVING {_having(display.having, figure)}")
    if display.order:
        lines.append(f"ORDER BY {', '.join(_order(each, query, figure) for each in display.order)}")
    if display.limit is not None:
        lines.append(f"LIMIT {display.limit}")
    if display.offset:
        lines.append(f"OFFSET {display.offset}")
    return lines


def _order(order: Order, query: Query, figure: Callable[[str], str]) -> str:
    key = query.measure.column if isinstance(query.measure, KeyCounts) else order.by
    text = _name(key) if order.is_key else figure(order.by)
    return f"{text}{' DESC' * order.descending}{' NULLS FIRST' * order.missing_first}"


def _having(node: Predicate, figure: Callable[[str], str]) -> str:
    match node:
        case And(parts) | Or(parts):
            word = " AND " if isinstance(node, And) else " OR "
            return word.join(f"({_having(part, figure)})" for part in parts)
        case Not(of):
            return f"NOT ({_having(of, figure)})"
        case _:
            op, name, limit = compared(node)
            return f"{figure(name)} {'<>' if op == '!=' else op} {number(limit)}"


def _rows_behind(measure: Measure, table: TableSpec) -> str:
    """Return the number of rows with all numbers of a measure, as SQL."""
    of = getattr(measure, "of", None)
    nullable = isinstance(of, Column) and table.column(of.name).nullable
    return f"COUNT({_name(of.name)})" if nullable and isinstance(of, Column) else "COUNT(*)"


def _written(query: Query, table: TableSpec) -> str:
    if isinstance(query.measure, Mean) and query.measure.per_subject:
        return ""
    measure = _measure(query.measure, table)
    if not measure:
        return ""
    keys = [_name(key) for key in query.by]
    if isinstance(query.measure, KeyCounts):
        keys = [_name(query.measure.column)]
    lines = [f"SELECT {', '.join([*keys, measure])}", f"FROM {_name(query.table)}"]
    if query.where is not None:
        lines.append(f"WHERE {_filter(query.where, table)}")
    if keys:
        lines.append(f"GROUP BY {', '.join(keys)}")
    if query.rows is not None:
        lines.append(f"LIMIT {query.rows} BY {_name(table.subject)}")
    text = "\n".join(lines)
    try:
        return text if sql.parse(text, table) == query else ""
    except QueryRefused:
        return ""


def _measure(measure: Measure, table: TableSpec) -> str:  # noqa: C901, PLR0911 -- one case a kind
    match measure:
        case Count():
            return "COUNT(*)"
        case CountSubjects() | KeyCounts(keys=1):
            return f"COUNT(DISTINCT {_name(table.subject)})"
        case Sum(of):
            return f"SUM({_value(of, table)})"
        case Mean(of):
            return f"AVG({_value(of, table)})"
        case Variance(of):
            return f"VAR_POP({_value(of, table)})"
        case StandardDeviation(of):
            return f"STDDEV_POP({_value(of, table)})"
        case Quantiles(of, (share,)):
            return f"QUANTILE({_value(of, table)}, {number(share)})"
        case Correlation(x, y):
            return f"CORR({_value(x, table)}, {_value(y, table)})"
        case Covariance(x, y):
            return f"COVAR_POP({_value(x, table)}, {_value(y, table)})"
        case Histogram(of, edges):
            return f"HISTOGRAM({', '.join([_value(of, table), *map(number, edges)])})"
        case _:
            return ""


def _name(name: str) -> str:
    """Return a name, quoted where SQL would not read it as a name."""
    return name if PLAIN.fullmatch(name) and name not in WORDS else '"' + name.replace('"', '""') + '"'


def number(value: float) -> str:
    """Write a number without an exponent or decimals where it has none."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _value(node: Expression, table: TableSpec) -> str:  # noqa: C901 -- one case a kind
    match node:
        case Column(name):
            return _name(name)
        case Constant(value):
            return number(value)
        case Binary(op, left, right):
            return f"({_value(left, table)} {op} {_value(right, table)})"
        case Unary("-", of):
            return f"(-{_value(of, table)})"
        case Unary(op, of):
            return f"{FUNCTIONS[op]}({_value(of, table)})"
        case Power(base, exponent):
            return f"POWER({_value(base, table)}, {exponent})"
        case Clip(of, lower, upper):
            return _clip(of, lower, upper, table)
        case Where(condition, then, otherwise):
            parts = (_filter(condition, table), _value(then, table), _value(otherwise, table))
            return "CASE WHEN {} THEN {} ELSE {} END".format(*parts)


def _clip(of: Expression, lower: float, upper: float, table: TableSpec) -> str:
    text = _value(of, table)
    text = text if lower <= -WIDE else f"GREATEST({text}, {number(lower)})"
    return text if upper >= WIDE else f"LEAST({text}, {number(upper)})"


def _filter(node: Predicate, table: TableSpec) -> str:  # noqa: C901, PLR0911 -- one case a kind
    match node:
        case And(parts):
            return " AND ".join(_nested(part, table) for part in parts)
        case Or(parts):
            return " OR ".join(_nested(part, table) for part in parts)
        case Not(In(column, (only,))):
            return f"{_name(column)} <> {_label(column, only, table)}"
        case Not(IsNull(column)):
            return f"NOT {_name(column)} IS NULL"
        case Not(of):
            return f"NOT ({_filter(of, table)})"
        case In(column, (only,)):
            return f"{_name(column)} = {_label(column, only, table)}"
        case In(column, values):
            return f"{_name(column)} IN ({', '.join(_quoted(value) for value in values)})"
        case IsNull(column):
            return f"{_name(column)} IS NULL"
        case Compare(op, left, right):
            return f"{_value(left, table)} {'<>' if op == '!=' else op} {_value(right, table)}"


def _nested(node: Predicate, table: TableSpec) -> str:
    text = _filter(node, table)
    return f"({text})" if isinstance(node, And | Or) else text


def _label(column: str, value: str, table: TableSpec) -> str:
    if table.column(column).kind == Kind.BOOLEAN:
        return {"0": "FALSE", "1": "TRUE"}.get(value, value)
    return _quoted(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
