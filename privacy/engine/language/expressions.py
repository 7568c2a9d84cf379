"""Row-local expressions: what may be computed from one row of one subject, and between which bounds it must lie.

An expression is frozen data. It is checked against public declarations alone (never against rows) and evaluated
column-wise. Locality (the contribution of a subject depends on that subject's rows only) holds because nothing here
can refer to another row.

`bounds` says between which bounds an expression lies; `privacy.engine.measure.evaluate` computes it.
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
    """The value of a declared numeric column, clamped to its declared bounds. Of quantiles alone also a date's."""

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
    """base to a whole power from 2 to 8."""

    base: Expression
    exponent: int


@dataclass(frozen=True, slots=True)
class Clip:
    """`of`, moved into [lower, upper]."""

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
"""The comparisons that change when left and right change places."""


@dataclass(frozen=True, slots=True)
class Compare:
    """left op right, op one of = != < <= > >=, between numeric expressions."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class In:
    """A category column (or yes/no column) is one of these declared values."""

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
            raise QueryRefused("A filter needs at least one condition.")


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part is true. At least one part."""

    parts: tuple[Predicate, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise QueryRefused("A filter needs at least one condition.")


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    of: Predicate


Predicate: TypeAlias = Compare | In | IsNull | And | Or | Not
Node: TypeAlias = Expression | Predicate


def children(node: Node) -> Iterator[Node]:
    for item in fields(node):
        value = getattr(node, item.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Node):
                yield part


def columns_of(node: Node) -> frozenset[str]:
    """Names of all columns that an expression reads."""
    own = {node.name} if isinstance(node, Column) else set()
    own |= {node.column} if isinstance(node, In | IsNull) else set()
    return frozenset(own).union(*(columns_of(child) for child in children(node)))


def check_size(node: Node) -> None:
    """Refuse what is too deep or too long before anything recurses into it."""
    stack, count = [(node, 1)], 0
    while stack:
        item, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            raise QueryRefused(
                f"The expression is too complex: use at most {MAX_NODES} parts, nested at most {MAX_DEPTH} levels deep."
            )
        stack.extend((child, depth + 1) for child in children(item))
