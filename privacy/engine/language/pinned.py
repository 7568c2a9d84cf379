"""How many values of a column a filter can let pass: with rows declared for each value, it bounds those of a person.

Only a clip follows from it, so an error here would cost exactness and no protection.
"""

from functools import reduce
from typing import TypeAlias

from privacy.engine.language.expressions import (
    COMPARISONS,
    TURNED,
    And,
    Column,
    Compare,
    Constant,
    In,
    IsNull,
    Not,
    Or,
    Predicate,
)
from privacy.engine.language.schema import ColumnSpec, Kind

MAX_WHOLE_NUMBERS = 1000
"""Whole numbers are told apart when their bounds hold no more of them."""
MISSING = None
Value: TypeAlias = str | int | None


def values_left(where: Predicate | None, spec: ColumnSpec) -> int | None:
    """How many values of the column the rows that a filter keeps can have together; None where that is not bounded, as
    where a missing value can pass."""
    known = _values(spec)
    if where is None or known is None:
        return None
    left = _passing(where, spec, known, holds=True)
    return None if MISSING in left else len(left)


def _values(spec: ColumnSpec) -> frozenset[Value] | None:
    if spec.is_key:
        return frozenset(spec.labels)
    whole = float(spec.lower).is_integer() and float(spec.upper).is_integer()
    if spec.kind != Kind.INTEGER or not whole or spec.upper - spec.lower >= MAX_WHOLE_NUMBERS:
        return None
    return frozenset(range(int(spec.lower), int(spec.upper) + 1))


def _passing(node: Predicate, spec: ColumnSpec, known: frozenset[Value], *, holds: bool) -> frozenset[Value]:
    """The values with which the predicate can be known to be true (holds) or to be false (not holds)."""
    match node:
        case In(column, values) if column == spec.name:
            return frozenset(value for value in known if (value in values) == holds)
        case IsNull(column) if column == spec.name:
            return frozenset({MISSING}) if holds else known
        case Compare(op, Column(name), Constant(limit)) if name == spec.name and spec.is_numeric:
            return frozenset(value for value in known if _compared(op, value, limit) == holds)
        case Compare(op, Constant(limit), Column(name)) if name == spec.name and spec.is_numeric:
            return frozenset(value for value in known if _compared(TURNED.get(op, op), value, limit) == holds)
        case And(parts) | Or(parts):
            each = [_passing(part, spec, known, holds=holds) for part in parts]
            every = isinstance(node, And) == holds
            return reduce(frozenset.intersection if every else frozenset.union, each)
        case Not(of):
            return _passing(of, spec, known, holds=not holds)
        case _:
            return known | {MISSING}


def _compared(op: str, value: Value, limit: float) -> bool:
    """The values of a yes/no column, "0" and "1", are compared as numbers."""
    return COMPARISONS[op](float(value or 0), limit)
