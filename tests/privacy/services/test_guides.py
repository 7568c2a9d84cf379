"""Guides are proposed only where a search can answer them, and for as many people as conditions are known to leave."""

from dataclasses import replace
from uuid import uuid4

import pytest

from privacy import services
from privacy.engine.language.expressions import Column, Compare, Constant, Power
from privacy.engine.language.query import Count, CountSubjects, Mean, PersonQuantiles, Query, Sum
from privacy.engine.language.schema import QueryRefused
from privacy.engine.plan.designs import design
from privacy.execution import lifecycle
from privacy.services import guides, prior_answers, questions
from tests import make

pytestmark = pytest.mark.django_db

SINCE_1991 = Compare(">=", Column("year"), Constant(1991.0))
OF_1991 = Query(table="wages", measure=Mean(Column("wage")), where=SINCE_1991)


@pytest.fixture
def budget(settings):
    """A budget on a dataset that is said to hold many people, so that a guide is cheap."""
    settings.ANSWER_SECONDS = 0.001
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    promise = services.protect(
        data, by=data.owner, epsilon=50, public_size=10**6, constants=["region"], scientists=2
    )
    return services.give_budget(promise, scientist, by=data.owner, epsilon=35)


def quote(budget, query, *, epsilon):
    return questions.quote(budget, query, by=budget.scientist, epsilon=epsilon)


def answered(budget, query, *, epsilon, meant=None):
    quoted = quote(budget, query, epsilon=epsilon)
    answer = questions.ask(budget, quoted, key=uuid4(), by=budget.scientist, meant=meant)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert answer.is_out
    return answer


def known(budget, query):
    """The fewest people that are known to be left by the conditions of a query."""
    quoted = quote(budget, query, epsilon=1)
    return prior_answers.people_at_least(budget, query, quoted.spec, quoted.revision)


def test_no_guide_is_proposed_for_a_sum_that_is_too_large_to_search(budget):
    """A sum may have larger values than a quantile can be searched among."""
    proposed = guides.guide(
        budget, quote(budget, Query(table="wages", measure=Sum(Column("wage"))), epsilon=5)
    )
    assert proposed is not None
    assert proposed[0].measure == PersonQuantiles(Column("wage"))
    large = Power(Column("wage"), 8)
    quoted = quote(budget, Query(table="wages", measure=Sum(large)), epsilon=5)
    with pytest.raises(QueryRefused, match="too large"):
        design(Query(table="wages", measure=PersonQuantiles(large)), quoted.spec)
    assert guides.guide(budget, quoted) is None


def test_people_counted_behind_a_condition_are_known_less_the_half_width(budget):
    assert known(budget, OF_1991) is None
    counted = Query(table="wages", measure=CountSubjects(), where=SINCE_1991)
    (count,) = answered(budget, counted, epsilon=10).result["lines"][0]["figures"]
    assert known(budget, OF_1991) == count["value"] - count["half_width"]
    # With other conditions it is another number; without any, the published one.
    assert known(budget, replace(OF_1991, where=replace(SINCE_1991, right=Constant(1992.0)))) is None
    assert known(budget, replace(OF_1991, where=None)) == 10**6


def test_people_counted_come_before_rows_counted_with_less_noise(budget):
    """Rows are divided by the most that one person may have, which says less."""
    rows = answered(budget, Query(table="wages", measure=Count(), where=SINCE_1991), epsilon=20)
    (figure,) = rows.result["lines"][0]["figures"]
    most = quote(budget, OF_1991, epsilon=1).spec.max_rows
    assert known(budget, OF_1991) == (figure["value"] - figure["half_width"]) / most
    people = answered(budget, Query(table="wages", measure=CountSubjects(), where=SINCE_1991), epsilon=8)
    assert people.sigma > rows.sigma
    (figure,) = people.result["lines"][0]["figures"]
    assert known(budget, OF_1991) == figure["value"] - figure["half_width"]


def test_a_guide_says_nothing_of_a_column_that_is_no_longer_declared(budget):
    meant = Query(table="wages", measure=Sum(Column("wage")))
    answer = answered(budget, replace(meant, measure=PersonQuantiles(Column("wage"))), epsilon=3, meant=meant)
    answer.result["lines"][0]["figures"][0]["value"] = 200_000.0
    spec = quote(budget, meant, epsilon=1).spec
    assert guides.no_gain(answer, spec, meant).startswith("98 % add up to at most what 4 rows can hold")
    others = {name: column for name, column in spec.columns.items() if name != "wage"}
    assert guides.no_gain(answer, replace(spec, columns=others), meant) == ""
