"""Models that are fitted by one question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from weir import grammar as g
from weir import learning as le
from weir import operands
from weir.columns import Column, Condition, named
from weir.declarations import Kind, listed
from weir.errors import NoSuchName, NotOffered
from weir.questions import Question
from weir.scopes import Scope

Bins: TypeAlias = int | Sequence[float] | None
"""How many equal parts a number has (0: a slope, None: the portal chooses), or the rising edges of its parts."""

_CONDITION = re.compile(r"\s*(?P<name>[^=!<>]+?)\s*(?P<op>==|!=|<=|>=|=|<|>)\s*(?P<value>[^=!<>]+?)\s*")
_BITS = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}
NAMED = 'on={"age": table.age, "old": table.age > 60}'
NO_FEATURES = f'Say which columns explain it: on=["age", "hours"], or {NAMED}.'


@dataclass(frozen=True)
class Options:
    """What else a model can be told."""

    bins: Bins | Mapping[str, Bins]
    hidden: Iterable[int]
    test_share: float
    steps: int | None
    people: int | None


class Fits:
    """The models of a table.

    `linear` is a regression by least squares over rows whose coefficients have intervals: use it to say how much.
    `logistic`, `multinomial`, `poisson` and `additive` learn to predict: many columns, numbers in parts, categories,
    hidden layers. Each person counts once, the model is tested on people kept for the test, and its weights have no
    intervals.

    Of these four, each takes `on`: columns or their names, or a mapping of names to columns and expressions. `bins`:
    into how many equal parts the bounds of numbers are cut, each with a weight of its own; 0 for one slope, edges
    instead of a number, or a mapping with the bins of some; without it the portal chooses. `hidden`: units of one or
    two hidden layers, (16,) or (16, 8). `test_share`: the part of the people on whom the model is tested and not
    trained, at most ½. `steps`: of gradient descent, 20 to 200. `people`: how many the question is about, if you know
    it better than the portal, because you filter.
    """

    __slots__ = ("scope",)

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def linear(self, target: Any, *explaining: Any, **named: Any) -> Question:
        """Return the question for a linear regression with intercept, by least squares over rows.

        Give columns or their names; name expressions with keywords. The coefficients come with intervals. To predict
        from many columns, see `additive`.

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
        scope, columns = self._joined([target, *features.values()])
        nodes = tuple(column.as_term().node for column in columns)
        return Question(scope, g.Regression(nodes[0], nodes[1:], tuple(features)))

    def logistic(  # noqa: PLR0913 -- what a model can be told
        self,
        outcome: Any,
        on: Any = (),
        *,
        bins: Bins | Mapping[str, Bins] = None,
        hidden: Iterable[int] = (),
        test_share: float = 0.2,
        steps: int | None = None,
        people: int | None = None,
    ) -> Question:
        """Return the question for a model of whether a condition is true: a condition, or a yes/no column.

        It may be text, such as "income == high". `answer.predict(frame)` gives probabilities.

        >>> from weir import demo
        >>> t = demo.table()
        >>> t.fit.logistic("union", on=["education", "region"], bins=4).text
        "logistic model of union == '1' on education, region, in wages"
        >>> t.fit.logistic(t.wage > 20, on={"educated": t.education >= 12}).text
        'logistic model of wage > 20 on educated, in wages'
        """
        tested = self._condition(outcome)
        test = tested.as_test()
        options = Options(bins, hidden, test_share, steps, people)
        return self._fitted(tested.scope, le.YesNo(test.node), on, options)

    def multinomial(  # noqa: PLR0913 -- what a model can be told
        self,
        outcome: Any,
        on: Any = (),
        *,
        bins: Bins | Mapping[str, Bins] = None,
        hidden: Iterable[int] = (),
        test_share: float = 0.2,
        steps: int | None = None,
        people: int | None = None,
    ) -> Question:
        """Return the question for a model of which of its declared values a column has.

        `answer.predict(frame)` gives a probability for each value.

        >>> from weir import demo
        >>> demo.table().fit.multinomial("region", on=["education"]).text
        'multinomial model of region on education, in wages'
        """
        column = self._column(outcome)
        if column.spec is None or column.spec.kind != Kind.CATEGORY:
            raise NotOffered(
                f"{column.called} is not a category. For a condition or a yes/no column, use table.fit.logistic(…); "
                "for a number, table.fit.additive(…)."
            )
        if not 2 <= len(column.labels) <= le.MAX_CLASSES:
            raise NotOffered(
                f"A model can choose between 2 and {le.MAX_CLASSES} values. {column.called} has {len(column.labels)}."
            )
        options = Options(bins, hidden, test_share, steps, people)
        return self._fitted(column.scope, le.Choice(column.spec.name), on, options)

    def poisson(  # noqa: PLR0913 -- what a model can be told
        self,
        outcome: Any,
        on: Any = (),
        *,
        bins: Bins | Mapping[str, Bins] = None,
        hidden: Iterable[int] = (),
        test_share: float = 0.2,
        steps: int | None = None,
        people: int | None = None,
    ) -> Question:
        """Return the question for a model of how many events there are: a number from 0 up.

        `answer.predict(frame)` gives the number to expect.

        >>> from weir import demo
        >>> demo.table().fit.poisson("experience", on=["education"], bins=0).text
        'Poisson model of experience on education, in wages'
        """
        column = self._column(outcome)
        term = column.as_term()
        if term.interval.lower < 0:
            raise NotOffered(
                f"{column.called} can be {term.interval.lower:g} by its bounds, but a number of events is at least 0. "
                "Limit it first with clip(0, None), or use table.fit.additive(…)."
            )
        options = Options(bins, hidden, test_share, steps, people)
        return self._fitted(column.scope, le.Events(term.node), on, options)

    def additive(  # noqa: PLR0913 -- what a model can be told
        self,
        outcome: Any,
        on: Any = (),
        *,
        bins: Bins | Mapping[str, Bins] = None,
        hidden: Iterable[int] = (),
        test_share: float = 0.2,
        steps: int | None = None,
        people: int | None = None,
    ) -> Question:
        """Return the question for a model of how large a number is: a sum of weights of the parts of each column.

        `answer.predict(frame)` gives the number to expect. `linear` is the regression whose coefficients have
        intervals.

        >>> from weir import demo
        >>> demo.table().fit.additive("wage", on=["education", "region"], bins={"education": [0, 9, 12, 20]}).text
        'linear model of wage on education, region, in wages'
        """
        column = self._column(outcome)
        options = Options(bins, hidden, test_share, steps, people)
        return self._fitted(column.scope, le.Amount(column.as_term().node), on, options)

    def _fitted(self, scope: Scope, outcome: le.Outcome, on: Any, options: Options) -> Question:
        given = _named(on)
        joined, columns = self._joined(given.values())
        features = tuple(
            _feature(name, column, _bins_of(name, options.bins, given))
            for name, column in zip(given, columns, strict=True)
        )
        _check_apart(outcome, features)
        if scope.joined(joined).rows is not None:
            raise NotOffered(
                "In a model each person counts once, whatever their rows. Take the table without rows_of_a_person."
            )
        return Question(
            scope,
            le.Fit(
                outcome,
                features,
                _hidden(options.hidden),
                _within(options.test_share, "test_share", 0.0, le.MAX_TEST_SHARE),
                _whole(options.steps, "steps", le.MIN_STEPS, le.MAX_STEPS),
                _whole(options.people, "people", 1, 10**9),
            ),
        )

    def _joined(self, given: Iterable[Any]) -> tuple[Scope, tuple[Column, ...]]:
        columns = tuple(self._column(each) for each in given)
        scope = self.scope
        for column in columns:
            scope = scope.joined(column.scope)
        return scope, columns

    def _column(self, given: Any) -> Column:
        if isinstance(given, Column):
            self.scope.joined(given.scope)
            return given
        if not isinstance(given, str):
            raise NotOffered("Give columns of the table, or their names: table.fit.linear(“wage”, “age”).")
        return named(given, self.scope)

    def _condition(self, given: Any) -> Column:
        """Return the condition that is meant. Text is `column operator value`, or the name of a yes/no column."""
        found = _CONDITION.fullmatch(given) if isinstance(given, str) else None
        if found is None:
            column = self._column(given)
            return column if isinstance(column, Condition) else Condition(column.scope, column.as_test())
        column = named(found["name"], self.scope)
        value: Any = found["value"].strip("'\"“”")
        kind = column.spec.kind if column.spec else Kind.OTHER
        if kind == Kind.BOOLEAN:
            value = _BITS.get(value.lower(), value)
        elif kind != Kind.CATEGORY or found["op"] in {"<", "<=", ">", ">="}:
            value = _number(value)
        return column.compared(found["op"].replace("==", "="), value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NoSuchName(
            f"There is no model .{name} here: .linear(target, explaining, …), .logistic, .multinomial, .poisson and "
            ".additive(outcome, on=[…]) are. Submit code for others."
        )


def _name(given: Any) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, Column) and given.spec is not None:
        return given.spec.name
    raise NotOffered("Name this explaining expression: table.fit.linear(“wage”, squared=table.age**2).")


def _named(on: Any) -> dict[str, Any]:
    """Return what explains, by its name. Raises NotOffered for none, too many, one twice, or one without a name."""
    if isinstance(on, Mapping):
        given = {str(name): each for name, each in on.items()}
        many = len(on)
    else:
        each_one = list(on) if isinstance(on, (list, tuple)) else [on]
        given, many = {}, len(each_one)
        for each in each_one:
            if isinstance(each, Column) and each.spec is None:
                raise NotOffered(f"Name this explaining expression: {NAMED}.")
            given[_name(each)] = each
    if not given:
        raise NotOffered(NO_FEATURES)
    if len(given) != many or many > le.MAX_MODEL_FEATURES:
        raise NotOffered(f"A model needs 1 to {le.MAX_MODEL_FEATURES} explaining columns, each once.")
    return given


def _feature(name: str, column: Column, bins: Bins) -> le.Feature:
    """Return a column as a feature: declared values as a category, other numbers in parts or with a slope."""
    if column.spec is not None and column.spec.is_key:
        if name != column.spec.name:
            raise NotOffered(
                f"A column with declared values keeps its name: “{column.spec.name}”, not “{name}”."
            )
        return le.CategoryFeature(column.spec.name)
    term = column.as_term()
    if isinstance(column, Condition) and bins is None:
        bins = 0  # it has two values
    if isinstance(bins, int) or bins is None:
        return le.NumberFeature(name, term.node, bins)
    return le.NumberFeature(name, term.node, None, tuple(bins))


def _check_apart(outcome: le.Outcome, features: Iterable[le.Feature]) -> None:
    """Raise NotOffered if a feature reads a column of the outcome."""
    told = _read(outcome)
    for feature in features:
        if both := sorted(told & _read(feature)):
            raise NotOffered(
                f"“{both[0]}” is in the outcome and among the features: a model would only repeat it. "
                "Leave it out of on=[…]."
            )


def _read(part: le.Outcome | le.Feature) -> frozenset[str]:
    """Return the names of the columns that an outcome or a feature reads."""
    if isinstance(part, (le.Choice, le.CategoryFeature)):
        return frozenset({part.column})
    return g.columns_of(part.condition if isinstance(part, le.YesNo) else part.of)


def _bins_of(name: str, bins: Bins | Mapping[str, Bins], known: Iterable[str]) -> Bins:
    """Return the bins of one feature. Raises NotOffered for what is neither a number of bins nor rising edges."""
    if isinstance(bins, Mapping):
        if unknown := [each for each in bins if each not in known]:
            raise NotOffered(f"There are bins for “{unknown[0]}”, which is not among {listed(known)}.")
        bins = bins.get(name)
    if bins is None:
        return None
    if np.ndim(bins):
        edges = tuple(operands.number(each, "An edge") for each in np.asarray(bins).tolist())
        if not 3 <= len(edges) <= le.MAX_FEATURE_BINS + 1 or list(edges) != sorted(set(edges)):
            raise NotOffered(f"Edges must rise, and there are 3 to {le.MAX_FEATURE_BINS + 1} of them.")
        return edges
    many = _whole(bins, "bins", 0, le.MAX_FEATURE_BINS)
    if many == 1:
        raise NotOffered("One part says nothing. Give bins=0 for a slope, or at least 2 parts.")
    return many


def _hidden(given: Any) -> tuple[int, ...]:
    layers = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    if len(layers) > le.MAX_LAYERS:
        raise NotOffered(
            f"A model has at most {le.MAX_LAYERS} hidden layers: hidden=(16,) or hidden=(16, 8)."
        )
    return tuple(_whole(units, "hidden", 1, le.MAX_UNITS) or 0 for units in layers)


def _whole(given: Any, name: str, least: int, most: int) -> int | None:
    if given is None:
        return None
    number = _within(given, name, least, most)
    if not number.is_integer():
        raise NotOffered(f"{name} must be a whole number, not {number:g}.")
    return int(number)


def _within(given: Any, name: str, least: float, most: float) -> float:
    number = operands.number(given, name)
    if not least <= number <= most:
        raise NotOffered(f"{name} must be from {least:g} to {most:,g}, not {number:g}.")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as wrong:
        raise NotOffered(
            f"“{text[:40]}” is not a number. Write the condition in Python: "
            "table.fit.logistic(table.wage > 20, on=[…])."
        ) from wrong
