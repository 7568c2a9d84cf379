"""Models and synthetic tables as frozen data: measures whose answer is more than a list of figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from weir.grammar import Expression, Predicate

MAX_MODEL_FEATURES = 64
MIN_STEPS, MAX_STEPS = 20, 200
MAX_FEATURE_BINS = 64
MAX_LAYERS = 2
MAX_UNITS = 64
MAX_MODEL_WEIGHTS = 4096
MAX_CLASSES = 50
MAX_TEST_SHARE = 0.5
MAX_SYNTHETIC_COLUMNS = 40
MAX_SYNTHETIC_BINS = 32
MAX_TABLE_CELLS = 120_000
"""Cells of all pairs of columns together."""


@dataclass(frozen=True)
class YesNo:
    """Is the condition true?"""

    condition: Predicate


@dataclass(frozen=True)
class Amount:
    """How large is the number?"""

    of: Expression


@dataclass(frozen=True)
class Events:
    """How many events are there, from 0 up?"""

    of: Expression


@dataclass(frozen=True)
class Choice:
    """Which of its declared values does the column have?"""

    column: str


Outcome: TypeAlias = YesNo | Amount | Events | Choice


@dataclass(frozen=True)
class NumberFeature:
    """A number that explains: a weight for each part of its bounds, or one slope.

    `bins`: the number of equal parts, 0 for a slope, None to let the portal choose. `edges`: rising ends of the parts.
    """

    name: str
    of: Expression
    bins: int | None = None
    edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class CategoryFeature:
    """A column with declared values that explains: a weight for each value."""

    column: str


Feature: TypeAlias = NumberFeature | CategoryFeature


@dataclass(frozen=True)
class Fit:
    """Which model predicts the outcome best from the features? Each person counts once."""

    outcome: Outcome
    features: tuple[Feature, ...]
    hidden: tuple[int, ...] = ()
    test_share: float = 0.2
    steps: int | None = None
    people: int | None = None


@dataclass(frozen=True)
class SyntheticTable:
    """Which table of made-up people has the same shares and pairs of values? A person counts with their first row."""

    columns: tuple[str, ...]
    bins: int = 16
    focus: str | None = None


def feature_name(feature: Feature) -> str:
    """Return what a feature is called in the model."""
    return feature.name if isinstance(feature, NumberFeature) else feature.column
