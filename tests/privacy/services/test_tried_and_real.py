"""Trials on mock data are close to answers on real rows, where people have fewer rows than declared."""

from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest

from datasets import services as declaring
from privacy import services
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Query, Regression
from privacy.execution import lifecycle
from privacy.services import questions, trials
from tests import make
from tests.makers.datasets import WAGE_COLUMNS

pytestmark = pytest.mark.django_db

PEOPLE = 3_000
QUESTIONS = {
    "mean by group": "SELECT region, AVG(wage) FROM wages GROUP BY region",
    "mean of some by group": "SELECT region, AVG(wage) FROM wages WHERE year >= 1993 GROUP BY region",
    "variance": "SELECT VAR_POP(wage) FROM wages",
    "standard deviation": "SELECT STDDEV(wage) FROM wages",
    "correlation": "SELECT CORR(wage, year) FROM wages",
}
WAGE, YEAR = Column("wage"), Column("year")
REGRESSION = Query(table="wages", measure=Regression(WAGE, (YEAR,), ("year",)))


def few_rows_each():
    """Two rows a person on average, at most six; wages lie closer together than the mock's."""
    source = np.random.default_rng(8)
    sizes = 1 + source.binomial(5, 0.2, PEOPLE)
    rows = int(sizes.sum())
    years = source.integers(1990, 2000, rows)
    wages = (20_000 + 400 * (years - 1995) + source.normal(0, 9_000, rows)).clip(0, 50_000)
    columns = {
        "person": np.repeat(np.arange(PEOPLE), sizes),
        "year": years,
        "region": np.array(["east", "north", "west"])[np.repeat(source.integers(0, 3, PEOPLE), sizes)],
        "wage": wages,
    }
    return pa.table(columns)


@pytest.fixture
def budget():
    data, scientist = make.dataset(rows=few_rows_each(), published=False), make.scientist()
    table = make.draft(data).tables.get()
    declaring.declare(table, by=data.owner, columns=WAGE_COLUMNS, rows_per_subject=6)
    declaring.publish(data, by=data.owner)
    data.refresh_from_db()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=40)


def widths(figures):
    return [each.half_width for each in figures if each.name != "n"]


@pytest.mark.parametrize("name", [*QUESTIONS, "regression"])
def test_the_error_that_is_told_is_near_the_one_that_comes(budget, settings, name):
    """Within a factor of 2 where rows are published; where they are not, far less comes out, and the page says why."""
    settings.ANSWER_SECONDS = 0.001
    by = budget.scientist
    query = questions.read_sql(budget, QUESTIONS[name]).query if name in QUESTIONS else REGRESSION
    quote = questions.quote(budget, query, by=by, epsilon=5)
    hopeful = trials.tried(quote, budget.promise)
    said = trials.in_words(hopeful, quote, budget.promise).rows
    has = "The mock data has about 3.5 rows per person"
    assert said == f"{has}: real people may have fewer, and then the error is larger."
    services.publish_rows(budget.promise, {"wages": 6_000}, by=budget.promise.dataset.owner)
    budget.refresh_from_db()
    tried = trials.tried(quote, budget.promise)
    said = trials.in_words(tried, quote, budget.promise).rows
    assert (
        said == "Each person had about 2 rows, according to the number of rows that the owner has published."
    )
    answer = questions.ask(budget, quote, key=uuid4(), by=by)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert answer.result is not None
    real = [
        figure["half_width"]
        for line in answer.result["lines"]
        for figure in line["figures"]
        if figure["name"] != "n"
    ]
    ratios = np.array(real) / np.array(widths(tried.figures))
    assert 0.5 <= ratios.min() <= ratios.max() <= 2
    assert np.mean(widths(hopeful.figures)) < np.mean(widths(tried.figures)) * 0.75
