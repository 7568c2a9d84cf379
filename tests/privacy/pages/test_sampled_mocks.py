"""The owner's page on which mock data is drawn from private rows."""

import pytest
from django.urls import reverse

from privacy.execution import learned_answers
from privacy.models import Answer, Budget
from tests import make

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr("privacy.execution.questions.deadlines.after_charge", lambda *_, **__: 0.5)


@pytest.fixture
def owner(as_, budget: Budget):
    return as_(budget.promise.dataset.owner)


def sent(page, **more):
    key = page.context["key"]
    wanted = {"table": "wages", "columns": ["region", "wage"], "bins": "4", "focus": "", "share": "5"}
    return {**wanted, "key": key, **more}


def test_mock_data_is_priced_made_looked_at_replaced_and_taken_back(owner, budget: Budget):
    dataset = budget.promise.dataset
    here = reverse("privacy:mock", args=[dataset.pk])
    page = owner.get(here)
    assert page.context["form"].names == ["year", "region", "wage"]
    assert "one row a person" in page.content.decode()
    price = owner.post(here, sent(page, then="price"))
    assert price.status_code == 200
    assert "of the promise, for good" in price.content.decode()
    assert not Answer.objects.exists()
    assert owner.post(here, sent(page, then="make")).status_code == 302
    answer = Answer.objects.get()
    assert "Being computed" in owner.get(here).content.decode()
    learned_answers.compute(str(answer.pk))
    assert "Replace the mock data" in owner.get(here).content.decode()
    done = owner.post(
        reverse("privacy:replace_mock", args=[dataset.pk]), {"answer": str(answer.pk)}, follow=True
    )
    assert "drawn from a private synthetic table" in done.content.decode()
    ready = owner.get(reverse("privacy:dataset", args=[dataset.pk])).content.decode()
    assert "Everybody (sampled mock)" in ready
    their = owner.get(reverse("privacy:budget", args=[answer.budget_id])).content.decode()
    assert "Change the budget" not in their
    back = owner.post(reverse("privacy:restore_mock", args=[dataset.pk]), {"table": "wages"}, follow=True)
    assert "from the declarations again" in back.content.decode()


def test_a_bad_form_says_why_and_keeps_what_was_typed(owner, budget: Budget):
    here = reverse("privacy:mock", args=[budget.promise.dataset.pk])
    page = owner.get(here, {"table": "no such table"})
    bad = owner.post(here, sent(page, columns=[], share="7"))
    assert bad.status_code == 400
    assert 'value="7"' in bad.content.decode()
    greedy = owner.post(here, sent(page, share="19.9"))
    assert greedy.status_code in {200, 400}
    assert owner.post(here, sent(page, then="make", key="odd")).status_code == 400


def test_what_came_to_nothing_is_told(owner, budget: Budget):
    dataset = budget.promise.dataset
    here = reverse("privacy:mock", args=[dataset.pk])
    owner.post(here, sent(owner.get(here), then="make"))
    Answer.objects.update(state=Answer.State.VOIDED, record={"why": "Too late."})
    assert "Nothing was taken: Too late." in owner.get(here).content.decode()
    Answer.objects.update(state=Answer.State.LOST)
    assert "It was charged" in owner.get(here).content.decode()


def test_only_the_owner_of_a_promise_sees_it(as_, owner, budget: Budget):
    dataset = budget.promise.dataset
    here = reverse("privacy:mock", args=[dataset.pk])
    assert as_(budget.scientist).get(here).status_code == 404
    bare = make.dataset(owner=dataset.owner)
    assert owner.get(reverse("privacy:mock", args=[bare.pk])).status_code == 302
