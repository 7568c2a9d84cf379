"""The error of answers and the coverage of intervals, on synthetic tables (benchmarks.samples) with the engine's noise.

Tables have a fixed seed. Noise comes from the operating system, as in production, so figures vary between runs.
"""

import math
import statistics
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from scipy.stats import beta

from benchmarks.asked import ERRORS, FIXED, INTERVALS, PEOPLE, Question
from benchmarks.measuring import Goal, Measure
from benchmarks.samples import numbers
from privacy.engine.accounting import noise_mu, zcdp_rho
from privacy.engine.figures import Figure
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Count, Distribution, Quantiles, Sum
from privacy.engine.measure.contributions import CAP
from privacy.engine.plan.designs import Design, design
from privacy.engine.plan.pricing import at_least, error_per_sigma, off_middle, offer_for_error, offer_for_mu
from privacy.engine.release import SortedTable, measure

EPSILON, DELTA = 1.0, 1e-6
QUESTIONS_TOGETHER = 20
SIZES = (300, 3_000, 30_000)
EPSILONS = (0.3, 1.0, 3.0)
FEW = 20
"""With fewer answers than this, no coverage is shown."""
HOLDS = Goal(limit=93, at_least=True)
ENOUGH = 500
"""Fewer answers than this decide no goal: 93 would be missed by chance."""


def measures(chosen: Namespace) -> Iterator[Measure]:
    rounds = 40 if chosen.quick else 2_000 if chosen.full else 400
    yield from errors(rounds)
    yield from coverage(rounds)
    yield from prices(min(rounds, 200))


def rounds_of(question: Question, rounds: int) -> int:
    """Half as many where an answer draws noise often, which takes twenty times as long."""
    match question.asked:
        case Quantiles():
            return rounds // 2
        case Distribution(_, bins) if bins > 100:
            return rounds // 2
        case _:
            return rounds


# Root mean square errors


def errors(rounds: int) -> Iterator[Measure]:
    for question in ERRORS:
        table = question.table(PEOPLE[question.table])
        for together in (1, QUESTIONS_TOGETHER):
            yield rmse(question, table, together, rounds_of(question, rounds))


def rmse(question: Question, table: SortedTable, together: int, rounds: int) -> Measure:
    """The error of one of so many questions that share a promise evenly."""
    mu = noise_mu(EPSILON, DELTA)
    truth = question.truth(table)
    told = [
        [figure.value for figure in found]
        for found in answers(question, table, mu / math.sqrt(together), rounds)
    ]
    kept = [values for values in told if None not in values]
    squares = (np.array(kept, dtype=np.float64) - truth) ** 2
    error = math.sqrt(float(squares.mean())) if kept else 0.0
    lost = 1 - len(kept) / rounds
    notes = [f"lost in noise {lost:.0%}"] if lost else []
    if isinstance(question.asked, Count | Sum):
        notes.append(others(design(question.query, table.rows.table), error, together))
    name = f"{question.title}, " + ("alone" if together == 1 else f"one of {together}")
    return Measure(name=f"RMSE, {name}", ours=error, unit="", note="; ".join(notes))


def answers(question: Question, table: SortedTable, mu: float, rounds: int) -> Iterator[list[Figure]]:
    """The figures of so many answers, each with noise that is mu-GDP."""
    plan = design(question.query, table.rows.table)
    sigma = offer_for_mu(plan, mu, mu).sigma
    yield from drawn(question, table, sigma, rounds)


def drawn(question: Question, table: SortedTable, sigma: int, rounds: int) -> Iterator[list[Figure]]:
    measured = measure(question.query, table)
    for _ in range(rounds):
        yield question.figures(measured.release(sigma, None))


def others(plan: Design, error: float, together: int) -> str:
    """What the same count or sum costs elsewhere, by formula: a Gaussian accounted for by zCDP, as OpenDP does, and
    Laplace noise of a pure epsilon, whose parts add up."""
    zcdp = plan.clip / math.sqrt(2 * zcdp_rho(EPSILON, DELTA) / together)
    laplace = plan.clip * math.sqrt(2) * together / EPSILON
    parts = (("zCDP", zcdp), ("Laplace", laplace))
    return ", ".join(f"{name} {other:,.4g} (ours {error / other:.2f} x)" for name, other in parts)


# Whether intervals hold


@dataclass(frozen=True, slots=True)
class Kept:
    """How many of the intervals that came held the truth, how many answers had none, and half the median width."""

    inside: int
    told: int
    lost: int
    half: float = 0.0

    def __str__(self) -> str:
        lost = f"lost {self.lost / (self.told + self.lost):.0%}"
        if self.told < FEW:
            return lost
        low, high = clopper_pearson(self.inside, self.told)
        held = f"{100 * self.inside / self.told:.1f} [{100 * low:.1f}, {100 * high:.1f}] ± {self.half:.3g}"
        return f"{held}, {lost}" if self.lost else held


def clopper_pearson(inside: int, told: int) -> tuple[float, float]:
    """The 95 % range of a share (Clopper and Pearson, Biometrika 26, 1934)."""
    low = float(beta.ppf(0.025, inside, told - inside + 1)) if inside else 0.0
    high = float(beta.ppf(0.975, inside + 1, told - inside)) if inside < told else 1.0
    return low, high


def coverage(rounds: int) -> Iterator[Measure]:
    for question in INTERVALS:
        for people in SIZES:
            table = question.table(people)
            found = [
                held(question, table, people, epsilon, rounds_of(question, rounds)) for epsilon in EPSILONS
            ]
            shown, rank = zip(*found, strict=True)
            name = f"{question.title}, n {people:,}"
            if isinstance(question.asked, Quantiles):
                yield summed(f"rank, {name}", rank)
                if not any(kept.told for kept in shown):
                    continue
            yield summed(f"interval, {name}", shown)


def summed(name: str, found: Sequence[Kept]) -> Measure:
    """One line for all epsilons. Where hardly any interval came: how many did."""
    note = " · ".join(f"eps {epsilon:g}: {kept}" for epsilon, kept in zip(EPSILONS, found, strict=True))
    note += f"; of {found[0].told + found[0].lost:,}"
    inside, told, lost = (sum(map(attrgetter(what), found)) for what in ("inside", "told", "lost"))
    if told < FEW:
        return Measure(name=f"told: {name}", ours=100 * told / (told + lost), unit="%", note=note)
    goal = HOLDS if told >= ENOUGH else None
    return Measure(name=name, ours=100 * inside / told, unit="%", goal=goal, note=note)


def held(
    question: Question, table: SortedTable, people: int, epsilon: float, rounds: int
) -> tuple[Kept, Kept]:
    """(the interval that is shown, the rank error that a quantile was quoted at), for one answer alone."""
    truth = question.truth(table)
    watched = int(np.argmin(np.abs(truth - 0.5))) if len(truth) > 1 else 0
    mu = noise_mu(epsilon, DELTA)
    found = [figures[watched] for figures in answers(question, table, mu, rounds)]
    told = [ends for ends in map(interval, found) if ends is not None]
    inside = sum(1 for low, high in told if low <= truth[watched] <= high)
    half = statistics.median((high - low) / 2 for low, high in told) if told else 0.0
    return Kept(inside, len(told), rounds - len(told), half), ranks(question, table, people, mu, found)


def interval(figure: Figure) -> tuple[float, float] | None:
    """(lower, upper) end of what is shown; None where nothing is."""
    low, high = getattr(figure, "low", None), getattr(figure, "high", None)
    if low is not None and high is not None:
        return float(low), float(high)
    if figure.value is None or figure.half_width is None:
        return None
    slack = 1e-9 * abs(figure.value)
    return figure.value - figure.half_width - slack, figure.value + figure.half_width + slack


def ranks(question: Question, table: SortedTable, people: int, mu: float, found: list[Figure]) -> Kept:
    """How often a quantile's rank is as near as was said before: none of it for other questions.

    A value beside ties has all ranks from the share below it to the share at most it.
    """
    if not isinstance(question.asked, Quantiles) or not isinstance(question.asked.of, Column):
        return Kept(0, 0, 0)
    plan = design(question.query, table.rows.table)
    quoted = (error_per_sigma(question.query, plan, people) or 0.0) * offer_for_mu(plan, mu, mu).sigma
    (share,) = question.asked.at
    ordered = np.sort(numbers(table, question.asked.of.name))
    values = np.array([figure.value for figure in found if figure.value is not None], dtype=np.float64)
    below = np.searchsorted(ordered, values, side="left") / len(ordered)
    at_most = np.searchsorted(ordered, values, side="right") / len(ordered)
    off = np.maximum(0.0, np.maximum(below - share, share - at_most))
    near = int(np.count_nonzero(off <= quoted + 1e-12))
    return Kept(near, len(values), len(found) - len(values), quoted)


# What it costs to fix an error


def prices(rounds: int) -> Iterator[Measure]:
    """Over the price of the interval asked for: an interval half as wide costs four times as much."""
    for question, half in FIXED:
        people = PEOPLE[question.table]
        table = question.table(people)
        yield fixed(question, table, half, rounds, "announced rows", (table.rows.length, 1.0))
        mean, n = earlier(question, table)
        known = (at_least(*n), off_middle(design(question.query, table.rows.table).scales[0], *mean))
        yield fixed(question, table, half, rounds, "an earlier answer", known)


def earlier(question: Question, table: SortedTable) -> tuple[tuple[float, float], tuple[float, float]]:
    """A noisy mean and its number of rows, each with half its interval: one of 20 questions."""
    plan = design(question.query, table.rows.table)
    mu = noise_mu(EPSILON, DELTA)
    sigma = offer_for_mu(plan, mu / math.sqrt(QUESTIONS_TOGETHER), mu).sigma
    (line,) = measure(question.query, table).release(sigma, None).lines
    mean, n = ((figure.value or 0.0, figure.half_width or 0.0) for figure in line.figures)
    return mean, n


def fixed(
    question: Question,
    table: SortedTable,
    half: float,
    rounds: int,
    way: str,
    known: tuple[float | None, float],
) -> Measure:
    """`known`: (how many rows at least, how far from the middle of its bounds the mean lies at most)."""
    plan = design(question.query, table.rows.table)
    offer = offer_for_error(question.query, plan, half, noise_mu(EPSILON, DELTA), *known)
    found = [figures[0] for figures in drawn(question, table, offer.sigma, rounds)]
    shown = statistics.median(figure.half_width for figure in found if figure.half_width is not None)
    truth = float(question.truth(table)[0])
    off = np.quantile([abs(figure.value - truth) for figure in found if figure.value is not None], 0.95)
    note = (
        f"asked ± {half:g}, shown ± {shown:.3g}, 95 % of errors within {off:.3g}; "
        f"{offer.units / CAP:.2%} of a promise of {EPSILON:g}, {table.rows.length:,} rows of {table.subjects:,} people"
    )
    return Measure(name=f"price, {question.title}, {way}", ours=(half / shown) ** 2, unit="x", note=note)
