"""Questions from an array to their answers, with the client, on the running portal."""

from types import SimpleNamespace

import numpy as np
import pytest

import weir
from tests import make
from tests.client.live import AUTHOR, signed_in
from tests.makers import privacy as shares

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def budget():
    data = make.dataset()
    scientist = make.scientist()
    make.grant(data, scientist)
    return shares.budget(shares.promise(data), scientist, epsilon=2.0)


def test_from_an_array_to_an_answer(live: SimpleNamespace, budget):
    with signed_in(live, (budget.scientist, AUTHOR)) as (portal,):
        data = portal.datasets[budget.promise.dataset.name]
        wages = data.tables["wages"]
        wage, year = wages["wage"], wages["year"]
        question = np.mean(wage[year > 1984].clip(0, 60))
        assert float(question.mock()) > 0
        price = question.price(epsilon=0.5)
        assert (price.epsilon, price.is_free) == (pytest.approx(0.5, rel=0.01), False)
        answer = question.release(epsilon=0.5)
        assert answer.record
        people = wages[wages["region"] == "east"].count_people().release(epsilon=0.5)
        low, high = people.interval
        assert low <= float(people) <= high
        again = question.release(epsilon=0.5)
        assert (again.value, question.price(epsilon=0.5).is_free) == (answer.value, True)
        by_region = wages.groupby("region")["wage"].mean().release(share=0.1)
        assert by_region.to_arrow().column("region").to_pylist() == ["east", "north", "west"]
        counted = data.sql("SELECT COUNT(*) FROM wages WHERE region = 'east'").release(epsilon=0.2)
        assert np.isfinite(float(counted))
        assert len(list(portal.answers)) == 4
        with portal.spending(at_most=0.01), pytest.raises(weir.BudgetExceeded):
            np.median(wage).release(share=0.1)


def test_a_budget_that_is_used_up_says_what_is_left(live: SimpleNamespace, budget):
    with signed_in(live, (budget.scientist, AUTHOR)) as (portal,):
        wages = portal.datasets[budget.promise.dataset.name].tables["wages"]
        with pytest.raises(weir.BudgetExceeded) as refused:
            wages.count().release(epsilon=50)
        assert refused.value.left is not None


def test_who_has_no_budget_is_told_how_to_get_one(live: SimpleNamespace, budget):
    stranger = make.scientist()
    make.grant(budget.promise.dataset, stranger)
    with signed_in(live, (stranger, AUTHOR)) as (portal,):
        wages = portal.datasets[budget.promise.dataset.name].tables["wages"]
        with pytest.raises(weir.WeirError, match="budget"):
            wages.count().release(epsilon=0.1)
