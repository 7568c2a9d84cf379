"""Trials: what a question would return if the real rows looked like the mock data. Simulated on public rows alone.

A regression or a ratio is released only if its denominator stands clear of the noise, and only rows can show that. The
mock data has another number of people than the real table, so the noise is scaled: sums over k people with noise
sigma k/n are in the same proportion to each other as sums over n people with noise sigma, so ratios of them are the
same. Such noise may be far below what the engine releases with, and it comes from a seeded generator: the same question
gets the same tries at every price. Nothing here protects anybody.

How many rows each person has matters too: people with a third of the rows make sums a third as large under the same
noise. If the owner has published how many rows there are, the mock rows are given to people with as many rows each
(`people_with`). All rows stay: with some left out, too few would pass filters or be in groups to try anything.
"""

from dataclasses import dataclass
from statistics import median

import numpy as np

from privacy.engine import figures
from privacy.engine.language.query import (
    Correlation,
    Covariance,
    Mean,
    Query,
    Regression,
    StandardDeviation,
    Variance,
)
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import holds
from privacy.engine.plan.designs import design
from privacy.engine.release import SortedTable, exact_sums

TRIES = 20
ROWS_PER_FIGURE = 10
FEWEST_ROWS = 30
MOST_GROUPS = 200
LARGEST = 2.0**61
"""Noise is cut off here: sums stay within 63 bits, and every figure is lost long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One figure. `released`: in how many tries it was not lost in the noise.

    `half_width`: the median half width of its 95 % interval in these tries, None if there are none.
    """

    key: tuple[str, ...]
    name: str
    released: int
    half_width: float | None

    @property
    def comes_out(self) -> bool:
        return 2 * self.released > TRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The result of a trial. `rows`: rows that pass the filter; `figures` is empty if these are too few to try.

    `rows_each`: rows per person on average, including those that the filter leaves out.
    """

    rows: int
    rows_each: float
    figures: tuple[Tried, ...]

    @property
    def coming_out(self) -> tuple[Tried, ...]:
        return tuple(figure for figure in self.figures if figure.comes_out)


def can_be_tried(query: Query, groups: int) -> bool:
    """Return whether the query is a ratio of sums in so few groups that a trial takes no time."""
    return (
        isinstance(query.measure, Mean | Variance | StandardDeviation | Covariance | Regression | Correlation)
        and groups <= MOST_GROUPS
    )


def people_with(mean: float, rows: int, *, most: int, seed: int) -> Integers:
    """Assign `rows` rows to people: `mean` rows per person, at least one and at most `most` each.

    Each row that people may have beyond their first exists with equal probability. Returns offsets (people + 1,).
    """
    people = min(rows, max(round(rows / max(mean, 1.0)), -(-rows // most)))
    spare = most - 1
    given = np.random.default_rng(seed).choice(people * spare, rows - people, replace=False) if spare else ()
    sizes = 1 + np.bincount(np.asarray(given, dtype=np.int64) // max(spare, 1), minlength=people)
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def trial(query: Query, table: SortedTable, *, sigma: int, people: int, seed: int) -> Trial:
    """Try a query on a mock table, if `can_be_tried`. Raises QueryRefused if the declarations forbid the query.

    `people`: the number of people in the real table. `sigma`: the noise that the answer would have, in units.
    """
    plan = design(query, table.rows.table)
    rows = int(np.count_nonzero(holds(query.where, table.rows)))
    each = table.rows.length / max(1, table.subjects)
    if rows < max(FEWEST_ROWS, ROWS_PER_FIGURE * _figures(query, plan.cells)):
        return Trial(rows=rows, rows_each=each, figures=())
    scaled = max(1, round(sigma * table.subjects / people))
    source, total = np.random.default_rng(seed), exact_sums(query, table)
    answers = [
        figures.of_vector(query, plan, total + _noise(source, total.shape, scaled), scaled)
        for _ in range(TRIES)
    ]
    return Trial(rows=rows, rows_each=each, figures=_summary(answers))


def _figures(query: Query, groups: int) -> int:
    return len(query.measure.names) + 1 if isinstance(query.measure, Regression) else groups


def _noise(source: np.random.Generator, shape: tuple[int, ...], sigma: int) -> Integers:
    drawn = np.rint(source.standard_normal(shape) * float(sigma))
    return np.clip(drawn, -LARGEST, LARGEST).astype(np.int64)


def _summary(answers: list[figures.Figures]) -> tuple[Tried, ...]:
    """Summarise each figure over all tries, except the number of rows, which mock data cannot predict."""
    found: dict[tuple[tuple[str, ...], str], list[float | None]] = {}
    for answer in answers:
        for line in answer.lines:
            for figure in line.figures:
                if figure.name != "n":
                    found.setdefault((line.key, figure.name), []).append(figure.half_width)
    return tuple(_tried(key, name, widths) for (key, name), widths in found.items())


def _tried(key: tuple[str, ...], name: str, widths: list[float | None]) -> Tried:
    known = [width for width in widths if width is not None]
    return Tried(key=key, name=name, released=len(known), half_width=median(known) if known else None)
