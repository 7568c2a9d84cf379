"""Queries as frozen data. A query is parsed, checked and priced before any row is read.

Each measure says how far one subject can move its answer. `plan.designs` turns it into coordinates and a clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from privacy.engine.language.expressions import Expression, Predicate
from privacy.engine.language.learning import Fit, SyntheticTable

MAX_KEYS = 4
MAX_CELLS = 10_000
MAX_QUANTILES = 9
MAX_BINS = 256
MAX_EDGES = MAX_BINS + 1
MAX_FEATURES = 8
MAX_SUBJECT_KEYS = 100


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows are there? One subject moves it by at most its rows."""


@dataclass(frozen=True, slots=True)
class CountSubjects:
    """How many subjects have a row there? One subject moves it by at most one (in each group)."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What do the rows add up to?"""

    of: Expression


@dataclass(frozen=True, slots=True)
class Mean:
    """What is the mean over rows or, with `per_subject`, the mean of each subject's own mean?"""

    of: Expression
    per_subject: bool = False


@dataclass(frozen=True, slots=True)
class Variance:
    """What is the (population) variance over rows?"""

    of: Expression


@dataclass(frozen=True, slots=True)
class StandardDeviation:
    """What is the (population) standard deviation over rows: the square root of the variance?"""

    of: Expression


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Below which values do these shares (each between 0 and 1) of the rows lie?"""

    of: Expression
    at: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PersonQuantiles:
    """How many rows, or how large a sum of |expression|, do these shares of the people have at most?

    Everybody with a row that passes the filter counts.
    """

    of: Expression | None = None
    at: tuple[float, ...] = (0.98,)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Which share of the rows lies at or below each of `bins` equally spaced values?"""

    of: Expression
    bins: int = 32


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many rows are in each bin between two neighbouring edges?

    A bin includes its lower edge, only the last one includes its upper edge too. Rows outside all bins do not count.
    """

    of: Expression
    edges: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Covariance:
    """What is the (population) covariance of two numbers over rows?"""

    x: Expression
    y: Expression


@dataclass(frozen=True, slots=True)
class Regression:
    """Which linear function of the features (with an intercept) fits the target best, by least squares over rows?"""

    target: Expression
    features: tuple[Expression, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correlation:
    """How strongly are two numbers correlated over rows (Pearson)?"""

    x: Expression
    y: Expression


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """How many subjects have each value of a text column?

    Its values are not public: a value is released only if its noisy count passes a threshold. Each subject counts with
    at most `keys` of its values, by 1 / sqrt(values) each.
    """

    column: str
    keys: int = 1


Measure: TypeAlias = (
    Count
    | CountSubjects
    | KeyCounts
    | Sum
    | Mean
    | Variance
    | StandardDeviation
    | Quantiles
    | PersonQuantiles
    | Distribution
    | Histogram
    | Covariance
    | Regression
    | Correlation
    | Fit
    | SyntheticTable
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question to one table.

    `where` selects rows, `by` groups them by declared categories. `rows` (1 to 4096) is how many rows of a subject
    count, by default as many as the table declares. Fewer rows make the answer cheaper, more make it more expensive;
    subjects with more rows are scaled down to that number (`plan.caps`).
    """

    table: str
    measure: Measure
    where: Predicate | None = None
    by: tuple[str, ...] = ()
    rows: int | None = None
