"""The aggregate of a SELECT, with the conditions that it brings itself: FILTER, COUNT(x), CASE without ELSE, NULLIF."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from privacy.engine.language import sql_codes
from privacy.engine.language.bounds import check_readable
from privacy.engine.language.expressions import (
    Column,
    Expression,
    IsNull,
    Not,
    Or,
    Predicate,
    Where,
    children,
    columns_of,
)
from privacy.engine.language.expressions import Node as Part
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
from privacy.engine.language.sql_expressions import computed, expression, number, predicate
from privacy.engine.language.sql_names import column_name
from privacy.engine.language.sql_statement import Node, at, refusal


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is measured, and the conditions besides WHERE under which a row counts."""

    measure: Measure
    conditions: tuple[Predicate, ...] = ()

    @property
    def with_rows(self) -> bool:
        """Whether the number of rows behind it is released with it."""
        return isinstance(self.measure, Mean | Variance | StandardDeviation | Covariance)


@dataclass(frozen=True, slots=True)
class Output:
    """A column of the answer: a key of the groups, or a figure by its name in the answer."""

    name: str
    is_key: bool = False
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Selected:
    """What a SELECT asks for: its aggregate, where that stands, and the columns of the answer in order."""

    aggregate: Aggregate
    node: Node
    outputs: tuple[Output, ...]


def selected(select: exp.Select, by: Sequence[str], where: Sequence[Predicate], table: TableSpec) -> Selected:
    """Return what a SELECT asks for. `by`: the columns of GROUP BY, which may stand beside the aggregate; `where`: the
    conditions that all rows meet.

    The number of rows that comes with a mean or a variance may be asked for too. Raises QueryRefused for another
    column, and for none or several aggregates.
    """
    items = [(item.unalias(), item.alias) for item in select.expressions]
    for inner, _ in items:
        if isinstance(inner, exp.Column) and column_name(inner) not in by:
            raise refusal(inner, f"“{inner.name}” must be in GROUP BY: answers never show single rows.")
    found = [(inner, aggregate_of(inner, table)) for inner, _ in items if not isinstance(inner, exp.Column)]
    if not found:
        raise refusal(
            items[0][0], "add one aggregate (COUNT, SUM, AVG, …) to SELECT: answers never show single rows."
        )
    node, main = next((pair for pair in found if pair[1].with_rows), found[0])
    names = {id(inner): figure_of(each, main, where, table) for inner, each in found}
    for inner, _ in found:
        if not names[id(inner)]:
            raise refusal(
                inner,
                "ask for exactly one aggregate (COUNT, SUM, AVG, …): each has its own price. "
                f"{only_rows(main, table)}",
            )
    outputs = (
        Output(column_name(inner), is_key=True, alias=alias)
        if isinstance(inner, exp.Column)
        else Output(names[id(inner)], alias=alias)
        for inner, alias in items
    )
    return Selected(main, node, tuple(outputs))


def figure_of(wanted: Aggregate, main: Aggregate, where: Sequence[Predicate], table: TableSpec) -> str:
    """Return the name of the figure of the answer to `main` that an aggregate stands for; empty if there is none."""
    if wanted == main:
        return _NAMES.get(type(main.measure), "count")
    if not main.with_rows or not isinstance(wanted.measure, Count):
        return ""
    present = _present_in(main.measure, table)
    if present is None or {*where, *wanted.conditions} != {*where, *main.conditions, *present}:
        return ""
    return "n"


def only_rows(main: Aggregate, table: TableSpec) -> str:
    """Return which other figure the answer has: the number of rows behind it, if any."""
    if not main.with_rows:
        return "Only a mean or a variance comes with a count of the rows behind it."
    of = getattr(main.measure, "of", None)
    if isinstance(of, Column) and table.column(of.name).nullable:
        return f"Only the number of rows behind it comes with it, those with a value: COUNT({of.name})."
    return "Only the number of rows behind it comes with it."


def _present_in(measure: Measure, table: TableSpec) -> list[Predicate] | None:
    """Return the conditions under which a row counts in a measure: it has all the numbers that are computed with.

    None where that is more than conditions on columns: in a CASE, a number may be missing where it is not used.
    """
    found = [of for name in ("of", "x", "y") if (of := getattr(measure, name, None)) is not None]
    names = frozenset[str]().union(*map(columns_of, found))
    missing = [name for name in sorted(names) if table.column(name).nullable]
    if missing and any(map(_has_case, found)):
        return None
    return [Not(IsNull(name)) for name in missing]


def _has_case(node: Part) -> bool:
    return isinstance(node, Where) or any(map(_has_case, children(node)))


def aggregate_of(node: Node, table: TableSpec) -> Aggregate:
    """Return an aggregate as a measure and its conditions. Raises QueryRefused."""
    if isinstance(node, exp.Count | exp.CountIf | exp.Filter):
        return _counted(node, table)
    for kind, make in _OF_ONE.items():
        if isinstance(node, kind):
            value, conditions = _present(node.this, table)
            return Aggregate(make(computed(value, table)), conditions)
    for kind, pair in _OF_TWO.items():
        if isinstance(node, kind):
            return Aggregate(pair(computed(node.this, table), computed(node.expression, table)))
    if isinstance(node, exp.Anonymous) and node.name.lower() == "histogram":
        return Aggregate(_histogram(node, table))
    if isinstance(node, exp.Anonymous) and node.name.lower() == "mean" and len(node.expressions) == 1:
        return aggregate_of(exp.Avg(this=node.expressions[0]), table)
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
        of, share = node.this, 0.5
    elif isinstance(node, exp.Quantile):
        of, share = node.this, number(node.args["quantile"])
    elif isinstance(node, exp.PercentileCont) and node.expression:  # DuckDB's QUANTILE_CONT
        of, share = node.this, number(node.expression)
    elif isinstance(node, exp.WithinGroup) and isinstance(node.this, exp.PercentileCont):
        of, share = _ascending(node), number(node.this.this)
    else:
        raise refusal(node, sql_codes.aggregate_refusal(node, table))
    value, conditions = _present(of, table)
    return Aggregate(Quantiles(expression(value, table), (share,)), conditions)


def _histogram(node: exp.Anonymous, table: TableSpec) -> Histogram:
    if len(node.expressions) < 3:
        raise refusal(node, "give a number and at least two edges, such as HISTOGRAM(x, 0, 10, 20).")
    of, *edges = node.expressions
    return Histogram(computed(of, table), tuple(number(edge) for edge in edges))


def _ascending(node: exp.WithinGroup) -> Node:
    """Return the one expression that a percentile is ordered by."""
    ordered, *more = node.expression.expressions
    if more or ordered.args.get("desc"):
        raise refusal(node, "order by exactly one number, ascending.")
    return cast("Node", ordered.this)


_NAMES: dict[type[Measure], str] = {
    Sum: "sum",
    Mean: "mean",
    Variance: "variance",
    StandardDeviation: "standard_deviation",
    Covariance: "covariance",
    Correlation: "correlation",
    Quantiles: "quantile",
}
"""The names of figures in answers, as `privacy.engine.figures` gives them; others are counts."""
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
        inner = aggregate_of(node.this, table)
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
    return Aggregate(Count(), (*conditions, *_there(value, table)))


def _there(node: exp.Column, table: TableSpec) -> tuple[Predicate, ...]:
    """Return the condition that a column has a value; none if it always has one."""
    name = column_name(node)
    with at(node):
        if name == table.subject or not table.column(name).nullable:
            return ()
        check_readable(table.column(name))
    return (Not(IsNull(name)),)


def _count_people(node: exp.Distinct, table: TableSpec) -> Aggregate:
    if len(node.expressions) == 1:
        value, conditions = _present(node.expressions[0], table)
        if column_name(value) == table.subject:
            return Aggregate(CountSubjects(), conditions)
    raise refusal(node, f"COUNT(DISTINCT …) can only count people: write COUNT(DISTINCT {table.subject}).")
