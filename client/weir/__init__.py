"""The client of Weir: ask questions about data that stays where it is.

>>> from weir import demo
>>> t = demo.table()
>>> wage, year = t["wage"], t["year"]
>>> wage[year > 1984].clip(0, 40).mean().mock()
mock: 26.8543 (mean of wage.clip(0, 40) where year > 1984, in wages)
"""

from __future__ import annotations

from weir import numpy_names
from weir.answers import Answer, MockAnswer
from weir.columns import Column, Condition
from weir.errors import (
    BudgetExceeded,
    CannotBeBounded,
    ClientTooOld,
    Conflict,
    Denied,
    DifferentRows,
    Gone,
    InvalidRequest,
    NotFound,
    NotOffered,
    NotPrivate,
    NotSignedIn,
    PortalFailed,
    Refused,
    RunFailed,
    Stale,
    TooLarge,
    TooManyCalls,
    Unreachable,
    WeirError,
)
from weir.questions import Question, Questions
from weir.tables import Table
from weir.version import VERSION

__version__ = VERSION

__all__ = [
    "Answer", "BudgetExceeded", "CannotBeBounded", "ClientTooOld", "Column", "Condition", "Conflict", "Denied",
    "DifferentRows", "Gone", "InvalidRequest", "MockAnswer", "NotFound", "NotOffered", "NotPrivate", "NotSignedIn",
    "PortalFailed", "Question", "Questions", "Refused", "RunFailed", "Stale", "Table", "TooLarge", "TooManyCalls",
    "Unreachable", "WeirError", "__version__", "numpy_names",
]  # fmt: skip
