"""Write a query as SQL, where the supported SQL can express it: the inverse of `privacy.engine.language.sql`.

The text is parsed again and compared, so SQL shown next to a query always means that query.
"""

import re

from privacy.engine.language import sql
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


def write(query: Query, table: TableSpec) -> str:
    """Return the SQL of a query, or an empty string if the supported SQL cannot express it."""
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
    return value if table.column(column).kind == Kind.BOOLEAN else _quoted(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
