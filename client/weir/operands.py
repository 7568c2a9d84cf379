"""What may stand beside a remote column: numbers, answers, and columns of the same rows. Never local arrays."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from weir import terms
from weir.answers import Answer
from weir.errors import NotOffered
from weir.questions import Question, Questions
from weir.terms import Term

LOCAL = (
    "Local lists and arrays cannot be combined with private rows, whose order and number nobody sees. Use a single "
    "number, .isin([…]) for a list of values, or np.where and np.select to map values."
)
MISSING = "Missing values are found with .isna(), left out with table[~column.isna()], and replaced with .fillna(0)."


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN or another mark for a missing value."""
    return (
        value is None
        or type(value).__name__ in {"NAType", "NaTType"}
        or (_is_real(value) and math.isnan(value))
    )


def number(value: Any, what: str = "This") -> float:
    """Return a number that stands beside a column. Raises NotOffered or NotPrivate for anything else."""
    if type(value) in {int, float} and math.isfinite(value):
        return float(value)
    if isinstance(value, (Question, Questions)):
        return float(value)  # refuses, and says why
    if isinstance(value, str):
        raise NotOffered(f"{what} is the text {value[:40]!r}. Numbers are written without quotes.")
    if is_missing(value):
        raise NotOffered(f"A missing value cannot be used as a number. {MISSING}")
    if isinstance(value, Answer) or _is_real(value):
        return float(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return number(value.item(), what)
    if hasattr(value, "__len__") or hasattr(value, "__iter__"):
        raise NotOffered(LOCAL)
    raise NotOffered(
        f"{what} is {type(value).__name__}, but has to be a number or a column of the same table."
    )


def term(value: Any, what: str = "This") -> Term:
    """Return a number as a term."""
    return terms.constant(number(value, what))


def _is_real(value: Any) -> bool:
    return isinstance(value, (numbers.Real, np.number, np.bool_)) or type(value).__name__ == "Decimal"
