"""The aggregate of a SELECT, with the conditions that it brings itself: FILTER, COUNT(x), CASE without ELSE, NULLIF."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from privacy.engine.language import sql_codes
from privacy.engine.language.expressions import Expression, IsNull, Not, Or, Predicate
from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Histogram,
    Mean,
    Measure,
    Quantiles,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.schema import TableSpec
from privacy.engine.language.sql_expressions import expression, number, predicate
from privacy.engine.language.sql_names import column_name
from privacy.engine.language.sql_statement import Node, refusal


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is measured, and the conditions besides WHERE under which a row counts."""

    measure: Measure
    conditions: tuple[Predicate, ...] = ()


def aggregate_of(select: exp.Select, by: Sequence[str], table: TableSpec) -> Aggregate:
    """Return the only aggregate of a SELECT. `by`: the columns of GROUP BY, which may stand beside it.

    Raises QueryRefused for another column, and for none or several aggregates.
    """
    wanted = []
    for item in select.expressions:
        inner = item.unalias()
        if isinstance(inner, exp.Column):
            if column_name(inner) not in by:
                raise refusal(inner, f"“{inner.name}” must be in GROUP BY: answers never show single rows.")
        else:
            wanted.append(inner)
    if len(wanted) != 1:
        raise refusal(select, "ask for exactly one aggregate (COUNT, SUM, AVG, …): each has its own price.")
    return _aggregate(wanted[0], table)


def _aggregate(node: Node, table: TableSpec) -> Aggregate:
    if isinstance(node, exp.Count | exp.CountIf | exp.Filter):
        return _counted(node, table)
    for kind, make in _OF_ONE.items():
        if isinstance(node, kind):
            value, conditions = _present(node.this, table)
            return Aggregate(make(expression(value, table)), conditions)
    for kind, pair in _OF_TWO.items():
        if isinstance(node, kind):
            return Aggregate(pair(expression(node.this, table), expression(node.expression, table)))
    if isinstance(node, exp.Anonymous) and node.name.lower() == "histogram":
        return Aggregate(_histogram(node, table))
    return _quantile(node, table)


def _present(node: Node, table: TableSpec) -> tuple[Node, tuple[Predicate, ...]]:
    """Return the argument of an aggregate, and when it has a value: aggregates leave out rows without one.

    A CASE without ELSE has none where no condition is true, NULLIF where both values are equal.
    """
    if isinstance(node, exp.Paren):
        return _present(node.this, table)
    if isinstance(node, exp.Nullif):
        if node.expression.find(exp.Column):
            raise refusal(
                node, "NULLIF compares with a value, such as NULLIF(x, 0). To compare columns, use CASE."
            )
        equal = exp.EQ(this=node.this, expression=node.expression)
        return node.this, (Not(predicate(equal, table)),)
    if isinstance(node, exp.If) and not _otherwise(node):
        return node.args["true"], (predicate(node.this, table),)
    if isinstance(node, exp.Case) and not node.this and not _otherwise(node):
        branches = node.args["ifs"]
        met = tuple(predicate(branch.this, table) for branch in branches)
        value = exp.Case(ifs=branches[:-1], default=branches[-1].args["true"])
        return (value if len(branches) > 1 else value.args["default"]), (met if len(met) == 1 else (Or(met),))
    return node, ()


def _otherwise(node: exp.Case | exp.If) -> Node | None:
    """Return the value of rows for which no condition is true, unless that is NULL."""
    value = node.args.get("default" if isinstance(node, exp.Case) else "false")
    return None if isinstance(value, exp.Null) else value


def _quantile(node: Node, table: TableSpec) -> Aggregate:
    if isinstance(node, exp.Median):
        of, at = node.this, 0.5
    elif isinstance(node, exp.Quantile):
        of, at = node.this, number(node.args["quantile"])
    elif isinstance(node, exp.WithinGroup) and isinstance(node.this, exp.PercentileCont):
        of, at = _ascending(node), number(node.this.this)
    else:
        raise refusal(node, sql_codes.aggregate_refusal(node.key, table))
    value, conditions = _present(of, table)
    return Aggregate(Quantiles(expression(value, table), (at,)), conditions)


def _histogram(node: exp.Anonymous, table: TableSpec) -> Histogram:
    if len(node.expressions) < 3:
        raise refusal(node, "give a number and at least two edges, such as HISTOGRAM(x, 0, 10, 20).")
    of, *edges = node.expressions
    return Histogram(expression(of, table), tuple(number(edge) for edge in edges))


def _ascending(node: exp.WithinGroup) -> Node:
    """Return the one expression that a percentile is ordered by."""
    ordered, *more = node.expression.expressions
    if more or ordered.args.get("desc"):
        raise refusal(node, "order by exactly one number, ascending.")
    return cast("Node", ordered.this)


_OF_ONE: dict[type[Node], Callable[[Expression], Measure]] = {
    exp.Sum: Sum,
    exp.Avg: Mean,
    exp.VariancePop: Variance,
    exp.Variance: Variance,
    exp.StddevPop: StandardDeviation,
    exp.Stddev: StandardDeviation,
    exp.StddevSamp: StandardDeviation,
}
_OF_TWO: dict[type[Node], Callable[[Expression, Expression], Measure]] = {
    exp.Corr: Correlation,
    exp.CovarPop: Covariance,
}


def _counted(node: exp.Count | exp.CountIf | exp.Filter, table: TableSpec) -> Aggregate:
    if isinstance(node, exp.Filter):
        inner = _aggregate(node.this, table)
        return Aggregate(inner.measure, (predicate(node.expression.this, table), *inner.conditions))
    if isinstance(node, exp.CountIf):
        return Aggregate(Count(), (predicate(node.this, table),))
    return _count(node, table)


def _count(node: exp.Count, table: TableSpec) -> Aggregate:
    if node.expressions:
        raise refusal(node, "COUNT takes one column.")
    if isinstance(node.this, exp.Star):
        return Aggregate(Count())
    if isinstance(node.this, exp.Distinct):
        return _count_people(node.this, table)
    value, conditions = _present(node.this, table)
    if isinstance(value, exp.Literal | exp.Boolean):
        return Aggregate(Count(), conditions)
    if not isinstance(value, exp.Column):
        raise refusal(
            node,
            f"count rows with COUNT(*) or COUNT(column), or people with COUNT(DISTINCT {table.subject}).",
        )
    name = column_name(value)
    if name == table.subject or not table.column(name).nullable:
        return Aggregate(Count(), conditions)
    if why := sql_codes.column_refusal([name], table):
        raise refusal(node, why)
    return Aggregate(Count(), (*conditions, Not(IsNull(name))))


def _count_people(node: exp.Distinct, table: TableSpec) -> Aggregate:
    if len(node.expressions) == 1:
        value, conditions = _present(node.expressions[0], table)
        if column_name(value) == table.subject:
            return Aggregate(CountSubjects(), conditions)
    raise refusal(node, f"COUNT(DISTINCT …) can only count people: write COUNT(DISTINCT {table.subject}).")
