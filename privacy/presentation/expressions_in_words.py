"""Expressions and conditions in words: `price (at most 1,000)`, `region is east or west and year ≥ 1985`."""

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
from privacy.engine.language.sql_text import WIDE, number

SIGNS = {"=": "is", "!=": "is not", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}
OPERATORS = {"+": "+", "-": "\N{MINUS SIGN}", "*": "×", "/": "/"}
LONGEST = 60
"""Longest expression that is written out, in characters."""


def expression(node: Expression) -> str:
    """Return an expression such as `price (at most 1,000)`, or only “an expression” when it is too long."""
    text = _written(node)
    return text if len(text) <= LONGEST else "an expression"


def _written(node: Expression) -> str:  # noqa: C901 -- one case a kind
    match node:
        case Column(name):
            return name
        case Constant(value):
            return plain(value)
        case Binary(op, left, right):
            return f"{_nested(left)} {OPERATORS[op]} {_nested(right)}"
        case Unary("-", of):
            return f"\N{MINUS SIGN}{_nested(of)}"
        case Unary(op, of):
            return f"{op}({_written(of)})"
        case Power(base, exponent):
            return f"{_nested(base)}^{exponent}"
        case Clip(of, lower, upper):
            return _clipped(of, lower, upper)
        case Where(test, then, otherwise):
            return f"{_nested(then)} if {condition(test)}, else {_nested(otherwise)}"


def _clipped(of: Expression, lower: float, upper: float) -> str:
    """Join a lower and an upper limit, which SQL nests, into one phrase."""
    if isinstance(of, Clip) and max(of.lower, lower) <= min(of.upper, upper):
        return _clipped(of.of, max(of.lower, lower), min(of.upper, upper))
    return f"{_nested(of)} ({_limits(lower, upper)})"


def _nested(node: Expression) -> str:
    text = _written(node)
    return f"({text})" if isinstance(node, Binary | Where) else text


def _limits(lower: float, upper: float) -> str:
    if lower <= -WIDE:
        return f"at most {grouped(upper)}"
    return f"at least {grouped(lower)}" if upper >= WIDE else f"{grouped(lower)} to {grouped(upper)}"


def grouped(value: float) -> str:
    """Return a number with thousands separators: `1,000`."""
    whole = float(value).is_integer() and abs(value) < 1e15
    return (f"{int(value):,}" if whole else number(value)).replace("-", "\N{MINUS SIGN}")


def plain(value: float) -> str:
    """Return a number as in `grouped`, but without a comma where it may be a year."""
    return number(value) if 1000 <= value < 3000 else grouped(value)


def condition(node: Predicate) -> str:  # noqa: C901 -- one case a kind
    match node:
        case And(parts):
            return " and ".join(map(condition, parts))
        case Or(parts):
            return f"({' or '.join(map(condition, parts))})"
        case Not(In(column, values)):
            return f"{column} is not {' or '.join(values)}"
        case Not(IsNull(column)):
            return f"{column} is not missing"
        case Not(of):
            return f"not ({condition(of)})"
        case In(column, values):
            return f"{column} is {' or '.join(values)}"
        case IsNull(column):
            return f"{column} is missing"
        case Compare(op, left, right):
            return f"{expression(left)} {SIGNS[op]} {expression(right)}"
