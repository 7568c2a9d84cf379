"""Models and synthetic tables in words, for pages and files. No function here reads rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from privacy.engine.language.learning import (
    Amount,
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
from privacy.engine.plan.fits import noise_to_signal, plan_fit
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
    """Return what a model predicts: `whether income is high`, `wage`, `the number of events (visits)`, `which town`."""
    match item:
        case YesNo(test):
            return f"whether {condition(test)}"
        case Amount(of):
            return expression(of)
        case Events(of):
            return f"the number of events ({expression(of)})"
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


NEARLY, SOME, MUCH = 0.003, 0.01, 0.1


def noise(ratio: float) -> str:
    """Return what the noise of a training amounts to. `ratio`: of its norm to the most that people can add."""
    share = f"{float(f'{ratio * 100:.2g}'):g} % of the signal"
    if ratio < NEARLY:
        return f"{share}: nearly as good as without noise"
    if ratio < SOME:
        return f"{share}: somewhat worse than without noise"
    return f"{share}: {'much worse than without noise' if ratio < MUCH else 'it learns hardly anything'}"


SPREAD = 0.15
"""The mean square of what a useful logistic model has wrong, which is that of a person's gradient over the clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is known of a training before it is asked for, from public numbers."""

    steps: int
    weights: int
    people: int
    noise: str
    as_exact_as: int | None


def training(measure: Fit, table: TableSpec, public_size: int, mu: float) -> Training:
    """Return what a training will be like. `mu`: of the whole answer.

    The gradient's error from people is SPREAD / n a person, and from noise its square over the clip. Without noise,
    SPREAD / (SPREAD / n + noise^2) people would have as large an error: n is `people` x (1 - test share).
    """
    plan = plan_fit(measure, table)
    people = max(1, round((measure.people or public_size) * (1 - measure.test_share)))
    ratio = noise_to_signal(plan.weights, people, mu)
    as_exact = SPREAD / (SPREAD / people + ratio * ratio) if isinstance(measure.outcome, YesNo) else None
    return Training(
        steps=plan.steps,
        weights=plan.weights,
        people=people,
        noise=noise(ratio),
        as_exact_as=None if as_exact is None else round(float(f"{as_exact:.2g}")),
    )
