"""A limit on what questions may spend, so that a loop in a notebook does not empty a budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from weir import shares
from weir.errors import BudgetExceeded, NotOffered


@dataclass
class Limit:
    """What may be spent, as a share of budgets, and what has been."""

    at_most: float
    spent: float = 0.0

    @property
    def left(self) -> float:
        return self.at_most - self.spent


_LIMITS: ContextVar[tuple[Limit, ...]] = ContextVar("weir_limits", default=())


@contextmanager
def spending(at_most: float) -> Iterator[Limit]:
    """Let the questions in this block spend at most this share of a budget together. Blocks can be nested."""
    if not 0 < at_most <= 1:
        raise NotOffered("at_most is a share of the budget: above 0, at most 1.")
    limit = Limit(at_most)
    token = _LIMITS.set((*_LIMITS.get(), limit))
    try:
        yield limit
    finally:
        _LIMITS.reset(token)


def is_limited() -> bool:
    return bool(_LIMITS.get())


def check(share: float) -> None:
    """Raise BudgetExceeded if spending this share would pass a limit. Nothing has been asked then."""
    for limit in _LIMITS.get():
        if share > limit.left:
            raise BudgetExceeded(
                f"This would spend {shares.of_budget(share)}, but this block may spend only "
                f"{shares.percent(max(limit.left, 0))} more. Nothing was asked. Allow more with "
                "spending(at_most=…), or ask for a larger error.",
                code="spending",
                problem={"costs": share, "left": max(limit.left, 0.0)},
            )


def note(share: float) -> None:
    """Note what was spent."""
    for limit in _LIMITS.get():
        limit.spent += share
