"""Questions: aggregates that have not been asked yet. `mock()`, `price()` and `release()` ask them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

from weir import cards, words
from weir import grammar as g
from weir.errors import NoSuchName, NotOffered, NotPrivate
from weir.learning import Fit, SyntheticTable
from weir.readings import Reading
from weir.remote import Remote
from weir.scopes import Scope, Source

Terms: TypeAlias = float | Mapping[str, float] | None
"""A term for all questions, or for some of them by name."""

_RELEASE = "Nothing has been computed yet. Call .release() first, which spends your budget, and compute with the answer"


class _Unreleased(Remote):
    """What is common to one question and to several: it is no value."""

    __slots__ = ()

    @property
    def called(self) -> str:
        return "This question"

    def _refuse(self, *_: object) -> NoReturn:
        raise NotPrivate(f"{_RELEASE}, or call .mock() to compute it on the mock rows.")

    __bool__ = __float__ = __int__ = __complex__ = __index__ = __len__ = __iter__ = __reversed__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = __lt__ = __le__ = __gt__ = __ge__ = __floordiv__ = (
        _refuse
    )
    __mod__ = __and__ = __or__ = __invert__ = __matmul__ = _refuse

    def __contains__(self, item: object) -> NoReturn:
        self._refuse()

    def __round__(self, digits: int | None = None) -> NoReturn:
        self._refuse()

    def __format__(self, how: str) -> str:
        return self._refuse() if how else str(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self._refuse()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> NoReturn:
        self._refuse()

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise _no_value(name)


class Question(_Unreleased):
    """One aggregate of a table, not yet asked.

    >>> from weir import demo
    >>> t = demo.table()
    >>> q = t.wage.mean()
    >>> q
    Question: mean of wage, in wages. Not asked yet: .mock(), .price(…), .release(…)
    """

    __slots__ = ("by", "measure", "reading", "scope")

    def __init__(
        self, scope: Scope, measure: g.Measure, by: tuple[str, ...] = (), reading: Reading | None = None
    ) -> None:
        self.scope, self.measure, self.by, self.reading = scope, measure, by, reading or Reading()

    @property
    def query(self) -> g.Query:
        """The question as frozen data."""
        return g.Query(self.scope.spec.name, self.measure, self.scope.condition, self.by, self.scope.rows)

    def to_wire(self) -> Any:
        """Return the question as JSON values, as it is sent and stored."""
        return g.to_wire(self.query)

    @property
    def text(self) -> str:
        """The question in words."""
        return words.question(self.query, self.reading.name)

    def mock(self) -> Any:
        """Compute the answer on the mock rows: without noise, free of charge, here.

        >>> from weir import demo
        >>> demo.table().wage.mean().mock()
        mock: 26.8801 (mean of wage, in wages)
        """
        from weir.mock import answering  # noqa: PLC0415 -- it brings pyarrow, which takes a tenth of a second

        return answering.answer(self, self.scope.source.mock(self.scope.spec))

    def price(
        self, *, error: float | None = None, epsilon: float | None = None, share: float | None = None
    ) -> Any:
        """Return what an answer would cost. Spends nothing.

        Give one of: the `error` that is acceptable (half of a 95 % interval), the `epsilon` to spend, or the `share` of
        the budget to spend. Models and synthetic tables have no single error: give an epsilon or a share.
        """
        return self.scope.source.price(self, **self.terms(error, epsilon, share))

    def release(
        self, *, error: float | None = None, epsilon: float | None = None, share: float | None = None
    ) -> Any:
        """Ask, wait for the answer and return it. This spends your budget; the same question again is free.

        Give one of `error`, `epsilon` and `share`, as in `price`.
        """
        return self.scope.source.release(self, **self.terms(error, epsilon, share))

    def terms(
        self, error: float | None = None, epsilon: float | None = None, share: float | None = None
    ) -> dict[str, float]:
        """Return the one term that is given. Raises NotOffered for none or several, or an error that nothing has."""
        if error is not None and self.is_learned:
            raise NotOffered(
                "A model or a synthetic table has no single error that could be asked for. Say epsilon=1.0 or "
                "share=0.2: .price() shows what that means."
            )
        return _terms(error, epsilon, share)

    @property
    def is_learned(self) -> bool:
        """Whether the answer is a model or a synthetic table."""
        return isinstance(self.measure, (Fit, SyntheticTable))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Question):
            self._refuse()
        return (self.query, self.reading) == (other.query, other.reading)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.query, self.reading))

    def __getitem__(self, key: object) -> NoReturn:
        if isinstance(self.measure, (g.Correlation, g.Covariance)):
            raise NotOffered(
                "This question has one number, not a matrix: leave out the index. Ask about each pair of columns."
            )
        self._refuse()

    def __repr__(self) -> str:
        return f"Question: {self.text}. Not asked yet: .mock(), .price(…), .release(…)"

    def _repr_html_(self) -> str:
        return cards.question(self.text, self.scope.source.name, "epsilon" if self.is_learned else "error")


class Questions(_Unreleased):
    """Several questions about one dataset, by name: priced together, and asked in one call.

    They may be about different tables and conditions. The budget pays for all of them or for none.

    >>> from weir import demo
    >>> t = demo.table()
    >>> both = t.agg(n=t.count(), mean=t.wage.mean())
    >>> list(both.each)
    ['n', 'mean']
    """

    __slots__ = ("each",)

    def __init__(self, each: Mapping[str, Question]) -> None:
        if not each:
            raise NotOffered("Name at least one question: table.agg(n=table.count()).")
        for name, question in each.items():
            if not isinstance(question, Question):
                raise NotOffered(
                    f"{name} is not a question. Give aggregates: table.agg({name}=table.count())."
                )
        if len({id(question.scope.source) for question in each.values()}) > 1:
            raise NotOffered("These questions are about different datasets. Ask them one by one.")
        self.each = dict(each)

    @property
    def source(self) -> Source:
        return next(iter(self.each.values())).scope.source

    @property
    def text(self) -> str:
        return "; ".join(f"{name}: {question.text}" for name, question in self.each.items())

    def mock(self) -> dict[str, Any]:
        """Compute all answers on the mock rows: without noise, free of charge, here."""
        return {name: question.mock() for name, question in self.each.items()}

    def price(self, *, error: Terms = None, epsilon: Terms = None, share: Terms = None) -> Any:
        """Return what the answers would cost, each and together. Spends nothing.

        Each question is asked on the same terms, or on its own: error={"n": 10, "mean": 0.5}.
        """
        return self.source.price_batch(self, self._terms(error, epsilon, share))

    def release(self, *, error: Terms = None, epsilon: Terms = None, share: Terms = None) -> Any:
        """Ask all of them, wait, and return the answers by name. This spends your budget, for all of them or for none.

        The terms are given as in `price`.
        """
        return self.source.release_batch(self, self._terms(error, epsilon, share))

    def _terms(self, error: Terms, epsilon: Terms, share: Terms) -> dict[str, dict[str, float]]:
        """Return the one term of each question."""
        given = (error, epsilon, share)
        named = [name for each in given if isinstance(each, Mapping) for name in each]
        if unknown := [name for name in named if name not in self.each]:
            raise NotOffered(f"There is no question “{unknown[0]}” among {', '.join(self.each)}.")
        return {
            name: question.terms(*(each.get(name) if isinstance(each, Mapping) else each for each in given))
            for name, question in self.each.items()
        }

    def items(self) -> Iterator[tuple[str, Question]]:
        yield from self.each.items()

    def __getitem__(self, name: str) -> Question:
        if name not in self.each:
            raise NotOffered(f"There is no question “{name}” among {', '.join(self.each)}.")
        return self.each[name]

    def __repr__(self) -> str:
        return f"Questions: {self.text}. Not asked yet: .mock(), .price(…), .release(…)"

    def _repr_html_(self) -> str:
        return cards.question(self.text, self.source.name)


def _terms(error: float | None, epsilon: float | None, share: float | None) -> dict[str, float]:
    """Return the one term that is given. Raises NotOffered for none or several."""
    given = {"error": error, "epsilon": epsilon, "share": share}
    found = {name: float(value) for name, value in given.items() if value is not None}
    if len(found) != 1:
        raise NotOffered(
            "Say what the answer may cost, in one way: error=0.5 (half of the 95 % interval), epsilon=0.1, "
            "or share=0.02 (of your budget). .price() shows what each of them means."
        )
    (value,) = found.values()
    if not 0 < value < float("inf"):
        raise NotOffered("The error, the epsilon or the share must be a positive number.")
    return found


def _no_value(name: str) -> Exception:
    if name in {"value", "interval", "to_pandas", "to_arrow", "epsilon", "record", "plot", "values", "item"}:
        return NoSuchName(f"{_RELEASE}: question.release(…).{name}.")
    return NoSuchName(
        f"A question has no .{name}. It has .mock(), .price(), .release(), .to_wire() and .text."
    )
