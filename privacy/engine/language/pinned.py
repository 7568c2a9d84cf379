"""How many values of a column can pass a filter. With declared rows per value, this bounds a person's rows.

The result only sets a clip, so an error here would cost accuracy, never privacy.
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
"""Integer columns whose bounds hold more values than this are not enumerated."""
MISSING = None
Value: TypeAlias = str | int | None


def values_left(where: Predicate | None, spec: ColumnSpec) -> int | None:
    """Return how many distinct values of the column can pass a filter.

    None if that number is not bounded, for example because a missing value can pass.
    """
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
    """Return the values for which the predicate can be known to be true (holds) or known to be false (not holds)."""
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
    """Compare a value with a limit. The values "0" and "1" of a yes/no column count as numbers."""
    return COMPARISONS[op](float(value or 0), limit)
