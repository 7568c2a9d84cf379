"""Models and synthetic tables in words, for pages and files. No function here reads rows."""

from collections.abc import Sequence

from privacy.engine.language.learning import (
    Amount,
    CategoryFeature,
    Choice,
    Events,
    Fit,
    NumberFeature,
    Outcome,
    SyntheticTable,
    YesNo,
)
from privacy.engine.language.query import Query
from privacy.engine.language.schema import TableSpec
from privacy.presentation.expressions_in_words import condition, expression

MOST_NAMES = 8
"""The most columns that a title names."""


def is_learning(query: Query) -> bool:
    """Return whether the answer is a model or a synthetic table: its error is not known in advance."""
    return isinstance(query.measure, Fit | SyntheticTable)


def title(measure: Fit | SyntheticTable) -> str:
    """Return `Model of whether income is high, from age and hours` or `Synthetic table of age and hours`."""
    if isinstance(measure, SyntheticTable):
        focus = f", with a focus on {measure.focus}" if measure.focus is not None else ""
        return f"Synthetic table of {_names(measure.columns)}{focus}"
    layers = ""
    if measure.hidden:
        several = "s" if len(measure.hidden) > 1 else ""
        layers = f", with {' and '.join(map(str, measure.hidden))} hidden units in {len(measure.hidden)} layer{several}"
    return f"Model of {outcome(measure.outcome)}, from {_names(features(measure))}{layers}"


def outcome(item: Outcome) -> str:
    """Return what a model predicts: `whether income is high`, `wage`, `the number of children`, `which region`."""
    match item:
        case YesNo(test):
            return f"whether {condition(test)}"
        case Amount(of):
            return expression(of)
        case Events(of):
            return f"the number of events {expression(of)}"
        case Choice(column):
            return f"which {column}"


def features(measure: Fit) -> list[str]:
    """Return the names of the features, in order."""
    return [each.name if isinstance(each, NumberFeature) else each.column for each in measure.features]


def _names(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} other columns"
    *first, last = names or ("nothing",)
    return f"{', '.join(first)} and {last}" if first else last


def counting(measure: Fit | SyntheticTable) -> str:
    """Return how much of each person counts."""
    if isinstance(measure, SyntheticTable):
        return "counting each person once, with their first row"
    return "counting each person once, whatever their rows"


def weights(measure: Fit, table: TableSpec) -> int | None:
    """Return how many weights are trained; None while the parts of a number are left open.

    One for each part and one for missing, or one slope and one for missing; with hidden layers, between all units.
    """
    inputs = 1
    for each in measure.features:
        if isinstance(each, CategoryFeature):
            inputs += len(table.column(each.column).labels) + 1
        elif each.edges:
            inputs += len(each.edges)
        elif each.bins is None:
            return None
        else:
            inputs += (each.bins or 1) + 1
    outcomes = len(table.column(measure.outcome.column).labels) if isinstance(measure.outcome, Choice) else 1
    sizes = [inputs, *measure.hidden]
    between = sum((a + (k > 0)) * b for k, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False)))
    return between + (sizes[-1] + bool(measure.hidden)) * outcomes
