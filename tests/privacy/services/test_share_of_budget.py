"""A question priced by the share of the budget that it may use, through the real services."""

import math
from uuid import uuid4

import pytest

from common.errors import BudgetExceeded, Refused
from privacy import services
from privacy.engine.measure.contributions import CAP
from privacy.execution import lifecycle
from privacy.ledgers.verification import faults
from privacy.models import Budget, LedgerLine
from privacy.services import questions
from tests import make
from tests.makers.datasets import PEOPLE

pytestmark = pytest.mark.django_db

COUNT = "SELECT COUNT(DISTINCT person) FROM wages"
MEDIAN = "SELECT MEDIAN(wage) FROM wages"


@pytest.fixture
def budget():
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=20)


def quote(budget, text=COUNT, **price):
    return questions.quote(budget, questions.read_sql(budget, text).query, by=budget.scientist, **price)


@pytest.mark.parametrize("text", [COUNT, MEDIAN, "SELECT region, AVG(wage) FROM wages GROUP BY region"])
@pytest.mark.parametrize("share", [0.0001, 0.02, 0.37])
def test_a_share_is_used_up_to_the_last_unit_that_fits(budget, text, share):
    quoted = quote(budget, text, share=share)
    assert quoted.offer.share <= share
    assert quoted.offer.units + quoted.offer.releases > share * CAP * 0.999999
    assert quoted.asked == {"share": share}
    assert quote(budget, text, share=quoted.offer.share).offer.units == quoted.offer.units


def test_ten_questions_of_a_tenth_each_fit_and_not_one_more(budget):
    for year in range(1990, 2000):
        text = f"SELECT COUNT(*) FROM wages WHERE year < {year}"  # noqa: S608 -- a question
        questions.ask(budget, quote(budget, text, share=0.1), key=uuid4(), by=budget.scientist, text=text)
        budget = Budget.objects.get(pk=budget.pk)
    assert budget.share_used == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(BudgetExceeded):
        questions.ask(budget, quote(budget, MEDIAN, share=0.1), key=uuid4(), by=budget.scientist)
    assert faults(budget.promise) == []


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01, math.nan, math.inf])
def test_a_share_that_is_none_is_refused(budget, share):
    with pytest.raises(Refused, match="above 0 and at most 1"):
        quote(budget, share=share)
    assert not LedgerLine.objects.exists()


@pytest.mark.parametrize(
    "price",
    [
        {},
        {"share": 0.1, "epsilon": 1.0},
        {"share": 0.1, "error": 1.0},
        {"epsilon": 1.0, "error": 1.0},
        {"share": 0.1, "epsilon": 1.0, "error": 1.0},
    ],
    ids=str,
)
def test_exactly_one_price_is_given(budget, price):
    with pytest.raises(Refused, match=r"Give either the error .* epsilon .* or the share .*: one of them"):
        quote(budget, **price)


def test_the_same_key_means_the_same_share_even_of_a_budget_that_has_grown(budget):
    key = uuid4()
    first = questions.ask(budget, quote(budget, share=0.1), key=key, by=budget.scientist, text=COUNT)
    assert first.line.purpose["asked"] == {"share": 0.1}
    lifecycle.compute(str(first.pk))
    services.change_budget(budget, by=budget.promise.dataset.owner, epsilon=40)
    grown = Budget.objects.get(pk=budget.pk)
    again = questions.ask(grown, quote(grown, share=0.1), key=key, by=budget.scientist, text=COUNT)
    assert again == first
    assert LedgerLine.objects.filter(kind=LedgerLine.Kind.RESERVE).count() == 1
