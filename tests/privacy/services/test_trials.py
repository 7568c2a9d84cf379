"""Trials are compiled before anybody waits for them, and say how many rows a person has only where that matters."""

import pytest

from privacy import services
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.query import Mean, Query, Variance
from privacy.engine.measure import contributions, kernels
from privacy.engine.trials import FEWEST_ROWS, TRIES, trial
from privacy.services import questions, trials
from tests import make
from tests.makers.datasets import PEOPLE

SINCE_1991 = Compare(">=", Column("year"), Constant(1991.0))
OF_ROWS = Query(table="wages", measure=Mean(Column("wage")), where=SINCE_1991)
OF_PEOPLE = Query(table="wages", measure=Mean(Column("wage"), per_subject=True), where=SINCE_1991)
ONE_ROW = Query(table="wages", measure=Mean(Column("wage")), where=SINCE_1991, rows=1)
PASSES = [
    each
    for module in (contributions, kernels)
    for each in vars(module).values()
    if hasattr(each, "signatures")
]


@pytest.fixture
def budget(db):
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    promise = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=2
    )
    return services.give_budget(promise, scientist, by=data.owner, epsilon=40)


def quote(budget, query):
    return questions.quote(budget, query, by=budget.scientist, epsilon=30)


def in_words(budget, query):
    quoted = quote(budget, query)
    found = trials.tried(quoted, budget.promise)
    assert found is not None
    return trials.in_words(found, quoted, budget.promise)


def test_a_rehearsal_tries_a_question_on_empty_rows_and_reads_no_database(monkeypatch):
    made = []

    def noted(query, table, **options):
        made.append((query, table, trial(query, table, **options)))
        return made[-1][-1]

    monkeypatch.setattr(trials, "trial", noted)
    trials.rehearse()
    ((query, table, found),) = made
    assert isinstance(query.measure, Variance)
    assert (table.rows.length, table.subjects) == (FEWEST_ROWS, FEWEST_ROWS)
    assert not table.rows.columns["x"].numbers.any()
    # Enough rows for all tries to be made: fewer would compile nothing.
    assert (found.rows, found.rows_each) == (FEWEST_ROWS, 1)
    assert [(figure.key, figure.name, figure.released) for figure in found.figures] == [
        ((), "variance", TRIES)
    ]


def test_after_a_rehearsal_a_trial_compiles_nothing(budget):
    trials.rehearse()
    before = {each: list(each.signatures) for each in PASSES}
    assert any(before.values())
    for query in (OF_ROWS, OF_PEOPLE, Query(table="wages", measure=Variance(Column("wage")))):
        assert trials.tried(quote(budget, query), budget.promise) is not None
    assert {each: list(each.signatures) for each in PASSES} == before


@pytest.mark.parametrize("query", [OF_PEOPLE, ONE_ROW])
def test_rows_per_person_are_told_only_where_several_of_them_count(budget, query):
    """Not in a mean of people, nor where one row of each person counts: fewer rows make no error larger."""
    mock = "The mock data has about 2.5 rows per person: "
    published = "Each person had about 4 rows, according to the number of rows that the owner has published."
    assert in_words(budget, OF_ROWS).rows.startswith(mock)
    assert in_words(budget, query).rows == ""
    services.publish_rows(budget.promise, {"wages": 4 * PEOPLE}, by=budget.promise.dataset.owner)
    budget.promise.refresh_from_db()
    assert in_words(budget, OF_ROWS).rows == published
    assert in_words(budget, query).rows == ""
