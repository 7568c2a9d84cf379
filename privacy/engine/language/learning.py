"""Models and synthetic tables as frozen data: measures whose answer is more than a list of figures.

Like every measure they are parsed, checked and priced before any row is read. What is left open (None) is chosen from
public numbers when the question is priced (`plan.learning`), and the question is stored with the choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from privacy.engine.language.expressions import Expression, Predicate

MAX_MODEL_FEATURES = 64
MAX_STEPS = 200
MIN_STEPS = 20
MAX_MODEL_WEIGHTS = 4096
MAX_FEATURE_BINS = 64
MAX_LAYERS = 2
MAX_UNITS = 64
MAX_CLASSES = 50
TEST_SHARE = 0.2
MAX_TEST_SHARE = 0.5
MAX_SYNTHETIC_COLUMNS = 40
SYNTHETIC_BINS = 16
MAX_SYNTHETIC_BINS = 32


@dataclass(frozen=True, slots=True)
class YesNo:
    """Is the condition true? (Logistic regression.) Rows for which it is unknown do not count."""

    condition: Predicate


@dataclass(frozen=True, slots=True)
class Amount:
    """How large is the number? (Linear regression.) Rows without it do not count."""

    of: Expression


@dataclass(frozen=True, slots=True)
class Events:
    """How many events are there, from 0 up? (Poisson regression.) Rows without the number do not count."""

    of: Expression


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of its declared values does the column have? (Multinomial regression.) Rows without one do not count."""

    column: str


Outcome: TypeAlias = YesNo | Amount | Events | Choice


@dataclass(frozen=True, slots=True)
class NumberFeature:
    """A number that explains: one weight for each part of its bounds, or one slope.

    `bins`: the number of equal parts, 0 for a slope, None to choose from public numbers. `edges`: rising ends of the
    parts instead; values outside them are in the first or last part. A missing value has a weight of its own.
    """

    name: str
    of: Expression
    bins: int | None = None
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CategoryFeature:
    """A column with declared values that explains: one weight for each value, and one for a missing value."""

    column: str


Feature: TypeAlias = NumberFeature | CategoryFeature


@dataclass(frozen=True, slots=True)
class Fit:
    """Which model predicts the outcome best from the features? Each person counts once, whatever their rows.

    `hidden`: units of hidden layers between features and outcome; none for a model that is additive in its features.
    `test_share`: the part of the people on whom the model is tested and not trained. `steps`: of gradient descent.
    `people`: the public number of people the question is about, if the asker knows it better than the dataset's.
    """

    outcome: Outcome
    features: tuple[Feature, ...]
    hidden: tuple[int, ...] = ()
    test_share: float = TEST_SHARE
    steps: int | None = None
    people: int | None = None


@dataclass(frozen=True, slots=True)
class SyntheticTable:
    """Which table of made-up people has the same shares and pairs of values? Each person counts with their first row.

    `columns`: numbers, dates or declared values. `bins`: the most parts of a number's bounds. `focus`: a column whose
    pairs with the others matter most, such as what a model will predict.
    """

    columns: tuple[str, ...]
    bins: int = SYNTHETIC_BINS
    focus: str | None = None
