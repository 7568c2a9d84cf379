"""Bounds of a whole expression, for questions that come as data instead of being built from columns."""

from __future__ import annotations

from weir import grammar as g
from weir import intervals
from weir.declarations import TableSpec
from weir.intervals import Interval


def bounds(node: g.Expression, table: TableSpec) -> Interval:
    """Return the interval of an expression. Raises CannotBeBounded."""
    if isinstance(node, g.Column):
        spec = table.columns[node.name]
        return Interval(float(spec.lower), float(spec.upper))
    if isinstance(node, g.Constant):
        return Interval(node.value, node.value)
    if isinstance(node, g.Binary):
        return intervals.BINARY[node.op](bounds(node.left, table), bounds(node.right, table))
    if isinstance(node, g.Unary):
        return intervals.UNARY[node.op](bounds(node.of, table))
    if isinstance(node, g.Power):
        return intervals.power(bounds(node.base, table), node.exponent)
    if isinstance(node, g.Clip):
        return intervals.clip(bounds(node.of, table), node.lower, node.upper)
    check(node.condition, table)
    return intervals.union(bounds(node.then, table), bounds(node.otherwise, table))


def check(node: g.Predicate, table: TableSpec) -> None:
    """Raise CannotBeBounded if a condition compares an expression that has no value in some allowed row."""
    for part in g.parts(node):
        if isinstance(part, g.PREDICATES):
            check(part, table)
        else:
            bounds(part, table)
