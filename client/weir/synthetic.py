"""Questions for synthetic tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weir import learning as le
from weir.columns import Column
from weir.declarations import ColumnSpec, Kind, listed
from weir.errors import NotOffered
from weir.questions import Question
from weir.scopes import Scope

NOT_DECLARED = frozenset({Kind.TEXT, Kind.OTHER})
"""Kinds whose values are not declared: a synthetic table could only repeat those of people."""


def question(scope: Scope, columns: Iterable[str | Column] | None, focus: Any, bins: Any) -> Question:
    """Return the question for a table of these columns, or of all whose values are declared."""
    every = [spec.name for spec in scope.spec.columns.values() if spec.kind not in NOT_DECLARED]
    if isinstance(columns, (str, Column)):
        raise NotOffered('Give a list of columns: table.synthesize(["age", "income"]).')
    names = tuple(every if columns is None else [_column(each, scope).name for each in columns])
    if not 0 < len(set(names)) == len(names) <= le.MAX_SYNTHETIC_COLUMNS:
        raise NotOffered(f"A synthetic table has 1 to {le.MAX_SYNTHETIC_COLUMNS} columns, each once.")
    focused = None if focus is None else _column(focus, scope).name
    if focused is not None and focused not in names:
        raise NotOffered(f"The focus “{focused}” is not among the columns {listed(names)}.")
    if isinstance(bins, bool) or not isinstance(bins, int) or not 2 <= bins <= le.MAX_SYNTHETIC_BINS:
        raise NotOffered(f"The bounds of a number are cut into 2 to {le.MAX_SYNTHETIC_BINS} parts: bins=16.")
    if scope.rows is not None:
        raise NotOffered(
            "In a synthetic table each person counts with their first row. Take the table without rows_of_a_person."
        )
    return Question(scope, le.SyntheticTable(names, bins, focused))


def _column(given: Any, scope: Scope) -> ColumnSpec:
    if isinstance(given, Column):
        scope.joined(given.scope)
        if given.spec is None:
            raise NotOffered(
                "A synthetic table has columns of the table, not expressions. Compute them from its rows."
            )
        given = given.spec.name
    spec = scope.spec.column(given)
    if spec.kind in NOT_DECLARED:
        raise NotOffered(f"The values of “{spec.name}” are not declared, so none can be made up.")
    return spec
