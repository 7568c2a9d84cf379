"""How many rows of a person count in full, from a question and the declarations alone.

The portal scales what people have beyond that down, so mock answers do the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import reduce

from weir import grammar as g
from weir.declarations import ColumnSpec, Kind, TableSpec

MOST_WHOLE_NUMBERS = 1000
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
COMPARED: dict[str, Callable[[float, float], bool]] = {
    "=": float.__eq__, "!=": float.__ne__, "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__,
}  # fmt: skip
Known = frozenset[object]


def rows_that_count(query: g.Query, table: TableSpec) -> int:
    """Return the number in the question, or that declared for the table or for the rows that the condition keeps."""
    if query.rows is not None:
        return query.rows
    kept = [
        max(1, spec.rows_per_value * left)
        for spec in table.columns.values()
        if spec.rows_per_value is not None and (left := values_left(query.where, spec)) is not None
    ]
    return min([table.max_rows, *kept])


def groups_of_a_person(by: Iterable[str], table: TableSpec) -> int:
    """Return how many groups one person can be in."""
    varying = [table.columns[name] for name in by if not table.columns[name].constant]
    return math.prod(len(spec.groups) for spec in varying)


def values_left(where: g.Predicate | None, spec: ColumnSpec) -> int | None:
    """Return how many different values of a column can pass a condition; None if that is not known."""
    known = _values(spec)
    if where is None or known is None:
        return None
    left = _passing(where, spec, known, wanted=True)
    return None if None in left else len(left)


def _values(spec: ColumnSpec) -> Known | None:
    if spec.is_key:
        return frozenset(spec.labels)
    whole = float(spec.lower).is_integer() and float(spec.upper).is_integer()
    if spec.kind != Kind.INTEGER or not whole or spec.upper - spec.lower >= MOST_WHOLE_NUMBERS:
        return None
    return frozenset(range(int(spec.lower), int(spec.upper) + 1))


def _passing(node: g.Predicate, spec: ColumnSpec, known: Known, *, wanted: bool) -> Known:
    """Return the values for which a condition can be known to be true or, if `wanted` is False, to be false."""
    if isinstance(node, g.Not):
        return _passing(node.of, spec, known, wanted=not wanted)
    if isinstance(node, (g.And, g.Or)):
        each = [_passing(part, spec, known, wanted=wanted) for part in node.parts]
        every = isinstance(node, g.And) == wanted
        return reduce(frozenset.intersection if every else frozenset.union, each)
    if isinstance(node, g.In) and node.column == spec.name:
        return frozenset(value for value in known if (value in node.values) == wanted)
    if isinstance(node, g.IsNull) and node.column == spec.name:
        return frozenset({None}) if wanted else known
    if isinstance(node, g.Compare) and spec.is_numeric and (limit := _limit(node, spec.name)):
        op, value = limit
        return frozenset(each for each in known if COMPARED[op](float(each or 0), value) == wanted)  # type: ignore[arg-type]
    return known | {None}


def _limit(node: g.Compare, name: str) -> tuple[str, float] | None:
    """Return (operator, number) of a comparison of a column with a number, the column on the left."""
    left, right = node.left, node.right
    if isinstance(left, g.Column) and isinstance(right, g.Constant) and left.name == name:
        return node.op, right.value
    if isinstance(left, g.Constant) and isinstance(right, g.Column) and right.name == name:
        return TURNED.get(node.op, node.op), left.value
    return None
