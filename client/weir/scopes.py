"""Which rows a column is about: a table, a condition, a limit on rows of a person, and where answers come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from weir import grammar as g
from weir.declarations import TableSpec
from weir.errors import DifferentRows, NotOffered
from weir.terms import Test, flat

if TYPE_CHECKING:
    from weir.codetrials import CodeTrial
    from weir.mock.rows import MockRows
    from weir.questions import Question, Questions

TermsByName: TypeAlias = Mapping[str, Mapping[str, float]]
"""The one term of each question of several."""


class Source(Protocol):
    """Where a table's mock rows, prices and answers come from."""

    @property
    def name(self) -> str:
        """The name of the dataset."""

    def mock(self, spec: TableSpec) -> MockRows:
        """Return the table's mock rows."""

    def price(self, asked: Question, **terms: float) -> Any:
        """Return what an answer would cost. Spends nothing."""

    def release(self, asked: Question, **terms: float) -> Any:
        """Ask, and return the answer. Spends the budget."""

    def price_batch(self, asked: Questions, terms: TermsByName) -> Any:
        """Return what the answers would cost together. Spends nothing."""

    def release_batch(self, asked: Questions, terms: TermsByName) -> Any:
        """Ask all of them, and return the answers by name. Spends the budget."""

    def try_code(self, asked: Mapping[str, Any], terms: Mapping[str, float]) -> CodeTrial:
        """Try code, a question in its wire form, on mock data, and wait. Spends nothing."""


@dataclass(frozen=True)
class Offline:
    """A source without a portal: only mock rows."""

    rows: MockRows | None = None
    name: str = "offline"

    def mock(self, spec: TableSpec) -> MockRows:
        if self.rows is None:
            raise NotOffered(
                f"{spec.name} has no mock rows here. Pass them to weir.Table.offline(declarations, mock)."
            )
        return self.rows

    def price(self, asked: Question, **terms: float) -> Any:
        raise NotOffered(_OFFLINE)

    def release(self, asked: Question, **terms: float) -> Any:
        raise NotOffered(_OFFLINE)

    def price_batch(self, asked: Questions, terms: TermsByName) -> Any:
        raise NotOffered(_OFFLINE)

    def release_batch(self, asked: Questions, terms: TermsByName) -> Any:
        raise NotOffered(_OFFLINE)

    def try_code(self, asked: Mapping[str, Any], terms: Mapping[str, float]) -> CodeTrial:
        raise NotOffered(
            "This table is not connected to a portal. Call the code here: code.run_locally(table). "
            "Sign in with weir.login(address) and take the table from a dataset."
        )


_OFFLINE = (
    "This table is not connected to a portal, so only .mock() works. "
    "Sign in with weir.login(address) and take the table from a dataset."
)


@dataclass(frozen=True, eq=False)
class Scope:
    """The rows of a table that a condition keeps. `rows`: how many of a person count, if not as many as declared."""

    spec: TableSpec
    source: Source
    where: Test | None = None
    rows: int | None = None

    @property
    def condition(self) -> g.Predicate | None:
        return self.where.node if self.where else None

    def filtered(self, test: Test) -> Scope:
        """Return the scope of those rows that also pass this condition."""
        return replace(self, where=test if self.where is None else flat(g.And, self.where, test))

    def capped(self, rows: Any) -> Scope:
        """Return the scope in which so many rows of a person count. Raises NotOffered outside 1 to 4096."""
        if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= 4096:
            raise NotOffered(
                "The number of rows that count for each person must be a whole number from 1 to 4096."
            )
        return replace(self, rows=rows)

    def joined(self, other: Scope) -> Scope:
        """Return the scope of both columns. Raises DifferentRows unless it is the same."""
        if self.spec is not other.spec or self.source is not other.source:
            raise DifferentRows(
                f"One column is of the table {self.spec.name}, the other of {other.spec.name}. A question is about one "
                "table: there are no joins. Submit code for review to combine tables."
            )
        if self.condition != other.condition:
            raise DifferentRows(
                "The two columns are about rows that were filtered differently. Filter the table once, "
                f"kept = {self.spec.name}[condition], and take both columns from it."
            )
        if self.rows != other.rows:
            raise DifferentRows(
                "The two columns count different numbers of rows of a person. Call rows_of_a_person(n) on the table "
                "once, and take both columns from the result."
            )
        return self

    def narrowed_by(self, other: Scope, test: Test) -> Scope:
        """Return the scope of rows that pass a condition written about the whole table, or about these very rows."""
        if other.where is None:
            other = replace(other, where=self.where)
        return self.joined(replace(other, rows=self.rows)).filtered(test)
