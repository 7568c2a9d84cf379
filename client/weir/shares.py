"""Parts of a budget in words: the one way to write a percentage."""

from __future__ import annotations

TIMES = 1.05
"""From here on, how many times as much as there is can be told apart from 1."""


def percent(share: float) -> str:
    """Return a part of a whole: `12 %`, `3.4 %`, `0.05 %`. The portal writes them in the same way."""
    value = share * 100
    if 0 < value < 0.01:
        return "less than 0.01 %"
    if value == 0 or value >= 9.95:
        return f"{value:,.0f} %"
    return f"{value:.1f} %" if value >= 0.95 else f"{value:.2g} %"


def of_budget(share: float) -> str:
    """Return `12 % of the budget` or, for what nobody can spend, `322 times the budget`."""
    if share <= 1:
        return f"{percent(share)} of the budget"
    if share < TIMES:
        return "more than the whole budget"
    return f"{share:.1f} times the budget" if share < 9.95 else f"{share:,.0f} times the budget"
