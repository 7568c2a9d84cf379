"""Bounds of expressions and checks of filters, from public declarations alone.

Interval arithmetic on the declared bounds (Moore, Interval analysis, 1966, chapters 3 and 4), for the values that are
computed in float64. IEEE 754 rounds +, -, *, / and square roots correctly, and rounding is monotone: no value computed
in a row lies beyond the computed ends, so these need no margin and an end of 0 stays 0. Libraries compute exp, log and
powers with an error below one step of a float. Their ends are moved outward by one step, but not past a 0 that the
function itself does not pass. Planning and refusals use bounds. The privacy proof does not rest on them, but on the
integer clip per subject.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from privacy.engine.language.expressions import (
    COMPARISONS,
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
from privacy.engine.language.schema import (
    MAX_NUMBER,
    MAX_TEXT,
    MAX_WHOLE_GROUPS,
    ColumnSpec,
    Kind,
    QueryRefused,
    TableSpec,
    listed,
    nearest,
)

MAX_VALUES = 1000
EXP_LIMIT = 700.0
EXPONENTS = range(2, 9)
LIMITED = "Limit it first with GREATEST or LEAST (in JSON: clip)"
NOT_NUMBERS = {
    Kind.CATEGORY: "compare it with its declared values using =, <> or IN, or group by it",
    Kind.TEXT: "it is a text column, which conditions cannot use; count people by its values instead",
}
NOT_READ = {
    Kind.DATE: "holds dates. Ask only for quantiles of the column itself, with MEDIAN or QUANTILE",
    Kind.OTHER: "holds dates with times, which questions do not support yet",
}


@dataclass(frozen=True, slots=True)
class Interval:
    """The closed interval of values that an expression can take."""

    lower: float
    upper: float

    @property
    def magnitude(self) -> float:
        """The largest absolute value in the interval."""
        return max(abs(self.lower), abs(self.upper))


def bounds(node: Expression, table: TableSpec) -> Interval:
    """Return the interval of an expression. Raises QueryRefused if some allowed row has no value for it."""
    match node:
        case Column(name):
            return _column_bounds(table.column(name))
        case Constant(value):
            return Interval(check_number(value), check_number(value))
        case Binary(op, left, right):
            return _binary_bounds(op, bounds(left, table), bounds(right, table))
        case Unary(op, of):
            return _unary_bounds(op, bounds(of, table))
        case Power(base, exponent):
            return _power_bounds(bounds(base, table), exponent)
        case Clip(of, lower, upper):
            return _clip_bounds(bounds(of, table), check_number(lower), check_number(upper))
        case Where(condition, then, otherwise):
            check_filter(condition, table)
            a, b = bounds(then, table), bounds(otherwise, table)
            return Interval(min(a.lower, b.lower), max(a.upper, b.upper))


def unreadable(spec: ColumnSpec) -> str:
    """The reason why no expression may read this column (it holds dates or times), or an empty string."""
    return f"“{spec.name}” {NOT_READ[spec.kind]}." if spec.kind in NOT_READ else ""


def check_readable(spec: ColumnSpec) -> None:
    """Raise QueryRefused for a column of dates or times, with what can be asked instead."""
    if why := unreadable(spec):
        raise QueryRefused(why)


def check_groups(spec: ColumnSpec) -> None:
    """Raise QueryRefused for a column that questions cannot group by, with what can be asked instead."""
    check_readable(spec)
    if spec.groups:
        return
    if not spec.is_numeric:
        raise QueryRefused(
            f"“{spec.name}” has no declared categories to group by: it is a text column. Count the people by its "
            "values instead, without another column, if the owner releases them."
        )
    raise QueryRefused(
        f"“{spec.name}” has no declared categories to group by, and not just up to {MAX_WHOLE_GROUPS} whole numbers "
        f"between its bounds. Ask about a range instead: WHERE {spec.name} BETWEEN {_range_of(spec)}; or count rows by "
        "range, with HISTOGRAM."
    )


def _range_of(spec: ColumnSpec) -> str:
    """Return a tenth of a column's declared range, as the ends of BETWEEN."""
    width = spec.upper - spec.lower
    low, high = (spec.lower + width * part for part in (0.4, 0.5))
    return f"{low:.0f} AND {high:.0f}" if width >= 10 else f"{low:.6g} AND {high:.6g}"


def _column_bounds(spec: ColumnSpec) -> Interval:
    check_readable(spec)
    if not spec.is_numeric:
        raise QueryRefused(f"“{spec.name}” is not a number: {NOT_NUMBERS[spec.kind]}.")
    return Interval(spec.lower, spec.upper)


def check_filter(node: Predicate, table: TableSpec) -> None:
    """Raise QueryRefused for a filter that the declarations do not allow."""
    match node:
        case Compare():
            _check_compare(node, table)
        case In(column, values):
            _check_in(table.column(column), values)
        case IsNull(column):
            check_readable(table.column(column))
        case And(parts) | Or(parts):
            for part in parts:
                check_filter(part, table)
        case Not(of):
            check_filter(of, table)


def _check_compare(node: Compare, table: TableSpec) -> None:
    if node.op not in COMPARISONS:
        raise QueryRefused(f"“{node.op[:MAX_TEXT]}” is not a comparison operator. Use =, !=, <, <=, > or >=.")
    bounds(node.left, table)
    bounds(node.right, table)


def _check_in(spec: ColumnSpec, values: tuple[str, ...]) -> None:
    check_readable(spec)
    if spec.kind not in {Kind.CATEGORY, Kind.BOOLEAN}:
        why = "compare it with numbers, without quotes" if spec.is_numeric else NOT_NUMBERS[spec.kind]
        raise QueryRefused(f"“{spec.name}” has no declared categories: {why}.")
    if not 0 < len(values) <= MAX_VALUES:
        raise QueryRefused(f"List between 1 and {MAX_VALUES:,} values of “{spec.name}”.")
    unknown = [value for value in values if value not in spec.labels]
    if unknown:
        raise QueryRefused(_not_declared(unknown[0], spec))


def _not_declared(value: str, spec: ColumnSpec) -> str:
    if spec.kind == Kind.BOOLEAN:
        return f"“{spec.name}” is yes or no. In SQL, write {spec.name} = TRUE or {spec.name} = FALSE (in JSON: 1 or 0)."
    return (
        f"“{value[:MAX_TEXT]}” is not a declared value of “{spec.name}”.{nearest(value, spec.labels)} "
        f"Its values: {listed(spec.labels, quotes=True)}."
    )


def check_number(value: float) -> float:
    """Return a number of a question as a float. Raises QueryRefused if it is not finite, or too large to be stored."""
    if isinstance(value, bool) or not math.isfinite(value):
        raise QueryRefused(f"{value!r} is not a finite number.")
    if abs(value) > MAX_NUMBER:
        raise QueryRefused(f"{value!r} is too large. Use numbers up to {MAX_NUMBER:g}.")
    return float(value)


def _within(lower: float, upper: float) -> Interval:
    """Return the interval with these ends. Raises QueryRefused if one of them is not finite."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        raise QueryRefused(f"The expression can become too large for a floating-point number. {LIMITED}.")
    return Interval(lower, upper)


def _outward(lower: float, upper: float, *, positive: bool = False, negative: bool = False) -> Interval:
    """Move both ends outward by one step. `positive`, `negative`: no value can be below 0, above 0."""
    low, high = math.nextafter(lower, -math.inf), math.nextafter(upper, math.inf)
    return _within(max(low, 0.0) if positive else low, min(high, 0.0) if negative else high)


def _binary_bounds(op: str, a: Interval, b: Interval) -> Interval:
    if op not in ARITHMETIC:
        raise QueryRefused(f"“{op[:MAX_TEXT]}” is not an arithmetic operator. Use +, -, * or /.")
    return ARITHMETIC[op](a, b)


def _divide(a: Interval, b: Interval) -> Interval:
    if b.lower <= 0 <= b.upper:
        raise QueryRefused(
            f"The divisor can be 0: by the declared bounds it lies between {b.lower:g} and {b.upper:g}. "
            "Keep it away from 0 with GREATEST or LEAST (in JSON: clip)."
        )
    quotients = [x / y for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
    return _within(min(quotients), max(quotients))


def _multiply(a: Interval, b: Interval) -> Interval:
    products = [x * y for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
    return _within(min(products), max(products))


ARITHMETIC: dict[str, Callable[[Interval, Interval], Interval]] = {
    "+": lambda a, b: _within(a.lower + b.lower, a.upper + b.upper),
    "-": lambda a, b: _within(a.lower - b.upper, a.upper - b.lower),
    "*": _multiply,
    "/": _divide,
}


def _unary_bounds(op: str, a: Interval) -> Interval:
    if op not in FUNCTIONS:
        raise QueryRefused(f"“{op[:MAX_TEXT]}” is not supported. Use abs, exp, log or sqrt.")
    return FUNCTIONS[op](a)


def _abs(a: Interval) -> Interval:
    return Interval(0.0 if a.lower <= 0 <= a.upper else min(abs(a.lower), abs(a.upper)), a.magnitude)


def _exp(a: Interval) -> Interval:
    if a.upper > EXP_LIMIT:
        raise QueryRefused(
            f"The argument of exp() can be as large as {a.upper:g}, but at most {EXP_LIMIT:g} is supported. {LIMITED}."
        )
    return _outward(math.exp(a.lower), math.exp(a.upper), positive=True)


def _log(a: Interval) -> Interval:
    if a.lower <= 0:
        raise QueryRefused(
            f"The argument of a logarithm must be above 0 but can be {a.lower:g} here. {LIMITED}."
        )
    return _outward(math.log(a.lower), math.log(a.upper), positive=a.lower >= 1, negative=a.upper <= 1)


def _sqrt(a: Interval) -> Interval:
    if a.lower < 0:
        raise QueryRefused(
            f"The argument of a square root must not be negative but can be {a.lower:g} here. {LIMITED}."
        )
    return _within(math.sqrt(a.lower), math.sqrt(a.upper))


FUNCTIONS: dict[str, Callable[[Interval], Interval]] = {
    "-": lambda a: Interval(-a.upper, -a.lower),
    "abs": _abs,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
}


def _power_bounds(a: Interval, exponent: int) -> Interval:
    if exponent not in EXPONENTS:
        raise QueryRefused("The exponent must be a whole number from 2 to 8.")
    try:
        ends = [a.lower**exponent, a.upper**exponent]
    except OverflowError:
        ends = [-math.inf, math.inf]
    even = exponent % 2 == 0
    low = 0.0 if even and a.lower <= 0 <= a.upper else min(ends)
    return _outward(low, max(ends), positive=even or a.lower >= 0, negative=not even and a.upper <= 0)


def _clip_bounds(a: Interval, lower: float, upper: float) -> Interval:
    if lower > upper:
        raise QueryRefused(
            f"clip() from {lower:g} to {upper:g}: the lower bound is above the upper bound. Swap them."
        )
    return Interval(min(max(a.lower, lower), upper), max(min(a.upper, upper), lower))
