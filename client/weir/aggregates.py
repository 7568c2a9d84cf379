"""Aggregates of a column, over all rows or by groups: each makes a question and asks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from weir import grammar as g
from weir import operands, registry
from weir.declarations import Kind
from weir.errors import NoSuchName, NotOffered
from weir.questions import Question, Questions
from weir.readings import Reading

if TYPE_CHECKING:
    import numpy.typing as npt

    from weir.columns import Column

NOT_GROUPED = (
    "{} cannot be grouped: each group would need its own search, at the full price. "
    "Ask about one group at a time: table[table.region == value]."
)


class Aggregates:
    """The aggregates of `column`, in groups of `by`."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def column(self) -> Column: ...

        @property
        def by(self) -> tuple[str, ...]: ...

    def count(self, **options: Any) -> Question:
        """How many rows have a value?"""
        registry.check("count", options)
        return self._counted(g.Count())

    def count_people(self) -> Question:
        """How many people have a row with a value?"""
        return self._counted(g.CountSubjects())

    def sum(self, axis: Any = None, dtype: Any = None, **options: Any) -> Question:
        """What do the values add up to? Of a condition: in how many rows does it hold?"""
        registry.check("sum", {"axis": axis, **options})
        return self._asked(g.Sum(self.column.as_term().node))

    def mean(self, axis: Any = None, dtype: Any = None, **options: Any) -> Question:
        """What is the mean? Of a condition: in which share of the rows does it hold?"""
        registry.check("mean", {"axis": axis, **options})
        return self._asked(g.Mean(self.column.as_term().node))

    def var(self, axis: Any = None, dtype: Any = None, **options: Any) -> Question:
        """What is the population variance?"""
        registry.check("var", {"axis": axis, **options})
        return self._asked(g.Variance(self.column.as_term().node))

    def std(self, axis: Any = None, dtype: Any = None, **options: Any) -> Question:
        """What is the population standard deviation?"""
        registry.check("std", {"axis": axis, **options})
        return self._asked(g.StandardDeviation(self.column.as_term().node), Reading(name="std"))

    def median(self, axis: Any = None, **options: Any) -> Question:
        """What is the median? For a column of dates, a date."""
        return self.quantile(0.5, axis=axis, **options)

    def quantile(self, q: Any = 0.5, axis: Any = None, **options: Any) -> Question:
        """Below which value does this share of the rows lie? Several shares make one question with several figures."""
        registry.check("quantile", {"axis": axis, **options})
        self._not_grouped("Quantiles")
        column = self.column
        dated = column.spec is not None and column.spec.kind == Kind.DATE
        of = g.Column(column.spec.name) if column.spec is not None and dated else column.as_term().node
        return self._asked(g.Quantiles(of, _shares(q)), Reading(single=np.ndim(q) == 0, dates=dated))

    def percentile(self, q: Any, axis: Any = None, **options: Any) -> Question:
        """Below which value do so many per cent of the rows lie?"""
        shares = [round(float(each) / 100, 12) for each in np.atleast_1d(q)]
        return self.quantile(shares[0] if np.ndim(q) == 0 else shares, axis=axis, **options)

    def distribution(self, bins: Any = 32) -> Question:
        """Which share of the rows lies at or below each of so many equally spaced values?"""
        self._not_grouped("Distributions")
        if not isinstance(bins, int) or not 2 <= bins <= g.MAX_BINS:
            raise NotOffered(f"A distribution needs 2 to {g.MAX_BINS} bins.")
        return self._asked(g.Distribution(self.column.as_term().node, bins), Reading(single=False))

    def histogram(
        self,
        bins: Any = 10,
        range: Any = None,
        **options: Any,
    ) -> tuple[Question, npt.NDArray[np.float64]]:
        """How many rows lie between neighbouring edges? Returns (question, edges), as NumPy does.

        Without `range`, equal bins fill the declared bounds: the lowest and highest value of the rows are private.
        """
        registry.check("histogram", options)
        self._not_grouped("Histograms")
        term = self.column.as_term()
        edges = _edges(bins, range, (term.interval.lower, term.interval.upper))
        made = self._asked(g.Histogram(term.node, tuple(edges.tolist())), Reading(single=False))
        return made, edges

    def dot(self, other: Any) -> Question:
        """What do the products with another column add up to?"""
        return self._asked(g.Sum((self.column * other).as_term().node))

    def corr(self, other: Column) -> Question:
        """How strongly is it correlated with another column?"""
        self._not_grouped("Correlations")
        scope, (x, y) = _pair(self.column, other)
        return Question(scope, g.Correlation(x, y))

    def cov(self, other: Column, ddof: Any = None) -> Question:
        """What is the population covariance with another column? Say ddof=0: NumPy and pandas divide by n - 1."""
        if ddof != 0:
            raise NotOffered(
                "cov divides by n - 1 in NumPy and pandas, but covariances here are of the population. Write ddof=0."
            )
        self._not_grouped("Covariances")
        scope, (x, y) = _pair(self.column, other)
        return Question(scope, g.Covariance(x, y))

    def value_counts(self, keys: int = 1, **options: Any) -> Question:
        """How often does each declared value occur? Of a text column: how many people have each value?

        The values of a text column are not public: only those of enough people are released. A person counts with at
        most `keys` of them.
        """
        registry.check("value_counts", options)
        spec = self.column.spec
        if spec is not None and spec.kind == Kind.TEXT:
            self._not_grouped("Counts of texts")
            return self._asked(g.KeyCounts(spec.name, keys), Reading(single=False))
        if spec is None or not spec.groups:
            raise NotOffered(
                "value_counts() needs a column with declared values or few whole numbers. For others, use np.histogram."
            )
        return Question(self.column.scope, g.Count(), (*self.by, spec.name))

    def describe(self) -> Questions:
        """The number of values, their mean and standard deviation, and quartiles: questions, priced together.

        There are no minimum and maximum, because one person alone decides them.
        """
        each = {"count": self.count(), "mean": self.mean(), "std": self.std()}
        return Questions(each if self.by else {**each, "quartiles": self.quantile([0.25, 0.5, 0.75])})

    def per_subject(self) -> PerPerson:
        """Let each person count once, however many rows they have: column.per_subject().mean()."""
        return PerPerson(self.column, self.by)

    # How it is put together

    def _asked(self, measure: g.Measure, reading: Reading | None = None) -> Question:
        return Question(self.column.scope, measure, self.by, reading)

    def _counted(self, measure: g.Measure) -> Question:
        """Return a question about the rows in which the column has a value."""
        column = self.column
        if column.spec is not None:
            there = ~column.isna() if column.spec.nullable and column.spec.kind not in _UNTOLD else None
        else:
            there = None if hasattr(column, "_test") else column >= column.as_term().interval.lower
        scope = column.scope if there is None else column.scope.filtered(there.as_test())
        return Question(scope, measure, self.by)

    def _not_grouped(self, what: str) -> None:
        if self.by:
            raise NotOffered(NOT_GROUPED.format(what))


_UNTOLD = frozenset({Kind.DATE, Kind.OTHER})
"""Kinds of which a question cannot ask whether a value is missing."""


class PerPerson:
    """A column with each person counting once."""

    __slots__ = ("by", "column")

    def __init__(self, column: Column, by: tuple[str, ...] = ()) -> None:
        self.column, self.by = column, by

    def mean(self) -> Question:
        """What is the mean of each person's own mean?"""
        return Question(self.column.scope, g.Mean(self.column.as_term().node, per_subject=True), self.by)

    def count(self) -> Question:
        """How many people have a row with a value?"""
        return (
            self.column.count_people()
            if not self.by
            else Question(self.column.scope, g.CountSubjects(), self.by)
        )

    def quantile(self, q: Any = 0.98) -> Question:
        """How large a sum of absolute values do these shares of the people have at most?"""
        if self.by:
            raise NotOffered(NOT_GROUPED.format("Quantiles"))
        return Question(
            self.column.scope,
            g.PersonQuantiles(self.column.as_term().node, _shares(q)),
            (),
            Reading(single=np.ndim(q) == 0),
        )

    def median(self) -> Question:
        """How large a sum of absolute values do half of the people have at most?"""
        return self.quantile(0.5)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NoSuchName(f"per_subject() has .mean(), .count(), .quantile() and .median(), but no .{name}.")


def _shares(q: Any) -> tuple[float, ...]:
    """Return the shares of quantiles. Raises NotOffered for too many, or any outside (0, 1)."""
    found = tuple(operands.number(each, "A quantile") for each in (q if np.ndim(q) else [q]))
    if any(each in {0.0, 1.0} for each in found):
        raise NotOffered(
            "The smallest and the largest value are decided by one person alone. Ask for 0.01 or 0.99."
        )
    if not 0 < len(found) <= g.MAX_QUANTILES or not all(0 < each < 1 for each in found):
        raise NotOffered(
            f"Ask for 1 to {g.MAX_QUANTILES} quantiles, each above 0 and below 1; np.percentile takes per cent."
        )
    return found


def _edges(bins: Any, range_: Any, bounds: tuple[float, float]) -> npt.NDArray[np.float64]:
    if isinstance(bins, str):
        raise NotOffered(
            "The width of bins cannot be chosen from private rows. Give their number, or the edges."
        )
    if np.ndim(bins):
        edges = np.asarray(bins, dtype=np.float64)
    else:
        low, high = (
            bounds if range_ is None else (operands.number(each, "An end of the range") for each in range_)
        )
        edges = np.linspace(low, high, int(operands.number(bins, "The number of bins")) + 1)
    if not 2 <= len(edges) <= g.MAX_BINS + 1:
        raise NotOffered(f"A histogram has 1 to {g.MAX_BINS} bins.")
    if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
        raise NotOffered("The edges of a histogram must be finite and rise.")
    return edges


def _pair(x: Column, y: Any) -> tuple[Any, tuple[g.Expression, g.Expression]]:
    if not hasattr(y, "as_term"):
        raise NotOffered("Give two columns of the same table: np.corrcoef(a, b).")
    return x.scope.joined(y.scope), (x.as_term().node, y.as_term().node)
