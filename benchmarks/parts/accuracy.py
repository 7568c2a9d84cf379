"""How exact answers are, and whether intervals hold: made-up tables (benchmarks.samples), the engine's own noise.

Tables have a fixed seed; noise comes from the operating system, as always, so figures differ a little from run to run.
"""

import math
import statistics
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from scipy.stats import beta

from benchmarks.measuring import Goal, Measure
from benchmarks.samples import Floats, claims, numbers, survey, wages
from privacy.engine.accounting import noise_mu, zcdp_rho
from privacy.engine.contributions import CAP
from privacy.engine.designs import Design, design
from privacy.engine.expressions import Column
from privacy.engine.figures import Answer, Figure
from privacy.engine.pricing import error_per_sigma, offer_for_error, offer_for_mu
from privacy.engine.queries import (
    Correlation,
    Count,
    Distribution,
    Mean,
    Quantiles,
    Query,
    Regression,
    Sum,
    Variance,
)
from privacy.engine.queries import Measure as Asked
from privacy.engine.release import Table, measure

EPSILON, DELTA = 1.0, 1e-6
QUESTIONS_TOGETHER = 20
PEOPLE: dict[Callable[[int], Table], int] = {survey: 48_842, wages: 20_000, claims: 20_000}
SIZES = (300, 3_000, 30_000)
EPSILONS = (0.3, 1.0, 3.0)
FEW = 20
"""Of fewer answers than this no coverage is told."""
HOLDS = Goal(limit=93, at_least=True)
ENOUGH = 500
"""Fewer answers than this decide no goal: 93 would be missed by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, which figures of the answer count, and what they would be without noise (shape (figures,))."""

    name: str
    table: Callable[[int], Table]
    asked: Asked
    truth: Callable[[Table], Floats]
    figure: str = ""
    """The name of the figure that counts, where a line has several; the first one otherwise."""

    @property
    def query(self) -> Query:
        return Query(table="t", measure=self.asked)

    @property
    def title(self) -> str:
        return f"{self.table.__name__}: {self.name}"

    def figures(self, answer: Answer) -> list[Figure]:
        """One of each line; the last share, which is 1 whatever the noise, is left out."""
        found = [next(one for one in line.figures if self.figure in {"", one.name}) for line in answer.lines]
        return found[:-1] if isinstance(self.asked, Distribution) else found


AGE, HOURS, SCHOOLING = Column("age"), Column("hours"), Column("schooling")
WAGE, EXPERIENCE, AMOUNT = Column("wage"), Column("experience"), Column("amount")


def one(of: Callable[[Floats], float], column: str) -> Callable[[Table], Floats]:
    return lambda table: np.array([of(numbers(table, column))])


def quantile(share: float, column: str) -> Callable[[Table], Floats]:
    """The smallest value that at least this share does not pass."""
    return one(lambda x: float(np.quantile(x, share, method="inverted_cdf")), column)


def shares(column: str, bins: int) -> Callable[[Table], Floats]:
    def truth(table: Table) -> Floats:
        spec, x = table.rows.table.column(column), numbers(table, column)
        place = np.clip(np.floor((x - spec.lower) * (bins / (spec.upper - spec.lower))), 0, bins - 1)
        return np.cumsum(np.bincount(place.astype(np.int64), minlength=bins))[:-1] / len(x)

    return truth


def slope(target: str, *features: str) -> Callable[[Table], Floats]:
    """The coefficient of the first feature by least squares."""

    def truth(table: Table) -> Floats:
        xs = np.column_stack([np.ones(table.rows.length), *(numbers(table, name) for name in features)])
        return np.asarray(np.linalg.lstsq(xs, numbers(table, target), rcond=None)[0][1:2], dtype=np.float64)

    return truth


def correlation(table: Table) -> Floats:
    return np.corrcoef(numbers(table, "age"), numbers(table, "hours"))[:1, 1]


SURVEY_COUNT = Question(name="count", table=survey, asked=Count(), truth=one(len, "age"))
SURVEY_SUM = Question(name="sum of hours", table=survey, asked=Sum(HOURS), truth=one(np.sum, "hours"))
SURVEY_MEAN = Question(name="mean age", table=survey, asked=Mean(AGE), truth=one(np.mean, "age"))
SURVEY_VARIANCE = Question(
    name="variance of age", table=survey, asked=Variance(AGE), truth=one(np.var, "age")
)
SURVEY_MEDIAN = Question(
    name="median age", table=survey, asked=Quantiles(AGE, (0.5,)), truth=quantile(0.5, "age")
)
SURVEY_NINTH = Question(
    name="90 % of hours", table=survey, asked=Quantiles(HOURS, (0.9,)), truth=quantile(0.9, "hours")
)
SURVEY_SLOPE = Question(
    name="hours by age",
    table=survey,
    asked=Regression(HOURS, (AGE, SCHOOLING), ("age", "schooling")),
    figure="age",
    truth=slope("hours", "age", "schooling"),
)
SURVEY_CORRELATION = Question(
    name="correlation", table=survey, asked=Correlation(AGE, HOURS), truth=correlation
)
SURVEY_SHARES = Question(
    name="age, 32 shares", table=survey, asked=Distribution(AGE, 32), truth=shares("age", 32)
)
SURVEY_MANY = Question(
    name="age, 256 shares", table=survey, asked=Distribution(AGE, 256), truth=shares("age", 256)
)
WAGES_COUNT = Question(name="count of rows", table=wages, asked=Count(), truth=one(len, "wage"))
WAGES_SUM = Question(name="sum", table=wages, asked=Sum(WAGE), truth=one(np.sum, "wage"))
WAGES_MEAN = Question(name="mean", table=wages, asked=Mean(WAGE), truth=one(np.mean, "wage"))
WAGES_VARIANCE = Question(name="variance", table=wages, asked=Variance(WAGE), truth=one(np.var, "wage"))
WAGES_MEDIAN = Question(
    name="median", table=wages, asked=Quantiles(WAGE, (0.5,)), truth=quantile(0.5, "wage")
)
WAGES_SLOPE = Question(
    name="wage by experience",
    table=wages,
    asked=Regression(WAGE, (EXPERIENCE,), ("experience",)),
    figure="experience",
    truth=slope("wage", "experience"),
)
WAGES_SHARES = Question(name="32 shares", table=wages, asked=Distribution(WAGE, 32), truth=shares("wage", 32))
WAGES_MANY = Question(
    name="256 shares", table=wages, asked=Distribution(WAGE, 256), truth=shares("wage", 256)
)
CLAIMS_SUM = Question(name="sum", table=claims, asked=Sum(AMOUNT), truth=one(np.sum, "amount"))
CLAIMS_MEAN = Question(
    name="mean (a long tail)", table=claims, asked=Mean(AMOUNT), truth=one(np.mean, "amount")
)
CLAIMS_MEDIAN = Question(
    name="median", table=claims, asked=Quantiles(AMOUNT, (0.5,)), truth=quantile(0.5, "amount")
)

ERRORS = (
    SURVEY_COUNT,
    SURVEY_SUM,
    SURVEY_MEAN,
    SURVEY_VARIANCE,
    SURVEY_MEDIAN,
    SURVEY_SLOPE,
    SURVEY_CORRELATION,
    SURVEY_SHARES,
    SURVEY_MANY,
    WAGES_COUNT,
    WAGES_SUM,
    WAGES_MEAN,
    WAGES_VARIANCE,
    WAGES_MEDIAN,
    WAGES_SLOPE,
    WAGES_SHARES,
    WAGES_MANY,
    CLAIMS_SUM,
    CLAIMS_MEAN,
    CLAIMS_MEDIAN,
)
INTERVALS = (
    SURVEY_COUNT,
    SURVEY_SUM,
    SURVEY_MEAN,
    SURVEY_VARIANCE,
    SURVEY_CORRELATION,
    SURVEY_SLOPE,
    SURVEY_MEDIAN,
    SURVEY_NINTH,
    SURVEY_SHARES,
    SURVEY_MANY,
    WAGES_MEAN,
    WAGES_VARIANCE,
    WAGES_SLOPE,
    WAGES_MEDIAN,
    WAGES_SHARES,
    CLAIMS_SUM,
    CLAIMS_MEAN,
    CLAIMS_MEDIAN,
)
FIXED = ((SURVEY_MEAN, 0.1), (WAGES_MEAN, 2.0), (CLAIMS_MEAN, 300.0))
"""Means whose error is fixed before: how far the interval may reach to either side, in the answer's own units."""


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


def rmse(question: Question, table: Table, together: int, rounds: int) -> Measure:
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


def answers(question: Question, table: Table, mu: float, rounds: int) -> Iterator[list[Figure]]:
    """The figures of so many answers, each with noise that is mu-GDP."""
    plan = design(question.query, table.rows.table)
    sigma = offer_for_mu(plan, mu, mu).sigma
    yield from drawn(question, table, sigma, rounds)


def drawn(question: Question, table: Table, sigma: int, rounds: int) -> Iterator[list[Figure]]:
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
    """How many of so many told intervals held the truth, how many answers told none, and half their median width."""

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
    """One line for all epsilons. Where hardly anything is told: how many answers are."""
    note = " · ".join(f"eps {epsilon:g}: {kept}" for epsilon, kept in zip(EPSILONS, found, strict=True))
    note += f"; of {found[0].told + found[0].lost:,}"
    inside, told, lost = (sum(map(attrgetter(what), found)) for what in ("inside", "told", "lost"))
    if told < FEW:
        return Measure(name=f"told: {name}", ours=100 * told / (told + lost), unit="%", note=note)
    goal = HOLDS if told >= ENOUGH else None
    return Measure(name=name, ours=100 * inside / told, unit="%", goal=goal, note=note)


def held(question: Question, table: Table, people: int, epsilon: float, rounds: int) -> tuple[Kept, Kept]:
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


def ranks(question: Question, table: Table, people: int, mu: float, found: list[Figure]) -> Kept:
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
        plan = design(question.query, table.rows.table)
        mu = noise_mu(EPSILON, DELTA)
        offer = offer_for_error(question.query, plan, half, mu, people)
        found = [figures[0] for figures in drawn(question, table, offer.sigma, rounds)]
        shown = statistics.median(figure.half_width for figure in found if figure.half_width is not None)
        truth = float(question.truth(table)[0])
        off = np.quantile([abs(figure.value - truth) for figure in found if figure.value is not None], 0.95)
        note = (
            f"asked ± {half:g}, shown ± {shown:.3g}, 95 % of errors within {off:.3g}; "
            f"{offer.units / CAP:.2%} of a promise of {EPSILON:g}, {table.rows.length:,} rows of {people:,} people"
        )
        yield Measure(name=f"price, {question.title}", ours=(half / shown) ** 2, unit="x", note=note)
