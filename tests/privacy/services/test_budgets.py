"""Budgets: changed by what is in the database at that moment, and never given twice after a restore."""

from contextlib import closing
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from django.utils.timezone import now

from common.errors import Conflict, Refused
from datasets import storage
from privacy import services
from privacy.engine.language.query import KeyCounts, Query
from privacy.engine.plan import deadlines
from privacy.execution import lifecycle
from privacy.ledgers import budget_ledger
from privacy.ledgers.person_ledger import Share, SubjectLedger
from privacy.models import THRESHOLD_ANSWERS, Answer, Budget, LedgerLine, TopUp
from privacy.services import questions
from privacy.services.budgets import Changed
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE, wage_rows
from tests.racing import at_once

pytestmark = pytest.mark.django_db

ROWS = "SELECT COUNT(*) FROM wages"
WAGES = "SELECT SUM(wage) FROM wages"


def protected(**parts):
    cities = wage_rows().append_column("city", pa.array(["Arvik"] * wage_rows().num_rows, pa.string()))
    data = make.dataset(rows=cities)
    parts = {"epsilon": 50, "public_size": PEOPLE, "constants": ["region"], "scientists": 1, **parts}
    return services.protect(data, by=data.owner, **parts)


def give(promise, epsilon):
    scientist = make.scientist()
    make.grant(promise.dataset, scientist)
    return services.give_budget(promise, scientist, by=promise.dataset.owner, epsilon=epsilon)


@pytest.fixture
def budget():
    return give(protected(), 10)


def book_of(budget):
    return closing(SubjectLedger(storage.ledger_folder(budget.promise.dataset_id)))


def fresh(budget):
    return Budget.objects.get(pk=budget.pk)


def compute(answer):
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    return answer


def spent(budget):
    with book_of(budget) as book:
        return set(book.spent(budget.pk).tolist())


# Changed on what stands in the database


@pytest.mark.django_db(transaction=True)
def test_one_top_up_granted_twice_at_once_grows_the_budget_once_in_both_ledgers(budget):
    owner = budget.promise.dataset.owner
    before = compute(shares.answer(budget)).line.units
    asked = services.ask_top_up(budget, by=budget.scientist, epsilon=30, reason="One more table.")
    copies = [TopUp.objects.select_related("budget__promise__dataset").get(pk=asked.pk) for _ in range(2)]
    for copy in copies:
        assert copy.budget.promise.dataset.owner == owner
    found = at_once(
        *[lambda copy=copy: services.decide_top_up(copy, by=owner, grant=True).state for copy in copies]
    )
    assert sorted(str(each) for each in found) == ["This request has already been decided.", "granted"]
    grown = fresh(budget)
    assert (grown.generation, grown.earlier_mus) == (1, [budget.mu])
    assert 0 < grown.units_used < before
    assert spent(budget) == {grown.units_used}


@pytest.mark.django_db(transaction=True)
def test_two_top_ups_at_once_never_pass_the_promise_together():
    promise = protected(epsilon=10, scientists=2)
    budgets = [give(promise, 1) for _ in range(2)]
    owner = promise.dataset.owner
    asked = [services.ask_top_up(each, by=each.scientist, epsilon=8, reason="More.") for each in budgets]
    found = at_once(
        *[lambda item=item: services.decide_top_up(item, by=owner, grant=True).state for item in asked]
    )
    assert sum(each == TopUp.State.GRANTED for each in found) == 1
    assert sum("would exceed the promise" in str(each) for each in found) == 1
    assert sorted(TopUp.objects.values_list("state", flat=True)) == ["granted", "pending"]
    assert sum(each.mu_squared for each in Budget.objects.all()) <= promise.mu_squared


def test_a_budget_is_changed_from_what_it_is_now_and_not_from_what_a_page_showed(budget):
    compute(shares.answer(budget))
    owner, old = budget.promise.dataset.owner, fresh(budget)
    services.change_budget(old, by=owner, epsilon=20)
    services.change_budget(old, by=owner, epsilon=40)
    assert spent(budget) == {fresh(budget).units_used}
    with pytest.raises(Refused, match="cannot be made smaller"):
        services.change_budget(old, by=owner, epsilon=30)
    assert (fresh(budget).generation, spent(budget)) == (2, {fresh(budget).units_used})


def test_a_change_of_what_was_read_is_refused_after_another_one(budget):
    owner, old = budget.promise.dataset.owner, fresh(budget)
    asked = services.ask_top_up(budget, by=budget.scientist, epsilon=20, reason="More.")
    services.decide_top_up(asked, by=owner, grant=True)
    with pytest.raises(Changed, match="changed in the meantime"):
        services.change_budget(old, by=owner, epsilon=15, generation=old.generation)
    grown = fresh(budget)
    services.change_budget(grown, by=owner, epsilon=15, generation=grown.generation)
    assert fresh(budget).mu < grown.mu


def test_a_refused_decision_leaves_the_budget_and_the_request_as_they_were(budget):
    asked = services.ask_top_up(budget, by=budget.scientist, epsilon=30, reason="More.")
    shares.answer(budget)
    with pytest.raises(Conflict, match="being computed"):
        services.decide_top_up(asked, by=budget.promise.dataset.owner, grant=True)
    asked.refresh_from_db()
    assert (asked.state, fresh(budget).generation) == (TopUp.State.PENDING, 0)


def test_a_change_whose_process_died_between_the_ledgers_is_made_good_by_the_next_answer(budget):
    compute(shares.answer(budget))
    (first,) = spent(budget)
    budget_ledger.rescale(budget, budget.mu * 2, by=budget.promise.dataset.owner)
    assert spent(budget) == {first}
    answer = compute(shares.answer(fresh(budget), ROWS))
    assert answer.state == Answer.State.RELEASED
    quarter = -(-first // 4)
    assert max(spent(budget)) <= quarter + answer.line.units
    with book_of(budget) as book:
        assert book.shares() == {budget.pk: Share(budget.mu * 2, 1)}


# After the database was restored to an older state


def test_a_forgotten_change_of_a_budget_stops_that_budget_and_every_change(budget):
    owner = budget.promise.dataset.owner
    compute(shares.answer(budget))
    services.change_budget(budget, by=owner, epsilon=20)
    before = spent(budget)
    Budget.objects.filter(pk=budget.pk).update(mu=budget.mu, generation=0, earlier_mus=[])
    answer = compute(shares.answer(fresh(budget), ROWS))
    assert answer.state == Answer.State.VOIDED
    assert "lost a change of this budget" in answer.record["why"]
    assert (fresh(budget).mu, spent(budget)) == (budget.mu, before)
    with pytest.raises(Refused, match="lost a budget, or a change of one"):
        services.change_budget(fresh(budget), by=owner, epsilon=30)
    with pytest.raises(Refused, match="lost a budget, or a change of one"):
        give(budget.promise, 1)


def test_a_forgotten_budget_is_not_given_again_and_others_go_on(budget):
    with book_of(budget) as book:
        book.keep(uuid4(), Share(budget.promise.mu / 2, 0))
    with pytest.raises(Refused, match="lost a budget, or a change of one"):
        give(budget.promise, 1)
    with pytest.raises(Refused, match="lost a budget, or a change of one"):
        services.change_budget(budget, by=budget.promise.dataset.owner, epsilon=20)
    assert compute(shares.answer(budget)).state == Answer.State.RELEASED


def test_a_budget_does_not_shrink_when_the_database_forgot_what_it_paid_for(budget):
    compute(shares.answer(budget))
    Budget.objects.filter(pk=budget.pk).update(cells=b"")
    with pytest.raises(Refused, match="cannot be made smaller"):
        services.change_budget(fresh(budget), by=budget.promise.dataset.owner, epsilon=5)
    assert fresh(budget).mu == budget.mu


def test_what_was_asked_before_anybody_knew_of_the_restore_is_not_called_complete_either(budget):
    compute(shares.answer(budget))
    waiting = [shares.answer(budget, text) for text in (ROWS, WAGES)]
    with book_of(budget) as book:
        ahead = LedgerLine.objects.latest("id").pk + 500
        book.charge(budget.pk, np.arange(PEOPLE), np.full(PEOPLE, 77), line=ahead)
    assert [answer.extended for answer in waiting] == [False, False]
    assert [compute(answer).extended for answer in waiting] == [True, True]
    assert {answer.record["mode"] for answer in waiting} == {"extended: may silently leave people out"}


def cities(budget, epsilon):
    query, by = Query(table="wages", measure=KeyCounts("city", 1)), budget.scientist
    quoted = questions.quote(budget, query, by=by, epsilon=epsilon)
    return questions.ask(budget, quoted, key=uuid4(), by=by)


@pytest.mark.parametrize("whose", ["own", "others"])
def test_answers_over_undeclared_values_are_counted_beside_the_database_too(whose):
    """Their part of delta is spent by what was released, also by budgets that the database has lost."""
    budget = give(protected(undeclared_values=True), 40)
    assert compute(cities(budget, 1)).state == Answer.State.RELEASED
    with book_of(budget) as book:
        assert book.thresholds() == {budget.pk: 1}
        payer = budget.pk if whose == "own" else uuid4()
        for line in range(1, THRESHOLD_ANSWERS):
            book.charge(payer, np.arange(1), np.array([0]), line=book.last_line() + line, threshold=True)
    answer = compute(cities(fresh(budget), 2))
    why = (
        "You have used all 20 of your questions"
        if whose == "own"
        else "All questions about undeclared values"
    )
    assert answer.state == Answer.State.VOIDED
    assert answer.record["why"].startswith(why)
    assert compute(shares.answer(fresh(budget))).state == Answer.State.RELEASED


# One answer at a time


@pytest.mark.django_db(transaction=True)
def test_a_dataset_gives_one_answer_after_the_other_however_fast_they_are(settings):
    """Otherwise many small questions in a row would measure how long each of them takes."""
    settings.ANSWER_SECONDS = 0.5
    budget = give(protected(), 40)
    waiting = [shares.answer(budget, text) for text in (shares.PEOPLE_COUNTED, ROWS, WAGES)]
    at_once(*[lambda answer=answer: lifecycle.compute(str(answer.pk)) for answer in waiting])
    out = list(Answer.objects.order_by("visible_at"))
    assert [answer.state for answer in out] == [Answer.State.RELEASED] * 3
    begun, visible = (
        [answer.begun_at or now() for answer in out],
        [answer.visible_at or now() for answer in out],
    )
    first, later = (timedelta(seconds=0.5 + steps * deadlines.STEP) for steps in (2, 1))
    assert [at - since for since, at in zip(begun, visible, strict=True)] == [first, later, later]
    assert all(at <= next_ for at, next_ in zip(visible, begun[1:], strict=False))
