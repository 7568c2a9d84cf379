"""How the figures of an answer are read: which of them is its value, and whether it is one number or several."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """`name`: what the value is called if not by its measure. `single`: a list of one line is read as one number.

    `dates`: figures are dates.
    """

    name: str = ""
    single: bool = True
    dates: bool = False
