"""Models that are fitted by one question."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weir import grammar as g
from weir.columns import Column, named
from weir.errors import NoSuchName, NotOffered
from weir.questions import Question
from weir.scopes import Scope


class Fits:
    """The models of a table."""

    __slots__ = ("scope",)

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def linear(self, target: Any, *explaining: Any, **named: Any) -> Question:
        """Return the question for a linear regression with intercept, by least squares over rows.

        Give columns or their names; name expressions with keywords.

        >>> from weir import demo
        >>> t = demo.table()
        >>> t.fit.linear("wage", "education", experience2=t.experience**2).text
        'regression of wage on education, experience2, in wages'
        """
        flat = [
            each for given in explaining for each in (given if isinstance(given, (list, tuple)) else [given])
        ]
        features = {**{_name(each): each for each in flat}, **named}
        if not 1 <= len(features) <= g.MAX_FEATURES or len(features) != len(flat) + len(named):
            raise NotOffered(f"A regression needs 1 to {g.MAX_FEATURES} explaining columns, each once.")
        scope, nodes = self._joined([target, *features.values()])
        return Question(scope, g.Regression(nodes[0], nodes[1:], tuple(features)))

    def _joined(self, given: Iterable[Any]) -> tuple[Scope, tuple[g.Expression, ...]]:
        scope, nodes = self.scope, []
        for each in given:
            column = each if isinstance(each, Column) else self._column(each)
            scope = scope.joined(column.scope)
            nodes.append(column.as_term().node)
        return scope, tuple(nodes)

    def _column(self, name: Any) -> Column:
        if not isinstance(name, str):
            raise NotOffered("Give columns of the table, or their names: table.fit.linear(“wage”, “age”).")
        return named(name, self.scope)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NoSuchName(
            f"There is no model .{name} here: .linear(target, explaining, …) is. Submit code for others."
        )


def _name(given: Any) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, Column) and given.spec is not None:
        return given.spec.name
    raise NotOffered("Name this explaining expression: table.fit.linear(“wage”, squared=table.age**2).")
