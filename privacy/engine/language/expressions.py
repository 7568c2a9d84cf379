"""Row-local expressions and filters: what may be computed from one row of one subject.

An expression is frozen data. It is checked against public declarations alone, never against rows, and evaluated column
by column. Nothing here can refer to another row, so the contribution of a subject depends on that subject's rows only.

`privacy.engine.language.bounds` computes the bounds of an expression, `privacy.engine.measure.evaluate` its values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TypeAlias

from privacy.engine.language.schema import QueryRefused

MAX_NODES = 200
MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Column:
    """The value of a declared numeric column, clamped to its declared bounds. Quantiles also accept a date column."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A public number."""

    value: float


@dataclass(frozen=True, slots=True)
class Binary:
    """left op right, op one of + - * /."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Unary:
    """op one of -, abs, exp, log, sqrt."""

    op: str
    of: Expression


@dataclass(frozen=True, slots=True)
class Power:
    """`base` to the power of a whole number from 2 to 8."""

    base: Expression
    exponent: int


@dataclass(frozen=True, slots=True)
class Clip:
    """`of`, clamped to [lower, upper]."""

    of: Expression
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Where:
    """`then` where the condition is known to be true, otherwise `otherwise`."""

    condition: Predicate
    then: Expression
    otherwise: Expression


Expression: TypeAlias = Column | Constant | Binary | Unary | Power | Clip | Where


COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Operators that change when the two sides are swapped, and what they become."""


@dataclass(frozen=True, slots=True)
class Compare:
    """left op right, op one of = != < <= > >=, between numeric expressions."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class In:
    """The value of a category or yes/no column is one of these declared values."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """The column has no value in this row."""

    column: str


@dataclass(frozen=True, slots=True)
class And:
    """Every part is true. At least one part."""

    parts: tuple[Predicate, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise QueryRefused("AND and OR need at least one condition.")


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part is true. At least one part."""

    parts: tuple[Predicate, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise QueryRefused("AND and OR need at least one condition.")


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    of: Predicate


Predicate: TypeAlias = Compare | In | IsNull | And | Or | Not
Node: TypeAlias = Expression | Predicate


def children(node: Node) -> Iterator[Node]:
    """Yield the direct parts of a node that are themselves expressions or predicates."""
    for item in fields(node):
        value = getattr(node, item.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Node):
                yield part


def columns_of(node: Node) -> frozenset[str]:
    """Return the names of all columns that an expression or filter reads."""
    own = {node.name} if isinstance(node, Column) else set()
    own |= {node.column} if isinstance(node, In | IsNull) else set()
    return frozenset(own).union(*(columns_of(child) for child in children(node)))


def check_size(node: Node) -> None:
    """Raise QueryRefused for a node that is too deep or too large, before anything recurses into it."""
    stack, count = [(node, 1)], 0
    while stack:
        item, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            raise QueryRefused(
                f"The expression is too complex: use at most {MAX_NODES} parts, nested at most {MAX_DEPTH} levels deep."
            )
        stack.extend((child, depth + 1) for child in children(item))
