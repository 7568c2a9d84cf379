"""What is shown of a released answer: HAVING, ORDER BY and LIMIT, applied to its noisy figures.

A display is no part of a query. It reads what is released already, so it costs nothing and reveals nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from privacy.engine.language.expressions import (
    COMPARISONS,
    And,
    Column,
    Compare,
    Constant,
    Not,
    Or,
    Predicate,
    check_size,
)
from privacy.engine.language.schema import MAX_NUMBER, QueryRefused

MOST_CONDITIONS = 10
MOST_ORDERS = 5
MOST_LINES = 1_000_000
LONGEST = 4_000
"""The most characters of a display as text, in a URL: enough for as many conditions and orders as there may be."""
Line: TypeAlias = dict[str, Any]
"""A line of an answer: its `key`, a list of texts, and its `figures`, each with a `name` and a `value`."""


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by a column of the groups (`is_key`) or by a figure. `missing_first`: figures lost in noise come first."""

    by: str
    is_key: bool = False
    descending: bool = False
    missing_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """Which lines of an answer are shown, and in what order.

    `having`: a condition on figures, each compared with a number, and named like a column. `limit`: how many lines at
    most, after the first `offset`. Raises QueryRefused for a condition of another form, or numbers out of range.
    """

    having: Predicate | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        if self.having is not None:
            check_size(self.having)
            if len(_comparisons(self.having)) > MOST_CONDITIONS:
                raise QueryRefused(f"HAVING takes at most {MOST_CONDITIONS} comparisons.")
        if len(self.order) > MOST_ORDERS:
            raise QueryRefused(f"ORDER BY takes at most {MOST_ORDERS} columns.")
        if not (self.limit is None or 1 <= self.limit <= MOST_LINES) or not 0 <= self.offset <= MOST_LINES:
            raise QueryRefused(f"LIMIT and OFFSET take whole numbers from 1 to {MOST_LINES:,}.")


EVERYTHING = Display()


def compared(node: Predicate) -> tuple[str, str, float]:
    """Return operator, figure and number of a comparison. Raises QueryRefused for any other condition."""
    match node:
        case Compare(op, Column(name), Constant(limit)) if op in COMPARISONS and abs(limit) <= MAX_NUMBER:
            return op, name, limit
        case _:
            raise QueryRefused(f"HAVING compares figures of the answer with numbers, up to {MAX_NUMBER:g}.")


def _comparisons(node: Predicate) -> list[tuple[str, str, float]]:
    """Return all comparisons of a condition. Raises QueryRefused for a condition of another form."""
    match node:
        case And(parts) | Or(parts):
            return [each for part in parts for each in _comparisons(part)]
        case Not(of):
            return _comparisons(of)
        case _:
            return [compared(node)]


def lines_of(display: Display, by: Sequence[str], lines: Sequence[Line]) -> list[Line]:
    """Return the lines that are shown, in order. `by`: the names of the keys.

    A figure that was lost in noise meets no condition, and is sorted last unless `missing_first`. Raises QueryRefused
    for names that the answer does not have.
    """
    if not lines:
        return []
    known = {figure["name"] for line in lines for figure in line["figures"]}
    _check_names(display, by, known)
    kept = [line for line in lines if display.having is None or _known(display.having, _figures(line))]
    for order in reversed(display.order):  # sorting is stable, so the first one counts most
        kept = _sorted(kept, order, by)
    last = None if display.limit is None else display.offset + display.limit
    return kept[display.offset : last]


def _check_names(display: Display, by: Sequence[str], known: set[str]) -> None:
    for order in display.order:
        if order.by not in (by if order.is_key else known):
            raise QueryRefused(f"This answer has no “{order.by[:100]}” to sort by.")
    for _, name, _ in _comparisons(display.having) if display.having else ():
        if name not in known:
            raise QueryRefused(f"This answer has no figure “{name[:100]}”.")


def _figures(line: Line) -> dict[str, Any]:
    return {figure["name"]: figure["value"] for figure in line["figures"]}


def _known(node: Predicate, figures: Mapping[str, Any]) -> bool | None:
    """Return whether the condition holds, None if that is unknown: SQL's three-valued logic."""
    match node:
        case Not(of):
            inner = _known(of, figures)
            return None if inner is None else not inner
        case And(parts) | Or(parts):
            found = [_known(part, figures) for part in parts]
            decisive = isinstance(node, Or)
            return decisive if decisive in found else None if None in found else not decisive
        case _:
            op, name, limit = compared(node)
            value = figures.get(name)
            return COMPARISONS[op](value, limit) if isinstance(value, int | float) else None


def _sorted(lines: Sequence[Line], order: Order, by: Sequence[str]) -> list[Line]:
    if order.is_key:
        place = list(by).index(order.by)
        rank = _ranked([line["key"][place] for line in lines])
        return sorted(lines, key=lambda line: rank(line["key"][place]), reverse=order.descending)
    there = [line for line in lines if _figures(line).get(order.by) is not None]
    lost = [line for line in lines if _figures(line).get(order.by) is None]
    found = sorted(there, key=lambda line: _figures(line)[order.by], reverse=order.descending)
    return [*lost, *found] if order.missing_first else [*found, *lost]


def _ranked(labels: Sequence[str]) -> Callable[[str], float | str]:
    """Return how labels are compared: as numbers if all of them are numbers, otherwise as text."""
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return str
    return float if all(map(math.isfinite, numbers)) else str
