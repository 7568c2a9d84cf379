"""How a question would come out if the real rows looked like the mock ones: a simulation, on public rows alone.

A regression or a ratio is told only where what it divides by stands clear of the noise, and only rows can say that. The
mock has other numbers of people than the real table, so the noise is scaled with them: the sums over k people with
noise sigma k/n are to each other as those over n people with noise sigma, and what is told of them, a ratio, is the
same. Such noise may be far below what the engine releases with, and comes from a seeded generator: the same question
has the same tries at every price. Nothing here protects anybody.

Beside the noise on one person's rows it matters how many rows each person has: people with a third of the rows make
sums a third as large, under the same noise. Where the owner has published how many rows there are, those of the mock
are given to people who have as many each (`people_with`). All rows stay: with some left out, too few would be behind
filters and in groups to try anything with.
"""

from dataclasses import dataclass
from statistics import median

import numpy as np

from privacy.engine import figures
from privacy.engine.language.query import Correlation, Mean, Query, Regression, Variance
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import holds
from privacy.engine.plan.designs import design
from privacy.engine.release import SortedTable, exact_sums

TRIES = 20
ROWS_PER_FIGURE = 10
FEWEST_ROWS = 30
MOST_GROUPS = 200
LARGEST = 2.0**61
"""Noise beyond it is cut: sums stay within 63 bits, and everything is lost long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One figure. `told`: in how many of the tries the noise did not drown it; `half_width`: half the width of its 95 %
    interval in the middle one of these, None where there is none."""

    key: tuple[str, ...]
    name: str
    told: int
    half_width: float | None

    @property
    def comes_out(self) -> bool:
        return 2 * self.told > TRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`rows` that the filter keeps; `figures` is empty where these are too few to try anything with. `rows_each`: how
    many rows a person has on average, those that the filter leaves out among them."""

    rows: int
    rows_each: float
    figures: tuple[Tried, ...]

    @property
    def coming_out(self) -> tuple[Tried, ...]:
        return tuple(figure for figure in self.figures if figure.comes_out)


def can_be_tried(query: Query, groups: int) -> bool:
    """Whether the query is a ratio of sums, in so few groups that trying takes no time."""
    return isinstance(query.measure, Mean | Variance | Regression | Correlation) and groups <= MOST_GROUPS


def people_with(mean: float, rows: int, *, most: int, seed: int) -> Integers:
    """Where each of the people begins that `rows` rows are given to: `mean` rows a person, nobody less than one or more
    than `most`. Each of the rows that people may have beyond their first is there with equal chance."""
    people = min(rows, max(round(rows / max(mean, 1.0)), -(-rows // most)))
    spare = most - 1
    given = np.random.default_rng(seed).choice(people * spare, rows - people, replace=False) if spare else ()
    sizes = 1 + np.bincount(np.asarray(given, dtype=np.int64) // max(spare, 1), minlength=people)
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def trial(query: Query, table: SortedTable, *, sigma: int, people: int, seed: int) -> Trial:
    """Try a query that can be on a mock table. `people`: how many the real table is about; `sigma`: the noise with
    which it would be asked, in units. QueryRefused when the declarations forbid the query."""
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
    """Figure by figure over all tries; how many rows there are is left out, for the mock cannot tell."""
    found: dict[tuple[tuple[str, ...], str], list[float | None]] = {}
    for answer in answers:
        for line in answer.lines:
            for figure in line.figures:
                if figure.name != "n":
                    found.setdefault((line.key, figure.name), []).append(figure.half_width)
    return tuple(_tried(key, name, widths) for (key, name), widths in found.items())


def _tried(key: tuple[str, ...], name: str, widths: list[float | None]) -> Tried:
    told = [width for width in widths if width is not None]
    return Tried(key=key, name=name, told=len(told), half_width=median(told) if told else None)
