"""Questions as frozen data, and their JSON: the form in which they are sent, priced and stored.

A node becomes an object with a `kind`, the snake-case name of its class, and one key for each field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from weir.learning import Fit, SyntheticTable

MAX_NODES = 200
MAX_DEPTH = 40
MAX_GROUPS = 10_000
MAX_KEYS = 4
MAX_QUANTILES = 9
MAX_FEATURES = 8
MAX_BINS = 256
MAX_VALUES = 1000
WIDE = 1e300
"""Stands for "no limit" at one end of a clip."""


@dataclass(frozen=True)
class Column:
    """The value of a column, moved into its declared bounds."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A public number."""

    value: float


@dataclass(frozen=True)
class Binary:
    """left op right; op is one of + - * /."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Unary:
    """op is one of -, abs, exp, log, sqrt."""

    op: str
    of: Expression


@dataclass(frozen=True)
class Power:
    """`base` to the power of a whole number from 2 to 8."""

    base: Expression
    exponent: int


@dataclass(frozen=True)
class Clip:
    """`of`, moved into [lower, upper]."""

    of: Expression
    lower: float
    upper: float


@dataclass(frozen=True)
class Where:
    """`then` where the condition is known to hold, otherwise `otherwise`."""

    condition: Predicate
    then: Expression
    otherwise: Expression


Expression: TypeAlias = Column | Constant | Binary | Unary | Power | Clip | Where


@dataclass(frozen=True)
class Compare:
    """left op right; op is one of = != < <= > >=."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class In:
    """The value of a category or yes/no column is one of these declared values."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class IsNull:
    """The column has no value in this row."""

    column: str


@dataclass(frozen=True)
class And:
    """Every part holds."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True)
class Or:
    """At least one part holds."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True)
class Not:
    """The part is known not to hold."""

    of: Predicate


Predicate: TypeAlias = Compare | In | IsNull | And | Or | Not
Node: TypeAlias = Expression | Predicate


@dataclass(frozen=True)
class Count:
    """How many rows?"""


@dataclass(frozen=True)
class CountSubjects:
    """How many people?"""


@dataclass(frozen=True)
class KeyCounts:
    """How many people have each value of a text column? A person counts with at most `keys` values."""

    column: str
    keys: int = 1


@dataclass(frozen=True)
class Sum:
    """The sum over rows."""

    of: Expression


@dataclass(frozen=True)
class Mean:
    """The mean over rows or, with `per_subject`, the mean of each person's own mean."""

    of: Expression
    per_subject: bool = False


@dataclass(frozen=True)
class Variance:
    """The population variance over rows."""

    of: Expression


@dataclass(frozen=True)
class StandardDeviation:
    """The population standard deviation over rows."""

    of: Expression


@dataclass(frozen=True)
class Quantiles:
    """The values below which these shares of the rows lie."""

    of: Expression
    at: tuple[float, ...]


@dataclass(frozen=True)
class PersonQuantiles:
    """How many rows, or how large a sum of |expression|, do these shares of the people have at most?"""

    of: Expression | None = None
    at: tuple[float, ...] = (0.98,)


@dataclass(frozen=True)
class Distribution:
    """Which share of the rows lies at or below each of `bins` equally spaced values?"""

    of: Expression
    bins: int = 32


@dataclass(frozen=True)
class Histogram:
    """How many rows lie between neighbouring edges? The last bin contains its upper edge."""

    of: Expression
    edges: tuple[float, ...]


@dataclass(frozen=True)
class Regression:
    """The linear function of the features that fits the target best, by least squares over rows."""

    target: Expression
    features: tuple[Expression, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Correlation:
    """The correlation of two numbers over rows (Pearson)."""

    x: Expression
    y: Expression


@dataclass(frozen=True)
class Covariance:
    """The population covariance of two numbers over rows."""

    x: Expression
    y: Expression


Measure: TypeAlias = (
    Count
    | CountSubjects
    | KeyCounts
    | Sum
    | Mean
    | Variance
    | StandardDeviation
    | Quantiles
    | PersonQuantiles
    | Distribution
    | Histogram
    | Regression
    | Correlation
    | Covariance
    | Fit
    | SyntheticTable
)
EXPRESSIONS = (Column, Constant, Binary, Unary, Power, Clip, Where)
PREDICATES = (Compare, In, IsNull, And, Or, Not)


@dataclass(frozen=True)
class Query:
    """One question to one table. `rows`: how many rows of a person count, if not as many as the table declares."""

    table: str
    measure: Measure
    where: Predicate | None = None
    by: tuple[str, ...] = ()
    rows: int | None = None


@dataclass(frozen=True)
class Box:
    """Which numbers does the code return, each between its bounds? `halves`: half samples correct small blocks."""

    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    method: str = "auto"
    halves: bool = True


@dataclass(frozen=True)
class Ball:
    """Which vector, no longer than `radius`, does the code return? `start`: what it gets in the first round."""

    size: int
    radius: float
    rounds: int = 1
    start: tuple[float, ...] = ()


@dataclass(frozen=True)
class Votes:
    """Which of these labels does the code return?"""

    labels: tuple[str, ...]


Shape: TypeAlias = Box | Ball | Votes


@dataclass(frozen=True)
class CodeQuestion:
    """Code over blocks of people. `people`: how many the condition leaves, if fewer than all; `blocks`: how many;
    `environment`: the packages that the code can import."""

    table: str
    code: str
    shape: Shape
    where: Predicate | None = None
    people: int | None = None
    blocks: int | None = None
    environment: str = "default"


def to_wire(item: object) -> Any:
    """Return a question, or a part of one, as JSON values."""
    cls: type[Any] = type(item)
    if cls in _PLAIN:
        return item
    if cls is tuple:
        parts: Any = item
        return [to_wire(part) for part in parts]
    names, kind = _shape(cls)
    found = {name: to_wire(getattr(item, name)) for name in names}
    return found if cls in _WITHOUT_KIND else {"kind": kind, **found}


_WITHOUT_KIND = (Query, CodeQuestion)
_PLAIN = frozenset({str, int, float, bool, type(None)})


def _shape(cls: type[Any]) -> tuple[tuple[str, ...], str]:
    """Return the names of a class's fields, and the `kind` that stands for it."""
    if cls not in _SHAPES:
        names = tuple(field.name for field in fields(cls))
        _SHAPES[cls] = names, kind_of(cls)
    return _SHAPES[cls]


_SHAPES: dict[Any, tuple[tuple[str, ...], str]] = {}


def _names(node: object) -> tuple[str, ...]:
    return _shape(type(node))[0]


def parts(node: Node) -> Iterator[Node]:
    """Yield the expressions and conditions that a node consists of."""
    for name in _names(node):
        value = getattr(node, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, (*EXPRESSIONS, *PREDICATES)):
                yield part


def columns_of(node: Node) -> frozenset[str]:
    """Return the names of the columns that an expression or a condition reads."""
    if isinstance(node, Column):
        return frozenset({node.name})
    own = {node.column} if isinstance(node, (In, IsNull)) else set()
    return frozenset(own).union(*map(columns_of, parts(node)))


def kind_of(cls: type) -> str:
    """Return the `kind` of a class in JSON."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def joined(kind: type[And | Or], first: Predicate, second: Predicate) -> And | Or:
    """Return both conditions joined by AND or OR, without nesting one kind in itself."""
    return kind((*_parts_of(kind, first), *_parts_of(kind, second)))


def _parts_of(kind: type[And | Or], node: Predicate) -> tuple[Predicate, ...]:
    return node.parts if isinstance(node, (And, Or)) and type(node) is kind else (node,)
