"""Evaluate expressions and filters column by column: one number or truth value per row.

Evaluation is total: no value in a row raises an error, and results that are not finite become null. Nulls follow SQL's
three-valued logic: arithmetic with a null is null, a comparison with a null is unknown, and a row is kept only if its
filter is known to be true.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

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
from privacy.engine.language.schema import TableSpec

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Values:
    """One number per row, of any numeric dtype, and whether it is present. Shapes (rows,)."""

    numbers: npt.NDArray[Any]
    valid: Bools


PART = 2**17
"""Rows that are evaluated together: their numbers fit into a processor's cache."""
EVERYWHERE: Bools = np.empty(0, dtype=np.bool_)
"""Stands for a column without missing values, without an array of its length."""


class Rows:
    """The columns of one table as stored: numbers within their bounds, categories as codes into their labels.

    A column's `valid` may be EVERYWHERE.
    """

    def __init__(
        self,
        table: TableSpec,
        columns: Mapping[str, Values],
        length: int,
        texts: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.table, self.columns, self.length = table, columns, length
        self._texts = texts or {}

    def texts(self, name: str) -> Sequence[str]:
        """Return the texts that the codes of a text column stand for. As private as the rows."""
        return self._texts[name]

    def part(self, begin: int, end: int) -> "Rows":
        """Return the rows from `begin` up to, but not including, `end`, without copying."""
        columns = {
            name: Values(found.numbers[begin:end], found.valid[begin:end] if len(found.valid) else EVERYWHERE)
            for name, found in self.columns.items()
        }
        return Rows(self.table, columns, end - begin, self._texts)

    def column(self, name: str) -> Values:
        """Return a column with `valid` written out, never EVERYWHERE. Shapes (rows,)."""
        found = self.columns[name]
        if len(found.valid) == self.length:
            return found
        return Values(found.numbers, np.broadcast_to(np.True_, self.length))


def evaluate(node: Expression, rows: Rows) -> Values:
    """Return the expression's value in each row. Numbers are 0 where `valid` is false."""
    with np.errstate(all="ignore"):
        found = _evaluate(node, rows)
    usable = found.valid & np.isfinite(found.numbers)
    return Values(np.where(usable, found.numbers, 0.0), usable)


def holds(node: Predicate | None, rows: Rows) -> Bools:
    """Return where the filter is known to be true. Shape (rows,)."""
    if node is None:
        return np.ones(rows.length, dtype=np.bool_)
    with np.errstate(all="ignore"):
        return _known(node, rows, of=True)


def kept_rows(where: Predicate | None, rows: Rows) -> Bools:
    """Return the rows that a filter keeps, or EVERYWHERE without one. Shape (rows,)."""
    if where is None:
        return EVERYWHERE
    kept = np.empty(rows.length, dtype=np.bool_)
    for begin in range(0, rows.length, PART):
        end = min(begin + PART, rows.length)
        kept[begin:end] = holds(where, rows.part(begin, end))
    return kept


def parts_of(offsets: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of subjects with at most PART rows together, or with one subject."""
    first, people = 0, len(offsets) - 1
    while first < people:
        last = int(np.searchsorted(offsets, offsets[first] + PART, side="right")) - 1
        last = min(max(last, first + 1), people)
        yield first, last
        first = last


def _evaluate(node: Expression, rows: Rows) -> Values:
    match node:
        case Column(name):
            spec, found = rows.table.column(name), rows.column(name)
            return Values(np.clip(_contiguous(found.numbers), spec.lower, spec.upper), found.valid)
        case Constant(value):
            return Values(np.full(rows.length, value), np.ones(rows.length, dtype=np.bool_))
        case Binary(op, left, right):
            a, b = _evaluate(left, rows), _evaluate(right, rows)
            return Values(_ARITHMETIC[op](a.numbers, b.numbers), a.valid & b.valid)
        case Unary(op, of):
            a = _evaluate(of, rows)
            return Values(_FUNCTIONS[op](a.numbers), a.valid)
        case Power(base, exponent):
            a = _evaluate(base, rows)
            return Values(a.numbers**exponent, a.valid)
        case Clip(of, lower, upper):
            a = _evaluate(of, rows)
            return Values(np.clip(a.numbers, lower, upper), a.valid)
        case Where(condition, then, otherwise):
            chosen, a, b = _known(condition, rows, of=True), _evaluate(then, rows), _evaluate(otherwise, rows)
            return Values(np.where(chosen, a.numbers, b.numbers), np.where(chosen, a.valid, b.valid))


def _contiguous(numbers: npt.NDArray[Any]) -> Floats:
    """Copy to contiguous floats: exp, log and powers of strided arrays differ in the last bit from row to row."""
    return np.ascontiguousarray(numbers, dtype=np.float64)


def _known(node: Predicate, rows: Rows, *, of: bool) -> Bools:
    """Return where a predicate is known to be true or, if `of` is False, known to be false. Shape (rows,)."""
    match node:
        case Compare() | In():
            holds_, valid = _comparison(node, rows)
            found = holds_ if of else ~holds_
            return found if len(valid) == 0 else found & valid
        case IsNull(column):
            valid = rows.column(column).valid
            return ~valid if of else valid
        case And(parts) | Or(parts):
            every = np.logical_and if isinstance(node, And) == of else np.logical_or
            together: Bools = every.reduce([_known(part, rows, of=of) for part in parts])
            return together
        case Not(inner):
            return _known(inner, rows, of=not of)


def _comparison(node: Compare | In, rows: Rows) -> tuple[Bools, Bools]:
    """Return the result of a comparison in each row, and where both sides are present (or EVERYWHERE)."""
    match node:
        case In(column, values):
            spec, found = rows.table.column(column), rows.columns[column]
            return np.isin(found.numbers, [spec.labels.index(value) for value in values]), found.valid
        case Compare(op, Column(name), Constant(value)):
            found = rows.columns[name]
            # Compare a whole number as an integer: small integer columns then need not be widened.
            whole = float(value).is_integer() and abs(value) < 2**62
            return _COMPARE[op](found.numbers, int(value) if whole else value), found.valid
        case Compare(op, left, right):
            a, b = _evaluate(left, rows), _evaluate(right, rows)
            return _COMPARE[op](a.numbers, b.numbers), a.valid & b.valid


_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "-": np.negative,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
}
_COMPARE: dict[str, Callable[[Any, Any], Bools]] = {
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
