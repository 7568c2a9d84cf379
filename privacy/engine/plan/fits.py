"""Fitted models planned from public declarations alone: the parts of each feature, the order of z, the weights.

A row's vector is z = (1, feature by feature) / sqrt(F + 1), with F features. A feature has a place for each of its
values and, last, one for a missing value, whose weight stays 0 where none may be missing. A row has a number other than
0 in one of them: 1, or for a slope the value scaled to [-1, 1]. So z has F + 1 numbers other than 0, whatever the row
holds, and ||z|| <= 1.

| feature | places, in order |
| --- | --- |
| slope | the scaled number, missing |
| parts | each part from the lowest to the highest, missing |
| category | each declared value in the declared order, missing |
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from privacy.engine.language.bounds import Interval, bounds, check_filter, check_number, check_readable
from privacy.engine.language.expressions import Column, Expression, Node, check_size, columns_of
from privacy.engine.language.learning import (
    MAX_CLASSES,
    MAX_FEATURE_BINS,
    MAX_LAYERS,
    MAX_MODEL_FEATURES,
    MAX_MODEL_WEIGHTS,
    MAX_STEPS,
    MAX_TEST_SHARE,
    MAX_UNITS,
    MIN_STEPS,
    Amount,
    CategoryFeature,
    Choice,
    Events,
    Feature,
    Fit,
    NumberFeature,
    Outcome,
    YesNo,
)
from privacy.engine.language.schema import LARGEST_VALUE, QueryRefused, TableSpec
from privacy.engine.language.sql_text import number
from privacy.engine.measure.evaluate import Floats

STEPS, BINS = 60, 16
"""What an open question is checked with before it has a price, which decides them (`plan.learning`)."""
LOGISTIC, LINEAR, POISSON, MULTINOMIAL = "logistic", "linear", "poisson", "multinomial"
MISSING, SLOPE = "missing", "slope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The places of one feature in z, from `first` on. The last one stands for a missing value.

    `edges` (parts + 1,): the ends of the parts of a number, `labels`: the declared values of a category; a slope has
    neither, and is (value - middle) / half.
    """

    name: str
    first: int
    of: Expression
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    middle: float = 0.0
    half: float = 1.0
    can_be_missing: bool = True
    """Whether the declarations allow a missing value. If not, its weight stays 0: only noise would move it."""

    @property
    def values(self) -> int:
        """The number of places without that for a missing value."""
        return len(self.labels) or max(1, len(self.edges) - 1)

    @property
    def missing(self) -> int:
        return self.first + self.values

    @property
    def kind(self) -> str:
        return "category" if self.labels else "parts" if self.edges else SLOPE

    @property
    def words(self) -> tuple[str, ...]:
        """What each place stands for, but for that of a value that cannot be missing."""
        ends = [f"{edge:.6g}" for edge in self.edges]
        if len(set(ends)) < len(ends):
            ends = [number(edge) for edge in self.edges]
        parts = [f"{low} to {high}" for low, high in pairwise(ends)]
        return (*(self.labels or parts or (SLOPE,)), *((MISSING,) if self.can_be_missing else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPlan:
    """What follows from a question for a model and the declarations.

    `middle`, `half`: an amount is scaled to (y - middle) / half, from -1 to 1; events to y / half, from 0 to 1.
    `outputs`: the numbers that the model answers for a row before its link: one, or one for each of the `classes`.
    `layers`: units of the hidden layers.
    """

    family: str
    features: tuple[Places, ...]
    classes: tuple[str, ...] = ()
    middle: float = 0.0
    half: float = 1.0
    layers: tuple[int, ...] = ()
    steps: int

    @property
    def width(self) -> int:
        """The length of z."""
        return self.features[-1].missing + 1

    @property
    def outputs(self) -> int:
        return len(self.classes) or 1

    @property
    def first(self) -> int:
        """How many numbers the first layer makes of z: its units, or without hidden layers the outputs."""
        return self.layers[0] if self.layers else self.outputs

    @property
    def weights(self) -> int:
        sizes = (*self.layers, self.outputs)
        return self.width * self.first + sum((a + 1) * b for a, b in pairwise(sizes))

    @property
    def work(self) -> int:
        """How many weights a row takes part in."""
        return self.weights - (self.width - len(self.features) - 1) * self.first

    @property
    def releases(self) -> int:
        """The steps, and the noisy number of people before them."""
        return self.steps + 1


def noise_to_signal(weights: int, people: float, mu: float) -> float:
    """Return the norm of a gradient's noise, averaged over all steps, over the clip: sqrt(weights) / (people mu).

    Far below 1 a model is nearly as good as without noise, at 1 it has learnt nothing. `mu`: of the whole answer.
    """
    return math.sqrt(weights) / (max(people, 1.0) * mu)


def plan_fit(measure: Fit, table: TableSpec) -> FitPlan:
    """Check a question for a model and plan it. What it leaves open counts as STEPS and BINS. Raises QueryRefused."""
    _check_numbers(measure)
    family, middle, half, classes = _outcome(measure.outcome, table)
    features: list[Places] = []
    for place, feature in enumerate(measure.features):
        try:
            features.append(_places(feature, features[-1].missing + 1 if features else 1, table))
        except QueryRefused as refused:
            refused.place = refused.place or f"query.measure.features[{place}]"
            raise
    _check_names(measure, features)
    plan = FitPlan(
        family=family,
        features=tuple(features),
        classes=classes,
        middle=middle,
        half=half,
        layers=measure.hidden,
        steps=measure.steps or STEPS,
    )
    if plan.weights > MAX_MODEL_WEIGHTS:
        raise QueryRefused(
            f"This model has {plan.weights:,} weights, but at most {MAX_MODEL_WEIGHTS:,} are possible. Use fewer "
            "features, parts or units, or columns with fewer declared values.",
            place="query.measure.features",
        )
    return plan


def _check_numbers(measure: Fit) -> None:
    if not 1 <= len(measure.features) <= MAX_MODEL_FEATURES:
        raise QueryRefused(
            f"A model needs 1 to {MAX_MODEL_FEATURES} features.", place="query.measure.features"
        )
    if len(measure.hidden) > MAX_LAYERS or not all(1 <= units <= MAX_UNITS for units in measure.hidden):
        raise QueryRefused(
            f"A model can have up to {MAX_LAYERS} hidden layers, each of 1 to {MAX_UNITS} units.",
            place="query.measure.hidden",
        )
    if not 0 <= measure.test_share <= MAX_TEST_SHARE:
        raise QueryRefused(
            f"The part of the people to test on must be from 0 to {MAX_TEST_SHARE}.",
            place="query.measure.test_share",
        )
    if measure.steps is not None and not MIN_STEPS <= measure.steps <= MAX_STEPS:
        raise QueryRefused(
            f"A model is trained in {MIN_STEPS} to {MAX_STEPS} steps.", place="query.measure.steps"
        )
    if measure.people is not None and measure.people < 1:
        raise QueryRefused("The number of people must be at least 1.", place="query.measure.people")


def _outcome(outcome: Outcome, table: TableSpec) -> tuple[str, float, float, tuple[str, ...]]:
    """Return (family, middle, half, classes) of an outcome. Raises QueryRefused."""
    try:
        match outcome:
            case YesNo(condition):
                check_size(condition)
                check_filter(condition, table)
                return LOGISTIC, 0.0, 1.0, ()
            case Amount(of):
                interval = _interval(of, table)
                return LINEAR, *_scale(interval), ()
            case Events(of):
                return POISSON, 0.0, _most(of, table), ()
            case Choice(column):
                return MULTINOMIAL, 0.0, 1.0, _classes(column, table)
    except QueryRefused as refused:
        refused.place = refused.place or "query.measure.outcome"
        raise


def _most(of: Expression, table: TableSpec) -> float:
    interval = _interval(of, table)
    if interval.lower < 0:
        raise QueryRefused(
            f"A number of events is at least 0, but this can be {interval.lower:g} by the declared bounds."
        )
    return interval.upper


def _classes(column: str, table: TableSpec) -> tuple[str, ...]:
    labels = _labels(column, table)
    if not 2 <= len(labels) <= MAX_CLASSES:
        raise QueryRefused(
            f"A model can choose between 2 and {MAX_CLASSES} values. “{column}” has {len(labels):,}."
        )
    return labels


def _labels(column: str, table: TableSpec) -> tuple[str, ...]:
    spec = table.column(column)
    check_readable(spec)
    if not spec.is_key:
        instead = "use it as a number" if spec.is_numeric else "the owner can declare it as a category"
        raise QueryRefused(f"“{column}” has no declared values, which a model needs: {instead}.")
    return spec.labels


def _interval(of: Expression, table: TableSpec) -> Interval:
    """Return the bounds of a number. Raises QueryRefused if it can have one value only, or too large ones."""
    check_size(of)
    interval = bounds(of, table)
    if not interval.lower < interval.upper:
        raise QueryRefused(
            f"By the declared bounds, this is always {interval.lower:g}. A model needs a number that varies."
        )
    if interval.magnitude > LARGEST_VALUE or interval.upper - interval.lower < 2 / LARGEST_VALUE:
        raise QueryRefused(
            f"By the declared bounds, this lies between {interval.lower:g} and {interval.upper:g}: too large, or too "
            "close together, for floating-point arithmetic."
        )
    return interval


def _scale(interval: Interval) -> tuple[float, float]:
    return interval.lower / 2 + interval.upper / 2, interval.upper / 2 - interval.lower / 2


def _places(feature: Feature, first: int, table: TableSpec) -> Places:
    of = read_by(feature)
    complete = isinstance(of, Column) and of.name in table.columns and not table.columns[of.name].nullable
    return replace(_places_of(feature, first, table), can_be_missing=not complete)


def _places_of(feature: Feature, first: int, table: TableSpec) -> Places:
    if isinstance(feature, CategoryFeature):
        labels = _labels(feature.column, table)
        return Places(name=feature.column, first=first, labels=labels, of=Column(feature.column))
    interval = _interval(feature.of, table)
    if feature.edges:
        return Places(name=feature.name, first=first, edges=_edges(feature), of=feature.of)
    bins = BINS if feature.bins is None else feature.bins
    if bins == 0:
        middle, half = _scale(interval)
        return Places(name=feature.name, first=first, middle=middle, half=half, of=feature.of)
    if not 2 <= bins <= MAX_FEATURE_BINS:
        raise QueryRefused(
            f"Cut “{feature.name}” into 2 to {MAX_FEATURE_BINS} parts, or into 0 for one slope."
        )
    edges = equal_parts(interval, bins)
    if not all(low < high for low, high in pairwise(edges)):
        raise QueryRefused(
            f"“{feature.name}” cannot be cut into {bins} parts: its bounds are too close together."
        )
    return Places(name=feature.name, first=first, edges=edges, of=feature.of)


def equal_parts(interval: Interval, bins: int) -> tuple[float, ...]:
    """Return the ends of so many equal parts of an interval. Whole numbers of as many values are in a part each."""
    found: Floats = np.linspace(interval.lower, interval.upper, bins + 1)
    return tuple(map(float, found))


def _edges(feature: NumberFeature) -> tuple[float, ...]:
    edges = tuple(map(check_number, feature.edges))
    if not 3 <= len(edges) <= MAX_FEATURE_BINS + 1:
        raise QueryRefused(f"The parts of “{feature.name}” need 3 to {MAX_FEATURE_BINS + 1} edges.")
    if feature.bins not in {None, len(edges) - 1}:
        raise QueryRefused(f"Cut “{feature.name}” by edges or into equal parts, not both.")
    if not all(low < high for low, high in pairwise(edges)):
        raise QueryRefused(f"The edges of “{feature.name}” must rise: each above the one before it.")
    return edges


def _check_names(measure: Fit, features: list[Places]) -> None:
    names = [feature.name for feature in features]
    if len(set(names)) != len(names) or not all(names):
        raise QueryRefused("Give each feature a different name.", place="query.measure.features")
    told = columns_of(read_by(measure.outcome))
    for place, feature in enumerate(measure.features):
        if both := sorted(told & columns_of(read_by(feature))):
            raise QueryRefused(
                f"“{both[0]}” is in the outcome and among the features: a model would only repeat it. Remove it from "
                "the features.",
                place=f"query.measure.features[{place}]",
            )


def read_by(part: Outcome | Feature) -> Node:
    """Return the expression or condition that an outcome or a feature reads."""
    if isinstance(part, CategoryFeature | Choice):
        return Column(part.column)
    return part.condition if isinstance(part, YesNo) else part.of


def whole_values(of: Expression, table: TableSpec) -> int | None:
    """Return how many values a column of whole numbers can have; None for other numbers."""
    match of:
        case Column(name) if table.column(name).lattice == 0:
            spec = table.column(name)
            return int(spec.upper - spec.lower) + 1
        case _:
            return None
