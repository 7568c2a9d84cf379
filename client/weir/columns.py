"""Columns and conditions: NumPy's language on rows that stay where they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from weir import grammar as g
from weir import labels, operands, registry, terms, words
from weir.aggregates import Aggregates
from weir.declarations import ColumnSpec, Kind
from weir.errors import NotOffered, NotPrivate
from weir.intervals import Interval
from weir.remote import Remote
from weir.scopes import Scope
from weir.terms import Term, Test

TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
BRACKETS = (
    "& and | combine conditions, and Python applies them before comparisons. Put brackets around each: "
    "(a > 1) & (b < 2)."
)
NO_PLACES = "Rows have no order here. Filter with a condition, column[column > 5], or ask for .quantile(0.5)."


class Column(Aggregates, Remote):
    """A column, or an expression of columns of one table.

    >>> from weir import demo
    >>> t = demo.table()
    >>> (t.wage * 40).clip(0, 2000)
    Column: (wage * 40).clip(0, 2000), 0 to 2000, in wages
    """

    __slots__ = ("_term", "scope", "spec")

    def __init__(self, scope: Scope, term: Term | None, spec: ColumnSpec | None = None) -> None:
        self.scope, self.spec, self._term = scope, spec, term

    @property
    def by(self) -> tuple[str, ...]:
        return ()

    @property
    def column(self) -> Column:
        return self

    @property
    def called(self) -> str:
        return f"“{self.spec.name}”" if self.spec else "This column"

    def as_term(self) -> Term:
        """The expression with its bounds. Raises NotOffered if the column is not a number."""
        if self._term is None:
            raise NotOffered(f"{self.called} {labels.not_a_number(self.spec)}")
        return self._term

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and the highest value that the declarations allow; None if they are not numbers."""
        if self._is_labelled:
            return None
        interval = self.as_term().interval
        return interval.lower, interval.upper

    @property
    def labels(self) -> tuple[str, ...]:
        """The declared values of a category or yes/no column."""
        return self.spec.labels if self.spec else ()

    def as_test(self) -> Test:
        """The column as a condition. Raises NotOffered unless it is a yes/no column."""
        if self.spec is not None and self.spec.kind == Kind.BOOLEAN:
            return terms.tested(g.In(self.spec.name, ("1",)))
        raise NotOffered(f"{self.called} is not a condition. {BRACKETS}")

    @property
    def text(self) -> str:
        if self._term is not None:
            return words.expression(self._term.node)
        return self.spec.name if self.spec else ""

    # Arithmetic

    def __add__(self, other: Any) -> Column:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Column:
        return self._with("+", other, turned=True)

    def __sub__(self, other: Any) -> Column:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Column:
        return self._with("-", other, turned=True)

    def __mul__(self, other: Any) -> Column:
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Column:
        return self._with("*", other, turned=True)

    def __truediv__(self, other: Any) -> Column:
        return self._with("/", other)

    def __rtruediv__(self, other: Any) -> Column:
        return self._with("/", other, turned=True)

    def __neg__(self) -> Column:
        return self.function("-")

    def __pos__(self) -> Column:
        return Column(self.scope, self.as_term())

    def __abs__(self) -> Column:
        return self.function("abs")

    def __pow__(self, exponent: Any) -> Column:
        """Raise to a power: a whole number from 2 to 8, ½, or −1."""
        if isinstance(exponent, Column):
            raise NotOffered("The exponent cannot be a column. Write np.exp(exponent * np.log(base)).")
        power = operands.number(exponent, "The exponent")
        if power == 0.5:
            return self.function("sqrt")
        if power == 1:
            return +self
        if power == -1:
            return 1 / self
        if power not in range(2, 9):
            raise NotOffered(
                f"The exponent {power:g} is not offered: whole numbers from 2 to 8, 0.5 and -1 are. "
                "For others write np.exp(exponent * np.log(column))."
            )
        return Column(self.scope, terms.power(self.as_term(), int(power)))

    def __rpow__(self, base: Any) -> Column:
        number = operands.number(base, "The base")
        if number <= 0:
            raise NotOffered("The base of a power with a column as exponent must be above 0.")
        return (self * float(np.log(number))).function("exp")

    def __floordiv__(self, other: Any) -> Column:
        raise NotOffered(
            "// and % are not offered. Divide with /, or sort values into bins with np.histogram."
        )

    __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = __floordiv__

    def __matmul__(self, other: Any) -> Any:
        return self.dot(other)

    # Comparisons and conditions

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return self.compared("=", other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return self.compared("!=", other)

    def __lt__(self, other: Any) -> Condition:
        return self.compared("<", other)

    def __le__(self, other: Any) -> Condition:
        return self.compared("<=", other)

    def __gt__(self, other: Any) -> Condition:
        return self.compared(">", other)

    def __ge__(self, other: Any) -> Condition:
        return self.compared(">=", other)

    __hash__ = object.__hash__

    def __and__(self, other: Any) -> Condition:
        return self._combined(g.And, other)

    def __or__(self, other: Any) -> Condition:
        return self._combined(g.Or, other)

    def __xor__(self, other: Any) -> Condition:
        either: Condition = (self & ~_condition(other)) | (~_condition(self) & other)
        return either

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def __invert__(self) -> Condition:
        test = self.as_test()
        if isinstance(test.node, g.Not):
            return Condition(self.scope, Test(test.node.of, test.size - 1, max(1, test.depth - 1)))
        return Condition(self.scope, terms.tested(g.Not(test.node), test))

    def __getitem__(self, key: Any) -> Column:
        """Return the column over the rows that pass a condition."""
        if not isinstance(key, Column):
            raise NotPrivate(NO_PLACES)
        return self.within(self.scope.narrowed_by(key.scope, key.as_test()))

    def between(self, low: Any, high: Any) -> Condition:
        """Return the condition that values are at least `low` and at most `high`."""
        both: Condition = (self >= low) & (self <= high)
        return both

    def isin(self, values: Iterable[Any]) -> Condition:
        """Return the condition that values are among these."""
        if isinstance(values, (str, Column)) or not isinstance(values, Iterable):
            raise NotOffered('Give isin() a list of values: column.isin(["north", "south"]).')
        wanted = list(values)
        if not 0 < len(wanted) <= g.MAX_VALUES:
            raise NotOffered(f"Give isin() between 1 and {g.MAX_VALUES:,} values.")
        if self.spec is not None and self.spec.is_key:
            spec = self.spec
            chosen = tuple(dict.fromkeys(labels.label(each, spec) for each in wanted))
            return Condition(self.scope, terms.tested(g.In(spec.name, chosen)))
        each = [terms.compare("=", self.as_term(), operands.term(value, "A value")) for value in wanted]
        one = each[0] if len(each) == 1 else terms.tested(g.Or(tuple(part.node for part in each)), *each)
        return Condition(self.scope, one)

    def isna(self) -> Condition:
        """Return the condition that the column has no value."""
        return Condition(self.scope, terms.tested(g.IsNull(self._plain("isna").name)))

    def fillna(self, value: Any) -> Column:
        """Return the column with a number in place of missing values."""
        self._plain("fillna")
        return self.replaced(self.isna(), operands.term(value, "The replacement"), self.as_term())

    def clip(self, lower: Any = None, upper: Any = None, **names: Any) -> Column:
        """Return the column moved into [lower, upper]; None is no limit."""
        names = {
            "lower": lower,
            "upper": upper,
            **{name.replace("a_m", "m"): each for name, each in names.items()},
        }
        lower, upper = names.get("min", names["lower"]), names.get("max", names["upper"])
        if isinstance(lower, Column) or isinstance(upper, Column):
            raise NotOffered("Clip to numbers. To limit one column by another: np.where(a < b, a, b).")
        if lower is None and upper is None:
            raise NotOffered("Give clip() a lower or an upper end: column.clip(0, 60).")
        low = -g.WIDE if lower is None else operands.number(lower, "The lower end")
        high = g.WIDE if upper is None else operands.number(upper, "The upper end")
        return Column(self.scope, terms.clip(self.as_term(), low, high))

    def rows_of_a_person(self, rows: int) -> Column:
        """Return the column with so many rows counting for each person, instead of as many as declared."""
        return self.within(self.scope.capped(rows))

    def within(self, scope: Scope) -> Column:
        """Return the same expression over other rows of the table."""
        return Column(scope, self._term, self.spec)

    # How it is put together

    def function(self, op: str) -> Column:
        """Return -, abs, exp, log or sqrt of it."""
        return Column(self.scope, terms.unary(op, self.as_term()))

    def compared(self, op: str, other: Any) -> Condition:
        """Return the condition `self op other`."""
        if operands.is_missing(other):
            raise NotOffered(f"A comparison with a missing value never holds. {operands.MISSING}")
        if isinstance(other, Column) and other.bounds is None and not self._is_labelled:
            return other.compared(TURNED.get(op, op), self)
        if self._is_labelled:
            return self._labelled(op, other)
        scope, term = self._operand(other)
        if self.spec is not None and self.spec.kind == Kind.BOOLEAN and op in {"=", "!="} and _is_bit(term):
            chosen = Condition(scope, terms.tested(g.In(self.spec.name, (labels.written(other),))))
            return chosen if op == "=" else ~chosen
        return Condition(scope, terms.compare(op, self.as_term(), term))

    @property
    def _is_labelled(self) -> bool:
        return self._term is None

    def replaced(self, where: Column, then: Term, otherwise: Term) -> Column:
        """Return `then` in the rows of a condition, otherwise `otherwise`."""
        return Column(self.scope.joined(where.scope), terms.where(where.as_test(), then, otherwise))

    def _with(self, op: str, other: Any, *, turned: bool = False) -> Column:
        own = self.as_term()
        scope, term = self._operand(other)
        return Column(scope, terms.binary(op, *((term, own) if turned else (own, term))))

    def _operand(self, other: Any) -> tuple[Scope, Term]:
        if isinstance(other, Column):
            return self.scope.joined(other.scope), other.as_term()
        return self.scope, operands.term(other)

    def _combined(self, kind: type[g.And | g.Or], other: Any) -> Condition:
        first, second = self.as_test(), _condition(other)
        return Condition(self.scope.joined(second.scope), terms.flat(kind, first, second.as_test()))

    def _labelled(self, op: str, other: Any) -> Condition:
        """Compare a category with one of its declared values."""
        if self.spec is None or not self.spec.is_key:
            return Condition(
                self.scope, terms.compare(op, self.as_term(), self.as_term())
            )  # refuses, and says why
        if isinstance(other, Column):
            raise NotOffered(
                f"Compare {self.called} with one of its declared values, not with another column."
            )
        if op in TURNED:
            return self.isin(labels.ordered(op, self.spec, operands.number(other, "The value")))
        chosen = Condition(self.scope, terms.tested(g.In(self.spec.name, (labels.label(other, self.spec),))))
        return chosen if op == "=" else ~chosen

    def _plain(self, what: str) -> ColumnSpec:
        if self.spec is None:
            raise NotOffered(
                f"{what} takes a column of the table, not an expression. Use it on the columns that it is made of."
            )
        if self.spec.kind in {Kind.DATE, Kind.OTHER}:
            raise NotOffered(f"{self.called} {labels.not_a_number(self.spec)}")
        return self.spec

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return registry.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return registry.function(func, args, kwargs)

    def __repr__(self) -> str:
        bounds = self._term.interval.text if self._term else self.spec.range_text if self.spec else ""
        where = f" where {words.condition(self.scope.condition)}" if self.scope.condition else ""
        return f"Column: {self.text}{f', {bounds}' if bounds else ''}, in {self.scope.spec.name}{where}"


class Condition(Column):
    """A condition on the rows of one table. As a number it is 1 where it is known to hold, otherwise 0.

    >>> from weir import demo
    >>> t = demo.table()
    >>> (t.year > 1984) & (t.region == "north")
    Condition: (year > 1984) & (region == 'north'), in wages
    """

    __slots__ = ("_test",)

    def __init__(self, scope: Scope, test: Test) -> None:
        super().__init__(scope, None)
        self._test = test

    @property
    def called(self) -> str:
        return "This condition"

    def as_term(self) -> Term:
        return terms.where(self._test, terms.constant(1.0), terms.constant(0.0))

    @property
    def _is_labelled(self) -> bool:
        return False

    def as_test(self) -> Test:
        return self._test

    @property
    def text(self) -> str:
        return words.condition(self._test.node)

    def within(self, scope: Scope) -> Condition:
        return Condition(scope, self._test)

    def isna(self) -> Condition:
        raise NotOffered(
            "A condition is unknown where a value is missing. Use isna() on the columns that it compares."
        )

    def __repr__(self) -> str:
        where = f" where {words.condition(self.scope.condition)}" if self.scope.condition else ""
        return f"Condition: {self.text}, in {self.scope.spec.name}{where}"


def named(name: str, scope: Scope) -> Column:
    """Return a column of the table by its name."""
    spec = scope.spec.column(name)
    bounds = Interval(float(spec.lower), float(spec.upper))
    return Column(scope, Term(g.Column(spec.name), bounds) if spec.is_numeric else None, spec)


def _condition(value: Any) -> Condition:
    if isinstance(value, Column):
        return Condition(value.scope, value.as_test())
    raise NotOffered(BRACKETS)


def _is_bit(term: Term) -> bool:
    return isinstance(term.node, g.Constant) and term.node.value in {0.0, 1.0}
