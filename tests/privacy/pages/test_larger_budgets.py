"""After a top-up, every sentence and chart is about the state that it stands in."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from privacy import queries, services
from privacy.engine.accounting import noise_epsilon
from privacy.execution import lifecycle
from privacy.models import Answer, Budget, Promise
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE

pytestmark = pytest.mark.django_db


@pytest.fixture
def promise() -> Promise:
    data = make.dataset()
    return services.protect(
        data, by=data.owner, epsilon=3, public_size=PEOPLE, constants=["region"], scientists=3
    )


@pytest.fixture
def budget(promise: Promise) -> Budget:
    scientist = make.scientist()
    make.grant(promise.dataset, scientist)
    return services.give_budget(promise, scientist, by=promise.dataset.owner)


def text_of(budget: Budget, name: str, pk: object, *, owner: bool) -> str:
    client = Client()
    client.force_login(budget.promise.dataset.owner if owner else budget.scientist)
    page = client.get(reverse(f"privacy:{name}", args=[pk])).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def answered(budget: Budget, text: str) -> Answer:
    answer = shares.answer(Budget.objects.get(pk=budget.pk), text, epsilon=0.2)
    lifecycle.compute(str(answer.pk))
    return Answer.objects.get(pk=answer.pk)


def enlarged(budget: Budget, epsilon: float) -> Budget:
    item = services.ask_top_up(budget, by=budget.scientist, epsilon=epsilon, reason="Finer groups.")
    services.decide_top_up(item, by=budget.promise.dataset.owner, grant=True, note="")
    return Budget.objects.get(pk=budget.pk)


def test_costs_add_up_to_what_is_used_and_the_largest_budget_counts(budget: Budget) -> None:
    alone = r"one scientist alone, in at most (\d+\.\d)"
    page = budget.promise.dataset_id
    before = re.search(alone, text_of(budget, "dataset", page, owner=True))
    answered(budget, "SELECT COUNT(DISTINCT person) FROM wages")
    larger = enlarged(budget, 2.2)
    answered(larger, "SELECT COUNT(*) FROM wages")
    larger.refresh_from_db()
    costs = [queries.share_of(answer) for answer in larger.answers.all()]
    assert sum(costs) == pytest.approx(larger.share_used, rel=1e-6)
    assert queries.burn_down(larger)[-1].left == pytest.approx(1 - larger.share_used, rel=1e-6)
    own = re.search(r"in at most (\d+\.\d) of 100 cases", text_of(larger, "budget", larger.pk, owner=False))
    after = re.search(alone, text_of(larger, "dataset", page, owner=True))
    assert before
    assert own
    assert after
    assert float(before[1]) < float(after[1]) == float(own[1])


def test_the_owner_reads_what_a_larger_budget_leaves_to_others(budget: Budget) -> None:
    promise = budget.promise
    equal = noise_epsilon(budget.mu, promise.noise_delta)
    item = services.ask_top_up(budget, by=budget.scientist, epsilon=2.5, reason="Finer groups.")
    page = text_of(budget, "top_up", item.pk, owner=True)
    found = re.search(
        r"If you give it, (\d+) % of the promise is given out. 2 budgets are not given yet: ε ([\d.]+) each would be "
        r"left, less than an equal part \(ε ([\d.]+)\)",
        page,
    )
    assert found
    assert float(found[2]) < float(found[3]) == pytest.approx(equal, abs=0.01)
    services.decide_top_up(item, by=promise.dataset.owner, grant=True, note="")
    page = text_of(budget, "dataset", promise.dataset_id, owner=True)
    assert f"{found[1]} % of the promise is given out" in page
    assert f"3, 2 not given yet : at most ε {found[2]} each" in page.replace("yet:", "yet :")


def test_the_owner_is_told_what_does_not_fit(budget: Budget) -> None:
    item = services.ask_top_up(budget, by=budget.scientist, epsilon=9, reason="Everything.")
    assert "The promise has no room for this" in text_of(budget, "top_up", item.pk, owner=True)
