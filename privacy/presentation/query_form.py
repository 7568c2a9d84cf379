"""Convert the form's fields into a query and back, so that both sides of the page show the same question.

A query that the form has no fields for (arithmetic, OR) cannot be converted back: only SQL can show it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from privacy.engine.language.bounds import check_readable
from privacy.engine.language.expressions import (
    And,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    IsNull,
    Not,
    Predicate,
)
from privacy.engine.language.query import (
    MAX_EDGES,
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Distribution,
    Histogram,
    KeyCounts,
    Mean,
    Measure,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.sql_text import number
from privacy.presentation import learning_form
from privacy.presentation.readable import FLAGS

MEASURES = {
    "count": "Number of rows",
    "people": "Number of people",
    "mean": "Mean",
    "person_mean": "Mean, each person counting once",
    "sum": "Sum",
    "variance": "Variance",
    "standard_deviation": "Standard deviation",
    "quantiles": "Median and other quantiles",
    "distribution": "Distribution",
    "histogram": "Histogram",
    "correlation": "Correlation of two columns",
    "covariance": "Covariance of two columns",
    "regression": "Linear regression",
    "person_rows": "How many rows does a person have?",
    "person_amount": "How much does one person add up to?",
    "keys": "People by values that are not declared",
    **learning_form.MEASURES,
}
OPERATORS = {
    "is": "is",
    "not": "is not",
    "in": "is one of",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "between": "is between",
    "missing": "is missing",
    "present": "is not missing",
}
GUIDE = "0.98"
"""The quantile over people at which a guide looks for a clip."""
EVEN = re.compile(r"(\S+) to (\S+) by (\S+)")
WITHOUT_VALUE = {"missing", "present"}
YES_NO = {"yes": "1", "true": "1", "1": "1", "no": "0", "false": "0", "0": "0"}


@dataclass(frozen=True, slots=True)
class Line:
    """One condition on rows: all lines must hold."""

    column: str
    op: str
    value: str = ""


def query_of(fields: Mapping[str, Any], lines: Sequence[Line], table: TableSpec) -> Query:
    """Return the query that the form's fields describe. Raises QueryRefused naming what is missing."""
    conditions = tuple(_condition(line, table) for line in lines)
    where = conditions[0] if len(conditions) == 1 else And(conditions) if conditions else None
    return Query(
        table=table.name,
        measure=learning_form.measure_of(fields, table) if asks_to_learn(fields) else _measure(fields),
        where=where,
        by=() if asks_to_learn(fields) else tuple(fields.get("by") or ()),
        rows=None
        if fields.get("measure") in {"person_rows", "person_amount"} or asks_to_learn(fields)
        else fields.get("rows") or None,
    )


def asks_to_learn(fields: Mapping[str, Any]) -> bool:
    """Return whether the form asks for a model or a synthetic table, in which each person counts once."""
    return fields.get("measure") in learning_form.MEASURES


def _measure(fields: Mapping[str, Any]) -> Measure:  # noqa: C901, PLR0911 -- one case a kind
    kind = fields.get("measure") or "people"
    if kind in {"count", "people"}:
        return Count() if kind == "count" else CountSubjects()
    if kind == "keys":
        return KeyCounts(_chosen(fields, "text", "Choose the text column whose values you want."))
    if kind == "person_rows":
        return PersonQuantiles(None, _shares(str(fields.get("shares") or GUIDE)))
    name = _chosen(fields, "column", "Choose the column to compute it from.")
    of = Column(name)
    match kind:
        case "correlation" | "covariance":
            other = Column(_chosen(fields, "other", "Choose the second column."))
            return Correlation(of, other) if kind == "correlation" else Covariance(of, other)
        case "histogram":
            return Histogram(of, _edges(str(fields.get("edges") or "")))
        case "regression":
            features = tuple(fields.get("features") or ())
            return Regression(of, tuple(map(Column, features)), features)
        case "quantiles":
            return Quantiles(of, _shares(str(fields.get("shares") or "0.5")))
        case "person_amount":
            return PersonQuantiles(of, _shares(str(fields.get("shares") or GUIDE)))
        case "distribution":
            return Distribution(of, fields.get("bins") or 16)
        case "mean" | "person_mean":
            return Mean(of, per_subject=kind == "person_mean")
        case "standard_deviation":
            return StandardDeviation(of)
        case _:
            return Sum(of) if kind == "sum" else Variance(of)


def _chosen(fields: Mapping[str, Any], name: str, otherwise: str) -> str:
    if not fields.get(name):
        raise QueryRefused(otherwise)
    return str(fields[name])


def _edges(text: str) -> tuple[float, ...]:
    """`0, 10, 50`, or `0 to 100 by 5`, computed in decimals so that 0 to 1 by 0.1 has an edge at 0.3."""
    if not text.strip():
        raise QueryRefused("Enter the edges of the bins, such as 0, 10, 20 or 0 to 100 by 5.")
    if not (even := EVEN.fullmatch(text.strip())):
        return tuple(_number(part, "an edge") for part in _parts(text))
    ends = [Decimal(repr(_number(part, "an edge"))) for part in even.groups()]
    low, high, step = ends
    if not all(map(Decimal.is_finite, ends)) or not low < high < low + MAX_EDGES * step:
        raise QueryRefused(f"“{text[:40]}” does not make 2 to {MAX_EDGES} edges. Choose another step.")
    return tuple(float(low + k * step) for k in range(int((high - low) / step) + 1))


def _shares(text: str) -> tuple[float, ...]:
    return tuple(_share(part) for part in _parts(text))


def _share(text: str) -> float:
    """Return `0.5`, or `50 %`."""
    if text.endswith("%"):
        return round(_number(text.removesuffix("%").strip(), "a quantile") / 100, 12)
    return _number(text, "a quantile")


def _parts(text: str) -> list[str]:
    separator = ";" if ";" in text else ","
    return [part.strip() for part in text.split(separator) if part.strip()]


def _number(text: str, what: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError as bad:
        raise QueryRefused(f"“{text[:40]}” is not a number. Enter one for {what}.") from bad


def _condition(line: Line, table: TableSpec) -> Predicate:
    spec = table.column(line.column)
    check_readable(spec)
    if line.op in WITHOUT_VALUE:
        return IsNull(spec.name) if line.op == "missing" else Not(IsNull(spec.name))
    if not line.value.strip():
        raise QueryRefused(f"Enter the value to compare “{spec.name}” with.")
    if not spec.is_key:
        return _compare(line, spec.name)
    if line.op not in {"is", "not", "in"}:
        raise QueryRefused(f"“{spec.name}” has declared values: choose “is”, “is not” or “is one of”.")
    values = _parts(line.value) if line.op == "in" else [line.value.strip()]
    if spec.labels == tuple(FLAGS):
        values = [YES_NO.get(value.lower(), value) for value in values]
    chosen = In(spec.name, tuple(values))
    return Not(chosen) if line.op == "not" else chosen


def _compare(line: Line, name: str) -> Predicate:
    of, what = Column(name), f"“{name}”"
    if line.op == "between":
        ends = line.value.replace(" to ", ";").replace("…", ";").replace("–", ";")
        found = [_number(part, what) for part in ends.split(";")]
        if len(found) != 2:
            raise QueryRefused(f"Enter both ends for {what}, such as “10 to 20”.")
        return And((Compare(">=", of, Constant(found[0])), Compare("<=", of, Constant(found[1]))))
    if line.op == "in":
        raise QueryRefused(f"{what} is a number: choose a comparison or “is between”.")
    op = {"is": "=", "not": "!="}.get(line.op, line.op)
    return Compare(op, of, Constant(_number(line.value.strip(), what)))


# Back: from a query to the fields that ask it


def fields_of(query: Query, table: TableSpec) -> tuple[dict[str, Any], list[Line]] | None:
    """Return the form's fields and conditions for a query, or None when the form cannot express it."""
    fields = learning_form.fields_of(query, table) or _fields(query.measure)
    lines = [_line(part, table) for part in _parts_of(query.where)]
    found = [line for line in lines if line is not None]
    if fields is None or len(found) < len(lines):
        return None
    return {"table": query.table, "by": list(query.by), "rows": query.rows, **fields}, found


def _parts_of(where: Predicate | None) -> tuple[Predicate, ...]:
    if where is None:
        return ()
    return where.parts if isinstance(where, And) and _between(where) is None else (where,)


def _fields(measure: Measure) -> dict[str, Any] | None:  # noqa: C901, PLR0911, PLR0912 -- one case a kind
    match measure:
        case Count() | CountSubjects():
            return {"measure": "count" if isinstance(measure, Count) else "people"}
        case KeyCounts(column, 1):
            return {"measure": "keys", "text": column}
        case Sum(Column(name)):
            return {"measure": "sum", "column": name}
        case Mean(Column(name), per_subject):
            return {"measure": "person_mean" if per_subject else "mean", "column": name}
        case Variance(Column(name)):
            return {"measure": "variance", "column": name}
        case StandardDeviation(Column(name)):
            return {"measure": "standard_deviation", "column": name}
        case Quantiles(Column(name), at):
            return {"measure": "quantiles", "column": name, "shares": ", ".join(map(number, at))}
        case PersonQuantiles(None, at):
            return {"measure": "person_rows", "shares": ", ".join(map(number, at))}
        case PersonQuantiles(Column(name), at):
            return {"measure": "person_amount", "column": name, "shares": ", ".join(map(number, at))}
        case Distribution(Column(name), bins):
            return {"measure": "distribution", "column": name, "bins": bins}
        case Histogram(Column(name), edges):
            return {"measure": "histogram", "column": name, "edges": ", ".join(map(number, edges))}
        case Correlation(Column(x), Column(y)) | Covariance(Column(x), Column(y)):
            kind = "correlation" if isinstance(measure, Correlation) else "covariance"
            return {"measure": kind, "column": x, "other": y}
        case Regression(Column(target), features, names) if _are_columns(features, names):
            return {"measure": "regression", "column": target, "features": list(names)}
        case _:
            return None


def _are_columns(features: Sequence[Expression], names: Sequence[str]) -> bool:
    return list(features) == [Column(name) for name in names]


def _line(part: Predicate, table: TableSpec) -> Line | None:
    match part:
        case Not(In(column, (only,))):
            return Line(column, "not", _values_text(column, (only,), table))
        case In(column, values):
            return Line(column, "is" if len(values) == 1 else "in", _values_text(column, values, table))
        case IsNull(column):
            return Line(column, "missing")
        case Not(IsNull(column)):
            return Line(column, "present")
        case Compare(op, Column(name), Constant(value)) if not table.column(name).is_key:
            return Line(name, {"=": "is", "!=": "not"}.get(op, op), number(value))
        case And():
            return _between(part)
        case _:
            return None


def _between(part: And) -> Line | None:
    match part.parts:
        case (Compare(">=", Column(a), Constant(low)), Compare("<=", Column(b), Constant(high))) if a == b:
            return Line(a, "between", f"{number(low)} to {number(high)}")
        case _:
            return None


def _values_text(column: str, values: Sequence[str], table: TableSpec) -> str:
    if table.column(column).labels == tuple(FLAGS):
        values = [FLAGS.get(value, value) for value in values]
    separator = "; " if len(values) > 1 and any("," in value for value in values) else ", "
    return separator.join(values)
