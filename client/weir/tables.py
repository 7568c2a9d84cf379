"""Tables: named columns about the same rows, with the aggregates that need no column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from weir import (
    cards,
    numpy_names,  # noqa: F401 -- it says what NumPy's functions do with columns
    synthetic,
    words,
)
from weir import grammar as g
from weir.columns import Column, named
from weir.declarations import TableSpec, listed, nearest, table_from_json
from weir.errors import NoSuchName, NotOffered, NotPrivate
from weir.fits import Fits
from weir.groups import Grouped
from weir.questions import Question, Questions
from weir.readings import Reading
from weir.remote import COLUMN_NAMES, Remote
from weir.scopes import Offline, Scope

if TYPE_CHECKING:
    import pandas as pd

    from weir.blockcode import Code
    from weir.codetrials import CodeTrial

OTHER_NAMES = {
    "sort_values": "Rows have no order here. Sort the answer: answer.to_pandas().sort_values(…).",
    "query": "Write the condition in Python, table[table.wage > 5], or the whole question in SQL: dataset.sql(…).",
    "where": "Write the condition in brackets: table[table.wage > 5].",
    "assign": "Keep a new column in a variable: share = table.a / table.b.",
    "drop": "Columns need not be dropped: a question reads those that it names.",
    "rename": "Keep a column under another name in a variable.",
    "pivot_table": "Group by two columns: table.groupby([a, b])[c].mean(), and pivot the answer.",
    "pivot": "Group by two columns: table.groupby([a, b])[c].mean(), and pivot the answer.",
    "iterrows": "Rows stay with the owner. Ask for an aggregate, or work with table.mock_rows().",
    "itertuples": "Rows stay with the owner. Ask for an aggregate, or work with table.mock_rows().",
    "to_csv": "Rows stay with the owner. Export an answer, or work with table.mock_rows().",
    "to_parquet": "Rows stay with the owner. Export an answer, or work with table.mock_rows().",
    "info": "See table.spec for the declarations.",
    "dtypes": "See table.spec for the declarations.",
    "corr": "Ask about one pair of columns: table.a.corr(table.b).",
    "cov": "Ask about one pair of columns: table.a.cov(table.b, ddof=0).",
    "mean": "Ask about one column: table.wage.mean(), or several with table.agg(a=table.a.mean(), b=…).",
    "sum": "Ask about one column: table.wage.sum(), or several with table.agg(a=table.a.sum(), b=…).",
    "median": "Ask about one column: table.wage.median(), or several with table.agg(…).",
    "std": "Ask about one column: table.wage.std(), or several with table.agg(…).",
    "var": "Ask about one column: table.wage.var(), or several with table.agg(…).",
}


class Table(Remote):
    """A table whose rows stay with the owner.

    >>> from weir import demo
    >>> t = demo.table()
    >>> t["wage"].mean() == t.wage.mean()
    True
    >>> t[t.region == "north"].count_people()
    Question: number of people where region == 'north', in wages. Not asked yet: .mock(), .price(…), .release(…)
    """

    __slots__ = ("scope",)

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @classmethod
    def offline(cls, declarations: TableSpec | Mapping[str, Any], mock: Any = None) -> Table:
        """Return a table without a portal, from its declarations (as the portal's JSON) and mock rows.

        These are an Arrow table, a DataFrame or a dict of arrays. Its questions have `mock()` and `to_wire()`.
        """
        spec = declarations if isinstance(declarations, TableSpec) else table_from_json(declarations)
        if mock is None:
            return cls(Scope(spec, Offline()))
        from weir.mock.rows import mock_rows  # noqa: PLC0415 -- it brings pyarrow

        return cls(Scope(spec, Offline(mock_rows(spec, mock))))

    @property
    def called(self) -> str:
        return f"The table {self.spec.name}"

    @property
    def spec(self) -> TableSpec:
        """The owner's declarations."""
        return self.scope.spec

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.spec.columns)

    @property
    def fit(self) -> Fits:
        """Models: .linear(target, explaining, …); .logistic, .multinomial, .poisson and .additive(outcome, on=[…])."""
        return Fits(self.scope)

    def __getitem__(self, key: Any) -> Any:
        """Return a column by its name, or the rows that pass a condition."""
        if isinstance(key, str):
            return named(key, self.scope)
        if isinstance(key, Column):
            return Table(self.scope.narrowed_by(key.scope, key.as_test()))
        if isinstance(key, (list, tuple)) and all(isinstance(each, str) for each in key):
            raise NotOffered(
                "Columns need not be selected: a question reads those that it names. Take one, table[name], or ask "
                "several questions with table.agg(…)."
            )
        raise NotPrivate(
            f"{self.called} has no rows here, and they have no order. Filter with a condition: table[table.a > 5]."
        )

    def filter(self, *conditions: Column) -> Table:
        """Return the rows that pass all conditions."""
        found = self
        for condition in conditions:
            if not isinstance(condition, Column):
                raise NotOffered("filter() takes conditions: table.filter(table.wage > 5).")
            found = Table(found.scope.narrowed_by(condition.scope, condition.as_test()))
        return found

    def groupby(self, by: str | Column | Iterable[str | Column], **options: Any) -> Grouped:
        """Return the table in groups of declared values: all of them, in their declared order, also the empty ones.

        >>> from weir import demo
        >>> demo.table().groupby(["region", "union"])["wage"].mean().text
        'mean of wage, by region and union, in wages'
        """
        if options:
            raise NotOffered(
                "groupby() takes column names alone: groups are the declared values, in their order."
            )
        return Grouped(self.scope, by)

    def agg(self, **questions: Question) -> Questions:
        """Return several questions with names, priced and released together."""
        return Questions(questions)

    def count(self) -> Question:
        """How many rows?"""
        return Question(self.scope, g.Count())

    def count_people(self) -> Question:
        """How many people?"""
        return Question(self.scope, g.CountSubjects())

    def rows_per_person(self, q: Any = 0.98) -> Question:
        """How many rows do these shares of the people have at most?"""
        shares = tuple(float(each) for each in np.atleast_1d(q))
        return Question(self.scope, g.PersonQuantiles(None, shares), (), Reading(single=np.ndim(q) == 0))

    def synthesize(
        self, columns: Iterable[str | Column] | None = None, *, focus: Any = None, bins: int = 16
    ) -> Question:
        """Return the question for a table of made-up people, with the same shares and pairs of values.

        `columns`: numbers, dates and categories, or all of them. `focus`: a column whose pairs with the others matter
        most, such as what a model will predict. `bins`: the most parts into which the bounds of a number are cut.
        Each person counts with their first row.

        >>> from weir import demo
        >>> demo.table().synthesize(["wage", "region", "union"], focus="union").text
        'synthetic table of wage, region, union, focused on union, in wages'
        """
        return synthetic.question(self.scope, columns, focus, bins)

    def describe(self, *names: str) -> Questions:
        """The questions of Column.describe() for these columns, or all numeric ones."""
        chosen = names or [column.name for column in self.spec.columns.values() if column.is_numeric]
        each = {name: self[name].describe() for name in chosen}
        return Questions(
            {f"{name}_{what}": found for name, several in each.items() for what, found in several.items()}
        )

    def rows_of_a_person(self, rows: int) -> Table:
        """Return the table with so many rows counting for each person, instead of as many as declared.

        Fewer make answers cheaper; what people have beyond is scaled down.
        """
        return Table(self.scope.capped(rows))

    def mock_rows(self) -> Any:
        """Return the mock rows as an Arrow table: made up from the declarations, about nobody."""
        return self.scope.source.mock(self.spec).arrow

    def mock_block(self) -> pd.DataFrame:
        """Return the mock rows of this table as code gets the rows of a block: a DataFrame with the declared types.

        People are numbered from 0 on, and text columns are left out. Needs pandas.

        table[table.year > 1984].mock_block().dtypes
        """
        from weir.mock.blocks import block_frame  # noqa: PLC0415 -- it brings pyarrow

        return block_frame(self.spec, self.scope.source.mock(self.spec), self.scope.condition)

    def try_code(
        self,
        code: Code,
        *,
        epsilon: float | None = None,
        share: float | None = None,
        people: int | None = None,
        blocks: int | None = None,
    ) -> CodeTrial:
        """Try code on mock data on the portal, in blocks as its answer would be, and wait. Spends nothing.

        Give the `epsilon` or the `share` of the budget that the answer may cost, which decides on the number of
        blocks. `people`: how many the conditions leave, as far as you know. `blocks`: how many you want instead.

        trial = table[table.year > 1984].try_code(code, epsilon=1); trial.price; answer = trial.release()

        Raises RunFailed, with the traceback, for code that fails on the mock data.
        """
        from weir.blockcode import Code  # noqa: PLC0415 -- what needs no code is done without it

        if not isinstance(code, Code):
            raise NotOffered(
                'Say what the code returns first: code = weir.code(main, answers={"mean": (0, 60)}).'
            )
        if self.scope.rows is not None:
            raise NotOffered(
                "Code gets as many rows of a person as the table declares. Take the table without rows_of_a_person."
            )
        terms = {"epsilon": epsilon, "share": share}
        given = {name: float(value) for name, value in terms.items() if value is not None}
        if len(given) != 1 or not 0 < next(iter(given.values())) < float("inf"):
            raise NotOffered(
                "Say what the answer may cost, in one way: epsilon=1.0, or share=0.2 (of your budget)."
            )
        whole = {
            name: int(many) for name, many in (("people", people), ("blocks", blocks)) if many is not None
        }
        asked = code.question(self.spec.name, self.scope.condition, **whole)
        return self.scope.source.try_code(g.to_wire(asked), given)

    def __contains__(self, name: object) -> bool:  # type: ignore[override]
        return name in self.spec.columns

    def __iter__(self) -> NoReturn:
        raise NotPrivate(f"{self.called} has no rows here. Its column names are in table.columns.")

    def __bool__(self) -> NoReturn:
        raise NotPrivate("Whether a table has rows is private. Release table.count().")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise NotOffered(
            "A table cannot get new columns. Keep the expression in a variable: share = table.a / table.b."
        )

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> NoReturn:
        raise NotOffered(
            f"np.{func.__name__} needs a column: np.{func.__name__}(table.{next(iter(self.spec.columns))})."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> NoReturn:
        raise NotOffered(
            f"np.{ufunc.__name__} needs a column: np.{ufunc.__name__}(table.{next(iter(self.spec.columns))})."
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.spec.columns:
            return named(name, self.scope)
        if name in OTHER_NAMES or name in COLUMN_NAMES:
            raise NoSuchName(
                f".{name} is not offered on a table. {OTHER_NAMES.get(name) or COLUMN_NAMES[name]}"
            )
        raise NoSuchName(
            f"{self.spec.name} has no column or method “{name}”.{nearest(name, self.spec.columns)} "
            f"Its columns are {listed(self.spec.columns)}."
        )

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self.spec.columns if name.isidentifier())]

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns

    def __repr__(self) -> str:
        where = f" where {words.condition(self.scope.condition)}" if self.scope.condition else ""
        return f"Table: {self.spec.name}{where}, with the columns {listed(self.columns, 20)}"

    def _repr_html_(self) -> str:
        return cards.columns(self.spec, self.scope.source.name)
