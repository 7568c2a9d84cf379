"""Several questions in one call: one total, all of them or none, and the same answers for the same key."""

import re
from dataclasses import replace
from uuid import uuid4

import pytest

from common.admission import TooMuchAtOnce
from common.errors import BudgetExceeded, Conflict, Denied, Refused
from privacy import services
from privacy.engine.language import sql
from privacy.engine.language.query import KeyCounts, Query
from privacy.engine.measure.contributions import CAP
from privacy.execution import lifecycle, settling
from privacy.ledgers.verification import faults
from privacy.models import Answer, Budget, LedgerLine
from privacy.services import batches, questions
from privacy.services.batches import Wish
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE

pytestmark = pytest.mark.django_db

COUNT = "SELECT COUNT(DISTINCT person) FROM wages"
ROWS = "SELECT COUNT(*) FROM wages"
MEAN = "SELECT region, AVG(wage) FROM wages GROUP BY region"
EAST, NORTH, WEST = (
    f"SELECT COUNT(*) FROM wages WHERE region = '{region}'"  # noqa: S608 -- a question
    for region in ("east", "north", "west")
)


@pytest.fixture(autouse=True)
def quick_ticks(settings):
    settings.ANSWER_SECONDS = 0.001


@pytest.fixture
def budget():
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=20)


def wishes(budget, *texts, **price):
    declared = questions.declarations_of(budget)
    price = price or {"share": 0.02}
    return [Wish(said=sql.read(text, declared.specs), **price) for text in texts]


def quote(budget, *texts, **price):
    return batches.quote_many(budget, wishes(budget, *texts, **price), by=budget.scientist)


def ask(budget, *texts, key=None, **price):
    return answers_of(shares.batch(budget, *texts, key=key, **(price or {"share": 0.02})))


def answers_of(batch):
    found = Answer.objects.in_bulk(batch.answers)
    return [found[pk] for pk in batch.answers]


def used(budget):
    return Budget.objects.get(pk=budget.pk).units_used


def reserved():
    return LedgerLine.objects.filter(kind=LedgerLine.Kind.RESERVE)


def test_a_batch_is_priced_together_and_charges_just_that(budget):
    batch = quote(budget, COUNT, ROWS, MEAN)
    assert [each.offer.share for each in batch.quotes] == pytest.approx([0.02] * 3, rel=1e-6)
    assert batch.share == pytest.approx(0.06, rel=1e-6)
    assert (batch.left, batch.unaffordable, batch.is_charged) == (CAP, "", (True, True, True))
    assert not LedgerLine.objects.exists()
    answers = answers_of(batches.ask_many(budget, batch, key=uuid4(), by=budget.scientist))
    assert used(budget) == batch.units == sum(reserved().values_list("units", flat=True))
    assert [answer.sql for answer in answers] == [COUNT, ROWS, MEAN]
    for answer in answers:
        lifecycle.compute(str(answer.pk))
    assert set(Answer.objects.values_list("state", flat=True)) == {Answer.State.RELEASED}
    assert faults(budget.promise) == []


def test_each_question_has_a_price_of_its_own_and_costs_what_it_costs_alone(budget):
    mixed = [
        *wishes(budget, COUNT, error=3.0),
        *wishes(budget, ROWS, epsilon=0.5),
        *wishes(budget, MEAN, share=0.1),
    ]
    batch = batches.quote_many(budget, mixed, by=budget.scientist)
    alone = [
        questions.quote(budget, each.said.query, by=budget.scientist, **price)
        for each, price in zip(mixed, ({"error": 3.0}, {"epsilon": 0.5}, {"share": 0.1}), strict=True)
    ]
    assert [each.offer for each in batch.quotes] == [each.offer for each in alone]
    assert batch.units == sum(each.offer.units for each in alone)


def test_groups_that_are_kept_apart_use_the_same_part_of_the_budget(budget):
    batch = quote(budget, EAST, NORTH, WEST, share=0.9)
    assert batch.share == pytest.approx(0.9, rel=1e-6)
    assert batch.units == pytest.approx(2.7 * CAP, rel=1e-6)
    assert batch.unaffordable == ""
    ask(budget, EAST, NORTH, WEST, share=0.9)
    assert used(budget) == pytest.approx(0.9 * CAP, rel=1e-6)


def test_what_does_not_fit_together_is_refused_together(budget):
    texts = [f"SELECT COUNT(*) FROM wages WHERE year < {year}" for year in range(1990, 1995)]  # noqa: S608
    batch = quote(budget, *texts, share=0.3)
    assert [each.unaffordable for each in batch.quotes] == [""] * 5
    told = r"^These 5 answers together would cost 1\.5 times your budget, and 100 % is left"
    assert batch.share == pytest.approx(1.5, rel=1e-6)
    with pytest.raises(BudgetExceeded, match=told):
        batches.ask_many(budget, batch, key=uuid4(), by=budget.scientist)
    assert (used(budget), LedgerLine.objects.count(), Answer.objects.count()) == (0, 0, 0)
    assert batch.unaffordable.startswith("These 5 answers together would cost 1.5 times your budget")


def test_one_question_past_everything_is_refused_by_its_own_price(budget):
    batch = quote(budget, COUNT, ROWS, epsilon=40)
    told = r"This answer would cost 2\.8 times your budget, and 100 % is left"
    assert batch.quotes[0].offer.units > CAP
    assert re.match(told, batch.unaffordable)
    with pytest.raises(BudgetExceeded, match=told):
        batches.ask_many(budget, batch, key=uuid4(), by=budget.scientist)
    assert batch.share > 1


def test_stored_answers_and_repeated_questions_cost_nothing(budget):
    (first,) = ask(budget, COUNT, share=0.1)
    batch = quote(Budget.objects.get(pk=budget.pk), COUNT, ROWS, ROWS, MEAN, share=0.05)
    assert batch.is_charged == (False, True, False, True)
    before = used(budget)
    answers = ask(budget, COUNT, ROWS, ROWS, MEAN, share=0.05)
    assert answers[0] == first
    assert answers[1] == answers[2]
    assert len({answer.pk for answer in answers}) == 3
    assert used(budget) - before == batch.units


def test_a_repeated_question_is_charged_again_only_where_it_is_more_exact(budget):
    declared = questions.declarations_of(budget)
    (count,) = wishes(budget, COUNT)
    wanted = [replace(count, share=share) for share in (0.01, 0.04, 0.02)]
    batch = batches.quote_many(budget, wanted, by=budget.scientist, declared=declared)
    assert batch.is_charged == (True, True, False)
    answers = answers_of(batches.ask_many(budget, batch, key=uuid4(), by=budget.scientist))
    assert answers[2] == answers[1] != answers[0]
    assert used(budget) == batch.units


def test_the_same_key_returns_the_same_answers_at_no_cost(budget):
    key = uuid4()
    first = ask(budget, COUNT, ROWS, ROWS, key=key)
    for answer in first[:2]:
        lifecycle.compute(str(answer.pk))
    before = used(budget)
    assert ask(budget, COUNT, ROWS, ROWS, key=key) == first
    assert used(budget) == before
    assert Answer.objects.count() == 2


def test_the_same_key_returns_the_same_answers_when_more_exact_ones_exist(budget):
    key = uuid4()
    first = ask(budget, COUNT, ROWS, key=key, share=0.01)
    exact = ask(budget, COUNT, ROWS, share=0.05)
    assert ask(budget, COUNT, ROWS, key=key, share=0.01) == first
    assert set(first) & set(exact) == set()


@pytest.mark.parametrize(
    "other",
    [[COUNT], [COUNT, ROWS, MEAN], [ROWS, COUNT], [COUNT, MEAN], [MEAN, EAST]],
    ids=["fewer", "more", "another order", "another question", "all others"],
)
def test_a_key_that_was_used_for_other_questions_is_refused(budget, other):
    key = uuid4()
    ask(budget, COUNT, ROWS, key=key)
    before = used(budget)
    with pytest.raises(
        Conflict, match=r"This idempotency key was used for (other questions|another question)"
    ):
        ask(budget, *other, key=key)
    assert used(budget) == before
    assert Answer.objects.count() == 2


def test_a_key_that_was_used_for_other_prices_is_refused(budget):
    key = uuid4()
    ask(budget, COUNT, ROWS, key=key)
    with pytest.raises(Conflict, match="other questions"):
        ask(budget, COUNT, ROWS, key=key, share=0.03)


def test_a_replay_returns_the_batch_though_a_stored_answer_in_it_is_gone(budget):
    """The stored answer was still waiting, and was given back later: to ask again needs a new key."""
    (stored,) = ask(budget, COUNT)
    key = uuid4()
    first = ask(budget, COUNT, ROWS, key=key)
    settling.give_back(stored, "No worker.")
    before = used(budget)
    assert ask(budget, COUNT, ROWS, key=key) == first
    assert used(budget) == before


def test_a_replay_charges_nothing_in_place_of_a_stored_answer_that_is_gone(budget):
    """The first call ended after its charges, before the batch was written."""
    (stored,) = ask(budget, COUNT)
    key, texts = uuid4(), (COUNT, ROWS)
    wanted = [
        questions.Asking(quote=each, key=batches.key_of_question(key, k), text=texts[k], place=(k, 2))
        for k, each in enumerate(quote(budget, *texts).quotes)
    ]
    assert questions.ask_all(budget, wanted, by=budget.scientist)[0] == stored
    settling.give_back(stored, "No worker.")
    before = used(budget)
    with pytest.raises(Conflict, match="used for other questions"):
        ask(budget, *texts, key=key)
    assert used(budget) == before


def test_a_key_of_a_batch_that_was_free_charges_no_other_questions(budget):
    ask(budget, COUNT)
    key = uuid4()
    ask(budget, COUNT, key=key)
    before = used(budget)
    with pytest.raises(Conflict, match="used for other questions"):
        ask(budget, ROWS, key=key)
    assert (used(budget), Answer.objects.count()) == (before, 1)


def test_the_same_key_returns_the_same_batch_whatever_its_numbers_are(budget):
    """A limit without an end is the number 1e300, which the database returns as a whole number."""
    key, text = uuid4(), "SELECT SUM(GREATEST(wage, 10)) FROM wages"
    first = shares.batch(budget, text, key=key, share=0.02)
    assert shares.batch(budget, text, key=key, share=0.02) == first


def test_a_question_asked_alone_has_no_key_of_a_batch(budget):
    key = uuid4()
    ask(budget, COUNT, ROWS, key=key)
    quoted = questions.quote(budget, wishes(budget, MEAN)[0].said.query, by=budget.scientist, share=0.02)
    answer = questions.ask(budget, quoted, key=key, by=budget.scientist, text=MEAN)
    assert answer.line.key == key
    assert answer.line.purpose.get("place") is None


@pytest.mark.parametrize("many", [0, batches.MOST + 1])
def test_a_batch_has_some_questions_and_not_too_many(budget, many):
    with pytest.raises(Refused, match="between 1 and 64 questions"):
        quote(budget, *[COUNT] * many)


def test_as_many_as_are_allowed_are_asked_at_once(budget):
    texts = [
        f"SELECT COUNT(*) FROM wages WHERE year < {year} AND wage < {wage}"  # noqa: S608 -- a question
        for year in range(1988, 1996)
        for wage in range(1000, 1008)
    ]
    answers = ask(budget, *texts, share=1 / 64)
    assert len({answer.pk for answer in answers}) == 64
    assert used(budget) <= CAP
    assert faults(budget.promise) == []


def test_a_question_that_cannot_be_priced_is_named_by_its_place(budget):
    (count, rows) = wishes(budget, COUNT, ROWS)
    for bad, told in (
        (replace(rows, share=2.0), "Question 2: The share of the budget must be above 0"),
        (replace(rows, epsilon=1.0), "Question 2: Give either the error"),
        (
            replace(rows, said=sql.Statement(Query(table="wages", measure=KeyCounts("region")))),
            "Question 2: This dataset does",
        ),
    ):
        with pytest.raises(Refused, match=told):
            batches.quote_many(budget, [count, bad], by=budget.scientist)
    assert not LedgerLine.objects.exists()


def test_a_batch_is_asked_by_the_budgets_own_scientist(budget):
    batch, stranger = quote(budget, COUNT), make.scientist()
    with pytest.raises(Denied, match=r"^This is somebody else's budget"):
        batches.quote_many(budget, wishes(budget, COUNT), by=stranger)
    with pytest.raises(Denied):
        batches.ask_many(budget, batch, key=uuid4(), by=stranger)


def test_a_batch_over_replaced_data_is_refused_whole(budget):
    batch = quote(budget, COUNT, ROWS)
    make.next_revision(budget.promise.dataset)
    with pytest.raises(Conflict, match="data was replaced"):
        batches.ask_many(budget, batch, key=uuid4(), by=budget.scientist)
    assert not LedgerLine.objects.exists()


def test_a_batch_that_together_rests_on_constants_says_so(budget):
    """Filtered questions on two revisions, together more than one cell could have held."""
    (first,) = ask(budget, EAST, share=0.6)
    lifecycle.compute(str(first.pk))
    make.next_revision(budget.promise.dataset)
    fresh = Budget.objects.get(pk=budget.pk)
    alone = quote(fresh, NORTH, share=0.3)
    assert [each.may_leave_out for each in alone.quotes] == [False]
    both = quote(fresh, NORTH, WEST, share=0.3)
    assert [each.may_leave_out for each in both.quotes] == [True, True]


def test_who_asks_more_than_can_be_answered_waits_and_is_not_charged(budget, monkeypatch):
    monkeypatch.setattr(questions, "MOST_PENDING", 2)
    asked = shares.batch(budget, EAST, NORTH, share=0.01)
    used = Budget.objects.get(pk=budget.pk).units_used
    with pytest.raises(TooMuchAtOnce, match="2 of your questions are still being answered"):
        shares.batch(budget, WEST, share=0.01)
    assert Budget.objects.get(pk=budget.pk).units_used == used
    assert shares.batch(budget, EAST, NORTH, share=0.01).answers == asked.answers  # nothing new is asked
    for pk in asked.answers:
        lifecycle.compute(str(pk))
    shares.batch(budget, WEST, share=0.01)


def test_a_call_that_died_after_its_charge_is_finished_by_the_next(budget, monkeypatch):
    key = uuid4()

    def died(*given):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(questions, "_written", died)
        with pytest.raises(MemoryError):
            shares.batch(budget, EAST, NORTH, key=key, share=0.01)
    charged = Budget.objects.get(pk=budget.pk).units_used
    assert (charged > 0, Answer.objects.count()) == (True, 0)
    for other in ((EAST,), (NORTH, EAST)):
        with pytest.raises(Conflict, match="idempotency key was used for"):
            shares.batch(budget, *other, key=key, share=0.01)
    batch = shares.batch(budget, EAST, NORTH, key=key, share=0.01)
    assert Budget.objects.get(pk=budget.pk).units_used == charged
    for pk in batch.answers:
        lifecycle.compute(str(pk))
    assert set(Answer.objects.values_list("state", flat=True)) == {Answer.State.RELEASED}
