"""Tables in groups: of declared values, or of whole numbers with few values between their bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from weir import grammar as g
from weir.aggregates import Aggregates
from weir.columns import Column, named
from weir.declarations import ColumnSpec, Kind, nearest
from weir.errors import NoSuchName, NotOffered, NotPrivate
from weir.questions import Question, Questions
from weir.remote import COLUMN_NAMES
from weir.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator


class Grouped:
    """A table in groups. `["wage"].mean()`, `.count()` and `.agg(…)` make questions with one figure for each group."""

    __slots__ = ("by", "scope")

    def __init__(self, scope: Scope, by: str | Column | Iterable[str | Column]) -> None:
        keys = [by] if isinstance(by, (str, Column)) else list(by)
        self.scope, self.by = scope, tuple(_key(each, scope) for each in keys)
        if not 0 < len(self.by) <= g.MAX_KEYS or len(set(self.by)) != len(self.by):
            raise NotOffered(f"Group by 1 to {g.MAX_KEYS} columns, each once.")
        groups = math.prod(len(scope.spec.columns[name].groups) for name in self.by)
        if groups > g.MAX_GROUPS:
            raise NotOffered(
                f"This makes {groups:,} groups, more than {g.MAX_GROUPS:,}. Group by fewer columns."
            )

    def count(self) -> Question:
        """How many rows are in each group?"""
        return Question(self.scope, g.Count(), self.by)

    size = count

    def count_people(self) -> Question:
        """How many people are in each group?"""
        return Question(self.scope, g.CountSubjects(), self.by)

    def agg(self, **questions: Any) -> Questions:
        """Return several questions about each group: .agg(n=("wage", "count"), mean=("wage", "mean"))."""
        return Questions({name: self._question(name, each) for name, each in questions.items()})

    def _question(self, name: str, given: Any) -> Question:
        """Return the question that was given, in these groups, or that of (column, aggregate)."""
        if isinstance(given, Question):
            scope = self.scope.joined(given.scope)
            return Question(scope, given.measure, self.by, given.reading)
        if not (isinstance(given, tuple) and len(given) == 2):
            raise NotOffered(f'Write {name}=("column", "mean"), or give an aggregate of a column.')
        column, aggregate = given
        if aggregate not in {"mean", "sum", "var", "std", "count", "count_people"}:
            raise NotOffered(
                f"“{aggregate}” is not offered in groups: mean, sum, var, std, count and count_people are."
            )
        made: Question = getattr(self[column], aggregate)()
        return made

    def __getitem__(self, key: Any) -> GroupedColumn:
        if isinstance(key, (list, tuple)):
            raise NotOffered(
                "Take one column, grouped[name], or name several questions: .agg(a=(name, “mean”), …)."
            )
        if isinstance(key, Column):
            return GroupedColumn(key.within(self.scope.joined(key.scope)), self.by)
        return GroupedColumn(named(key, self.scope), self.by)

    def __getattr__(self, name: str) -> GroupedColumn:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.scope.spec.columns:
            return self[name]
        if name in COLUMN_NAMES:
            raise NoSuchName(f".{name} is not offered in groups. {COLUMN_NAMES[name]}")
        raise NoSuchName(
            f"There is no column or method “{name}”.{nearest(name, self.scope.spec.columns)} "
            "Take a column first: grouped[“wage”].mean()."
        )

    def __iter__(self) -> Iterator[NoReturn]:
        raise NotPrivate("Groups have no rows here. Ask one question about all of them: grouped.wage.mean().")

    def __len__(self) -> int:
        return math.prod(len(self.scope.spec.columns[name].groups) for name in self.by)

    def __repr__(self) -> str:
        return f"Grouped: {self.scope.spec.name} by {' and '.join(self.by)}, {len(self):,} groups"


class GroupedColumn(Aggregates):
    """A column in groups."""

    __slots__ = ("by", "column")

    def __init__(self, column: Column, by: tuple[str, ...]) -> None:
        self.column, self.by = column, by  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        instead = COLUMN_NAMES.get(name, "There are mean, sum, var, std, count and count_people.")
        raise NoSuchName(f".{name} is not offered in groups. {instead}")

    def __repr__(self) -> str:
        return f"Grouped: {self.column.text} by {' and '.join(self.by)}"


def _key(given: Any, scope: Scope) -> str:
    if isinstance(given, Column) and given.spec is None:
        raise NotOffered(
            "Group by columns with declared values or few whole numbers, not by expressions. To split by a condition, "
            "ask twice."
        )
    name = given.spec.name if isinstance(given, Column) and given.spec else given
    if not isinstance(name, str):
        raise NotOffered("Group by column names: table.groupby([“region”, “sex”]).")
    spec = scope.spec.column(name)
    if not spec.groups:
        raise NotOffered(f"“{name}” has no declared values to group by. {_instead(spec)}")
    return name


def _instead(spec: ColumnSpec) -> str:
    if spec.is_numeric:
        return f"Sort its values into bins, np.histogram(table.{spec.name}), or filter by a range."
    if spec.kind == Kind.TEXT:
        return f"Ask how many people have each of its values: table.{spec.name}.value_counts()."
    return "Choose a column with categories."
