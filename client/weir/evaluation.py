"""Values of expressions and conditions on rows that are here, column by column: on mock data.

Nothing in a row raises an error: what is not finite is missing. Arithmetic with a missing value is missing, a
comparison with one is unknown, and a row is kept only if its condition is known to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from weir import grammar as g
from weir.declarations import TableSpec

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Values:
    """One number for each row, and whether it is there. Shapes (rows,)."""

    numbers: npt.NDArray[Any]
    valid: Bools


@dataclass(frozen=True)
class Rows:
    """Columns of a table: numbers, dates as days since 1970, labels as codes into the declared ones.

    `texts`: what the codes of a text column stand for.
    """

    table: TableSpec
    columns: Mapping[str, Values]
    length: int
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)


def evaluate(node: g.Expression, rows: Rows) -> Values:
    """Return an expression's value in each row; numbers are 0 where it is missing."""
    with np.errstate(all="ignore"):
        found = _value(node, rows)
    usable = found.valid & np.isfinite(found.numbers)
    return Values(np.where(usable, found.numbers, 0.0), usable)


def holds(node: g.Predicate | None, rows: Rows) -> Bools:
    """Return in which rows a condition is known to hold."""
    if node is None:
        return np.ones(rows.length, dtype=np.bool_)
    with np.errstate(all="ignore"):
        return _known(node, rows, wanted=True)


_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "-": np.negative, "abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
}  # fmt: skip
_COMPARED: dict[str, Callable[[Any, Any], Bools]] = {
    "=": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


def _column(node: g.Column, rows: Rows) -> Values:
    spec, found = rows.table.columns[node.name], rows.columns[node.name]
    # A contiguous copy: exp, log and powers of strided arrays differ in the last bit.
    numbers = np.ascontiguousarray(found.numbers, dtype=np.float64)
    return Values(np.clip(numbers, spec.lower, spec.upper), found.valid)


def _constant(node: g.Constant, rows: Rows) -> Values:
    return Values(np.full(rows.length, node.value), np.ones(rows.length, dtype=np.bool_))


def _binary(node: g.Binary, rows: Rows) -> Values:
    a, b = _value(node.left, rows), _value(node.right, rows)
    return Values(_ARITHMETIC[node.op](a.numbers, b.numbers), a.valid & b.valid)


def _unary(node: g.Unary, rows: Rows) -> Values:
    a = _value(node.of, rows)
    return Values(_FUNCTIONS[node.op](a.numbers), a.valid)


def _power(node: g.Power, rows: Rows) -> Values:
    a = _value(node.base, rows)
    return Values(a.numbers**node.exponent, a.valid)


def _clip(node: g.Clip, rows: Rows) -> Values:
    a = _value(node.of, rows)
    return Values(np.clip(a.numbers, node.lower, node.upper), a.valid)


def _where(node: g.Where, rows: Rows) -> Values:
    chosen = _known(node.condition, rows, wanted=True)
    a, b = _value(node.then, rows), _value(node.otherwise, rows)
    return Values(np.where(chosen, a.numbers, b.numbers), np.where(chosen, a.valid, b.valid))


_BY_KIND: dict[type, Callable[[Any, Rows], Values]] = {
    g.Column: _column, g.Constant: _constant, g.Binary: _binary, g.Unary: _unary, g.Power: _power, g.Clip: _clip,
    g.Where: _where,
}  # fmt: skip


def _value(node: g.Expression, rows: Rows) -> Values:
    return _BY_KIND[type(node)](node, rows)


def _known(node: g.Predicate, rows: Rows, *, wanted: bool) -> Bools:
    """Return where a condition is known to be true or, if `wanted` is False, known to be false."""
    if isinstance(node, g.Not):
        return _known(node.of, rows, wanted=not wanted)
    if isinstance(node, g.IsNull):
        valid = rows.columns[node.column].valid
        return ~valid if wanted else valid
    if isinstance(node, (g.And, g.Or)):
        every = np.logical_and if isinstance(node, g.And) == wanted else np.logical_or
        together: Bools = every.reduce([_known(part, rows, wanted=wanted) for part in node.parts])
        return together
    found, valid = _compared(node, rows)
    return (found if wanted else ~found) & valid


def _compared(node: g.Compare | g.In, rows: Rows) -> tuple[Bools, Bools]:
    """Return how a comparison comes out in each row, and in which rows both sides are there."""
    if isinstance(node, g.In):
        labels, column = rows.table.columns[node.column].labels, rows.columns[node.column]
        return np.isin(column.numbers, [labels.index(value) for value in node.values]), column.valid
    if isinstance(node.left, g.Column) and isinstance(node.right, g.Constant):
        column, value = rows.columns[node.left.name], node.right.value
        return _COMPARED[node.op](column.numbers, value), column.valid
    a, b = _value(node.left, rows), _value(node.right, rows)
    return _COMPARED[node.op](a.numbers, b.numbers), a.valid & b.valid
