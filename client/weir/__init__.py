"""The client of Weir: ask questions about data that stays where it is.

>>> from weir import demo
>>> t = demo.table()
>>> wage, year = t["wage"], t["year"]
>>> wage[year > 1984].clip(0, 40).mean().mock()
mock: 26.8543 (mean of wage.clip(0, 40) where year > 1984, in wages)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from weir.version import VERSION

__version__ = VERSION

__all__ = [
    "Answer", "BudgetExceeded", "CannotBeBounded", "ClientTooOld", "Code", "CodeAnswer", "CodeTrial", "Column",
    "Condition", "Conflict", "Denied", "DifferentRows", "Gone", "InvalidRequest", "MockAnswer", "ModelAnswer",
    "NotFound", "NotOffered", "NotPrivate", "NotSignedIn", "PortalFailed", "Question", "Questions", "Refused",
    "RunFailed", "Stale", "Table", "TableAnswer", "TooLarge", "TooManyCalls", "Unreachable", "WeirError",
    "__version__", "code", "login", "logout", "spending",
]  # fmt: skip

if TYPE_CHECKING:
    from weir.answers import Answer, MockAnswer
    from weir.blockcode import Code, code
    from weir.codeanswers import CodeAnswer
    from weir.codetrials import CodeTrial
    from weir.columns import Column, Condition
    from weir.limits import spending
    from weir.modelanswers import ModelAnswer
    from weir.questions import Question, Questions
    from weir.signin import login, logout
    from weir.tableanswers import TableAnswer
    from weir.tables import Table
else:
    # What takes long to import is imported when it is first used.
    _HOMES = {
        "Answer": "answers", "Code": "blockcode", "CodeAnswer": "codeanswers", "CodeTrial": "codetrials",
        "Column": "columns", "Condition": "columns", "MockAnswer": "answers", "ModelAnswer": "modelanswers",
        "Question": "questions", "Questions": "questions", "Table": "tables", "TableAnswer": "tableanswers",
        "code": "blockcode", "login": "signin", "logout": "signin", "spending": "limits",
    }  # fmt: skip

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'weir' has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 -- rarely needed

        found = globals()[name] = getattr(import_module(f"weir.{_HOMES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
