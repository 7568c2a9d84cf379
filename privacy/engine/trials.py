"""How a question would come out if the real rows looked like the mock ones: a simulation, on public rows alone.

A regression or a ratio is told only where what it divides by stands clear of the noise, and only rows can say that. The
mock has other numbers of people than the real table, so the noise is scaled with them: the sums over k people with
noise sigma k/n are to each other as those over n people with noise sigma, and what is told of them, a ratio, is the
same. Such noise may be far below what the engine releases with, and comes from a seeded generator: the same question
has the same tries at every price. Nothing here protects anybody.
"""

from dataclasses import dataclass
from statistics import median

import numpy as np

from privacy.engine import figures
from privacy.engine.contributions import Integers
from privacy.engine.designs import design
from privacy.engine.evaluate import holds
from privacy.engine.queries import Correlation, Mean, Query, Regression, Variance
from privacy.engine.release import Table, exact_sums

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
    """`rows` that the filter keeps; `figures` is empty where these are too few to try anything with."""

    rows: int
    figures: tuple[Tried, ...]

    @property
    def coming_out(self) -> tuple[Tried, ...]:
        return tuple(figure for figure in self.figures if figure.comes_out)


def can_be_tried(query: Query, groups: int) -> bool:
    """Whether the query is a ratio of sums, in so few groups that trying takes no time."""
    return isinstance(query.measure, Mean | Variance | Regression | Correlation) and groups <= MOST_GROUPS


def trial(query: Query, table: Table, *, sigma: int, people: int, seed: int) -> Trial:
    """Try a query that can be on a mock table. `people`: how many the real table is about; `sigma`: the noise with
    which it would be asked, in units. QueryRefused when the declarations forbid the query."""
    plan = design(query, table.rows.table)
    rows = int(np.count_nonzero(holds(query.where, table.rows)))
    if rows < max(FEWEST_ROWS, ROWS_PER_FIGURE * _figures(query, plan.cells)):
        return Trial(rows=rows, figures=())
    scaled = max(1, round(sigma * table.subjects / people))
    source, total = np.random.default_rng(seed), exact_sums(query, table)
    answers = [
        figures.of_vector(query, plan, total + _noise(source, total.shape, scaled), scaled)
        for _ in range(TRIES)
    ]
    return Trial(rows=rows, figures=_summary(answers))


def _figures(query: Query, groups: int) -> int:
    return len(query.measure.names) + 1 if isinstance(query.measure, Regression) else groups


def _noise(source: np.random.Generator, shape: tuple[int, ...], sigma: int) -> Integers:
    drawn = np.rint(source.standard_normal(shape) * float(sigma))
    return np.clip(drawn, -LARGEST, LARGEST).astype(np.int64)


def _summary(answers: list[figures.Answer]) -> tuple[Tried, ...]:
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
