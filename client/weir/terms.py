"""Expressions with their bounds and size, built step by step: what cannot be asked is refused where it is written."""

from __future__ import annotations

import math
from dataclasses import dataclass

from weir import grammar as g
from weir import intervals
from weir.errors import NotOffered
from weir.intervals import Interval


@dataclass(frozen=True)
class Term:
    """An expression, the interval of its values, how many parts it has and how deeply they are nested."""

    node: g.Expression
    interval: Interval
    size: int = 1
    depth: int = 1


@dataclass(frozen=True)
class Test:
    """A condition, how many parts it has and how deeply they are nested."""

    __test__ = False  # not a test of pytest

    node: g.Predicate
    size: int = 1
    depth: int = 1


def constant(value: float) -> Term:
    """Return a number as a term. Raises NotOffered if it is not finite."""
    if not math.isfinite(value):
        raise NotOffered(
            f"{value!r} cannot be used as a number here. To leave out missing values filter them: t[~t.x.isna()]; "
            "to replace them, use fillna(0)."
        )
    return Term(g.Constant(float(value)), Interval(float(value), float(value)))


def binary(op: str, a: Term, b: Term) -> Term:
    return _made(g.Binary(op, a.node, b.node), intervals.BINARY[op](a.interval, b.interval), a, b)


def unary(op: str, a: Term) -> Term:
    return _made(g.Unary(op, a.node), intervals.UNARY[op](a.interval), a)


def power(a: Term, exponent: int) -> Term:
    return _made(g.Power(a.node, exponent), intervals.power(a.interval, exponent), a)


def clip(a: Term, lower: float, upper: float) -> Term:
    """Return a term moved into [lower, upper]. Raises NotOffered if these are not in order."""
    if math.isnan(lower) or math.isnan(upper) or lower > upper:
        raise NotOffered(
            f"clip({lower:g}, {upper:g}): the lower end has to be a number at most the upper end. Swap them."
        )
    low, high = (max(min(each, g.WIDE), -g.WIDE) for each in (lower, upper))
    return _made(g.Clip(a.node, low, high), intervals.clip(a.interval, low, high), a)


def where(condition: Test, then: Term, otherwise: Term) -> Term:
    node = g.Where(condition.node, then.node, otherwise.node)
    return _made(node, intervals.union(then.interval, otherwise.interval), condition, then, otherwise)


def compare(op: str, a: Term, b: Term) -> Test:
    return tested(g.Compare(op, a.node, b.node), a, b)


def tested(node: g.Predicate, *of: Term | Test) -> Test:
    """Return a condition made of these parts. Raises NotOffered if it is too large."""
    return Test(node, *_grown(*of))


def flat(kind: type[g.And | g.Or], first: Test, second: Test) -> Test:
    """Return both conditions joined by AND or OR, without nesting one kind in itself."""
    node = g.joined(kind, first.node, second.node)
    inner = [part for part in (first, second) if not isinstance(part.node, kind)]
    outer = [part for part in (first, second) if isinstance(part.node, kind)]
    size, depth = _grown(*inner, *(Test(part.node, part.size - 1, part.depth - 1) for part in outer))
    return Test(node, size, depth)


def _made(node: g.Expression, interval: Interval, *of: Term | Test) -> Term:
    return Term(node, interval, *_grown(*of))


def _grown(*of: Term | Test) -> tuple[int, int]:
    size, depth = 1 + sum(part.size for part in of), 1 + max((part.depth for part in of), default=0)
    if size > g.MAX_NODES or depth > g.MAX_DEPTH:
        raise NotOffered(
            f"This has more than {g.MAX_NODES} parts, or they are nested more than {g.MAX_DEPTH} levels deep. "
            "Ask a simpler question, or submit code for review."
        )
    return size, depth
