"""Questions whose errors are measured, each with its table and its exact answer by NumPy."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.samples import Floats, claims, numbers, survey, wages
from privacy.engine.figures import Figure, Figures
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import (
    Correlation,
    Count,
    Distribution,
    Mean,
    Measure,
    Quantiles,
    Query,
    Regression,
    Sum,
    Variance,
)
from privacy.engine.release import SortedTable

PEOPLE: dict[Callable[[int], SortedTable], int] = {survey: 48_842, wages: 20_000, claims: 20_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, the figures of its answer that count, and their exact values (shape (figures,))."""

    name: str
    table: Callable[[int], SortedTable]
    asked: Measure
    truth: Callable[[SortedTable], Floats]
    figure: str = ""
    """The name of the figure that counts if a line has several; by default the first."""

    @property
    def query(self) -> Query:
        return Query(table="t", measure=self.asked)

    @property
    def title(self) -> str:
        return f"{self.table.__name__}: {self.name}"

    def figures(self, answer: Figures) -> list[Figure]:
        """One of each line; the last share, which is 1 whatever the noise, is left out."""
        found = [next(one for one in line.figures if self.figure in {"", one.name}) for line in answer.lines]
        return found[:-1] if isinstance(self.asked, Distribution) else found


AGE, HOURS, SCHOOLING = Column("age"), Column("hours"), Column("schooling")
WAGE, EXPERIENCE, AMOUNT = Column("wage"), Column("experience"), Column("amount")


def one(of: Callable[[Floats], float], column: str) -> Callable[[SortedTable], Floats]:
    return lambda table: np.array([of(numbers(table, column))])


def quantile(share: float, column: str) -> Callable[[SortedTable], Floats]:
    """Return the smallest value that at least this share of the values does not exceed."""
    return one(lambda x: float(np.quantile(x, share, method="inverted_cdf")), column)


def shares(column: str, bins: int) -> Callable[[SortedTable], Floats]:
    def truth(table: SortedTable) -> Floats:
        spec, x = table.rows.table.column(column), numbers(table, column)
        place = np.clip(np.floor((x - spec.lower) * (bins / (spec.upper - spec.lower))), 0, bins - 1)
        return np.cumsum(np.bincount(place.astype(np.int64), minlength=bins))[:-1] / len(x)

    return truth


def slope(target: str, *features: str) -> Callable[[SortedTable], Floats]:
    """The coefficient of the first feature by least squares."""

    def truth(table: SortedTable) -> Floats:
        xs = np.column_stack([np.ones(table.rows.length), *(numbers(table, name) for name in features)])
        return np.asarray(np.linalg.lstsq(xs, numbers(table, target), rcond=None)[0][1:2], dtype=np.float64)

    return truth


def correlation(table: SortedTable) -> Floats:
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
