"""Many at once on real Postgres: the same question is asked once, and nobody passes a limit."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from common.errors import BudgetExceeded
from privacy import services
from privacy.engine.accounting import gdp_epsilon
from privacy.engine.measure.contributions import CAP
from privacy.execution import lifecycle
from privacy.ledgers.verification import faults
from privacy.models import Answer, Budget, LedgerLine
from privacy.services import questions
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE
from tests.racing import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

COUNT = "SELECT COUNT(DISTINCT person) FROM wages"
AT_ONCE = 64
SCIENTISTS = 50


def protected(scientists):
    data = make.dataset()
    return services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=scientists
    )


def share(promise):
    scientist = make.scientist()
    make.grant(promise.dataset, scientist)
    return services.give_budget(promise, scientist, by=promise.dataset.owner)


def ask(budget, key, epsilon):
    by = budget.scientist
    quoted = questions.quote(budget, questions.read_sql(budget, COUNT).query, by=by, epsilon=epsilon)
    return questions.ask(budget, quoted, key=key, by=by, text=COUNT)


@pytest.mark.parametrize("keys", [1, AT_ONCE], ids=["one key", "a key each"])
def test_the_same_question_by_64_at_once_is_asked_and_answered_once(keys):
    budget = share(protected(1))
    chosen = [uuid4() for _ in range(keys)] * (AT_ONCE // keys)
    answers = at_once(*[lambda key=key: ask(budget, key, 1.0) for key in chosen])
    assert len({answer.pk for answer in answers}) == 1
    (answer,) = Answer.objects.all()
    assert Budget.objects.get(pk=budget.pk).units_used == answer.line.units
    at_once(*[lambda: lifecycle.compute(str(answer.pk))] * 8)
    assert Counter(LedgerLine.objects.values_list("kind", flat=True)) == {"reserve": 1, "commit": 1}
    assert Answer.objects.get().state == Answer.State.RELEASED
    assert faults(budget.promise) == []


def texts(wage):
    """Five questions that differ from those for another wage."""
    return [
        f"SELECT COUNT(*) FROM wages WHERE year < {year} AND wage < {wage}"  # noqa: S608 -- questions
        for year in range(1989, 1994)
    ]


def ask_many(budget, key, share, wage=1000):
    return shares.batch(budget, *texts(wage), key=key, share=share)


@pytest.mark.parametrize("keys", [1, 16], ids=["one key", "a key each"])
def test_the_same_batch_by_16_at_once_is_charged_and_answered_once(keys):
    budget = share(protected(1))
    chosen = [uuid4() for _ in range(keys)] * (16 // keys)
    found = at_once(*[lambda key=key: ask_many(budget, key, 0.05) for key in chosen])
    assert len({tuple(batch.answers) for batch in found}) == 1
    assert Answer.objects.count() == LedgerLine.objects.count() == 5
    units = sum(LedgerLine.objects.values_list("units", flat=True))
    assert Budget.objects.get(pk=budget.pk).units_used == units
    for pk in found[0].answers:
        lifecycle.compute(str(pk))
    assert set(Answer.objects.values_list("state", flat=True)) == {Answer.State.RELEASED}
    assert faults(budget.promise) == []


def test_batches_at_once_are_charged_whole_or_not_at_all():
    """Eight calls for 30 % of the budget each."""
    budget = share(protected(1))
    calls = [lambda wage=wage: ask_many(budget, uuid4(), 0.06, wage) for wage in range(1000, 1008)]
    found = at_once(*calls)
    refused = [each for each in found if isinstance(each, BudgetExceeded)]
    assert len(refused) == 5
    assert LedgerLine.objects.count() == Answer.objects.count() == 5 * 3
    assert Budget.objects.get(pk=budget.pk).units_used <= CAP
    assert faults(budget.promise) == []


def test_fifty_scientists_ask_at_their_limit_and_none_passes_it():
    """Each has a budget that holds one of the two questions that they ask at the same moment."""
    promise = protected(SCIENTISTS)
    budgets = [share(promise) for _ in range(SCIENTISTS)]
    most = gdp_epsilon(budgets[0].mu * 0.9, promise.delta)
    keys: list[UUID] = [uuid4() for _ in range(2 * SCIENTISTS)]
    calls = [
        lambda budget=budget, key=key, epsilon=epsilon: ask(budget, key, epsilon)
        for budget, pair in zip(budgets, zip(keys[::2], keys[1::2], strict=True), strict=True)
        for key, epsilon in zip(pair, (most, most * 1.01), strict=True)
    ]
    found = at_once(*calls)
    # Whoever is answered more exactly first has the other question answered from it, at no cost.
    assert LedgerLine.objects.count() == SCIENTISTS
    assert all(isinstance(each, Answer | BudgetExceeded) for each in found)
    for budget in Budget.objects.all():
        assert 0 < budget.units_used <= CAP
    assert faults(promise) == []
