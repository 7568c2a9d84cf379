"""The client of Weir: ask questions about data that stays where it is.

>>> from weir import demo
>>> t = demo.table()
>>> wage, year = t["wage"], t["year"]
>>> wage[year > 1984].clip(0, 40).mean().mock()
mock: 26.8543 (mean of wage.clip(0, 40) where year > 1984, in wages)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from weir.limits import spending
from weir.questions import Question, Questions
from weir.tables import Table
from weir.version import VERSION

if TYPE_CHECKING:
    from weir.signin import login, logout

__version__ = VERSION

__all__ = [
    "Answer", "BudgetExceeded", "CannotBeBounded", "ClientTooOld", "Column", "Condition", "Conflict", "Denied",
    "DifferentRows", "Gone", "InvalidRequest", "MockAnswer", "NotFound", "NotOffered", "NotPrivate", "NotSignedIn",
    "PortalFailed", "Question", "Questions", "Refused", "RunFailed", "Stale", "Table", "TooLarge", "TooManyCalls",
    "Unreachable", "WeirError", "__version__", "login", "logout", "numpy_names", "spending",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in {"login", "logout"}:
        from weir import signin  # noqa: PLC0415 -- what needs no portal is imported without it

        return getattr(signin, name)
    raise AttributeError(f"module 'weir' has no attribute {name!r}")
