"""The query lane from question to answer, through the real services, on real sealed rows."""

import math
import resource
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import lmdb
import numpy as np
import pytest
from django.utils import timezone

from accounts.models import User
from audit.models import Entry
from common.errors import BudgetExceeded, Conflict, Denied, Refused
from datasets import services as dataset_services
from datasets import storage
from privacy import services
from privacy.engine.measure.contributions import CAP
from privacy.execution import lifecycle, opening
from privacy.ledgers import budget_ledger
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import Answer, Budget, LedgerLine, TopUp
from privacy.services import questions
from tests import make
from tests.makers.datasets import PEOPLE, YEARS

pytestmark = pytest.mark.django_db

COUNT = "SELECT COUNT(DISTINCT person) FROM wages"


@pytest.fixture
def budget():
    """A scientist with a generous budget on a protected dataset: noise is small compared with its thirty people."""
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data,
        by=data.owner,
        epsilon=50,
        public_size=PEOPLE,
        constants=["region"],
        scientists=1,
        extended_allowed=True,
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=40)


def ask(budget, text=COUNT, *, key=None, **price):
    by = budget.scientist
    price = price or {"epsilon": 5.0}
    quoted = questions.quote(budget, questions.read_sql(budget, text).query, by=by, **price)
    return questions.ask(budget, quoted, key=key or uuid4(), by=by, text=text)


def compute(answer):
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    return answer


def figure(answer, line=0):
    return answer.result["lines"][line]["figures"][0]


def book_of(budget):
    return SubjectLedger(storage.ledger_folder(budget.promise.dataset_id))


def test_a_question_is_priced_charged_and_answered(budget):
    answer = compute(ask(budget))
    assert answer.state == Answer.State.RELEASED
    assert figure(answer)["value"] == pytest.approx(PEOPLE, abs=5 * figure(answer)["half_width"])
    assert answer.visible_at > answer.opened_at
    kinds = list(LedgerLine.objects.filter(budget=budget).order_by("id").values_list("kind", flat=True))
    assert kinds == ["reserve", "commit"]
    steps = ["budget.reserved", "budget.commit", "answer.released"]
    entries = Entry.objects.filter(action__in=steps).order_by("id")
    assert [entry.action for entry in entries] == steps


def test_a_price_is_told_before_and_costs_nothing(budget):
    quoted = questions.quote(budget, questions.read_sql(budget, COUNT).query, by=budget.scientist, error=10.0)
    assert quoted.half_width == pytest.approx(10.0, rel=1e-6)
    assert quoted.left == CAP
    assert quoted.more_like_this == CAP // quoted.offer.units
    assert 0 < quoted.epsilon < 1
    assert not LedgerLine.objects.exists()


def test_groups_are_answered_by_their_labels(budget):
    answer = compute(ask(budget, "SELECT region, COUNT(*) FROM wages GROUP BY region", epsilon=30))
    assert [line["key"] for line in answer.result["lines"]] == [["east"], ["north"], ["west"]]
    for k in range(3):
        assert figure(answer, k)["value"] == pytest.approx(
            PEOPLE * YEARS / 3, abs=5 * figure(answer, k)["half_width"]
        )


def test_the_same_question_again_is_free_unless_it_is_to_be_more_exact(budget):
    first = compute(ask(budget, epsilon=5))
    used = Budget.objects.get(pk=budget.pk).units_used
    assert ask(budget, epsilon=5) == first
    assert ask(budget, epsilon=3) == first
    assert Budget.objects.get(pk=budget.pk).units_used == used
    assert ask(budget, epsilon=6) != first


def test_another_scientist_pays_for_the_same_question(budget):
    compute(ask(budget))
    other = make.scientist()
    make.grant(budget.promise.dataset, other)
    theirs = services.give_budget(budget.promise, other, by=budget.promise.dataset.owner, epsilon=5)
    assert (
        questions.ask(
            theirs,
            questions.quote(theirs, questions.read_sql(theirs, COUNT).query, by=other, epsilon=1.0),
            key=uuid4(),
            by=other,
        ).line.units
        > 0
    )


def test_a_repeated_click_asks_once(budget):
    key = uuid4()
    assert ask(budget, key=key) == ask(budget, key=key)
    assert LedgerLine.objects.filter(budget=budget).count() == 1


def test_one_key_asks_one_question(budget):
    key = uuid4()
    ask(budget, key=key)
    with pytest.raises(Conflict, match="was used for another question"):
        ask(budget, "SELECT COUNT(*) FROM wages", key=key)
    with pytest.raises(Conflict, match="was used for another question"):
        ask(budget, key=key, epsilon=6)
    assert LedgerLine.objects.filter(budget=budget).count() == 1


def test_nothing_tells_when_the_rows_were_done(budget, settings):
    """The audit log, which scientists read too, the record and the answer itself know when it was due, no more."""
    settings.ANSWER_SECONDS = 1.0
    answer = compute(ask(budget))
    entry = Entry.objects.get(action="answer.released")
    assert answer.visible_at - answer.begun_at == timedelta(seconds=1.05)
    assert answer.record["released_at"] == answer.visible_at.isoformat()
    assert entry.at >= answer.visible_at


def test_a_second_delivery_draws_no_second_noise(budget):
    answer = compute(ask(budget))
    before = answer.result
    assert compute(answer).result == before
    assert LedgerLine.objects.filter(budget=budget, kind="commit").count() == 1


def committed(answer):
    """A worker has committed the charge and has died."""
    budget_ledger.commit(answer.line, by=User.objects.system())
    return answer


def age(answer, settings):
    """As if it had been asked, and settled, long ago."""
    settings.ANSWER_GIVEN_UP = -timedelta(seconds=1)
    lifecycle.sweep()
    answer.refresh_from_db()
    return answer.state


def test_a_worker_that_died_after_its_commit_costs_budget_and_answers_nothing(budget, settings):
    """Also when it could not even note that it had begun: the ledger alone decides."""
    answer = committed(ask(budget))
    assert answer.opened_at is None
    assert compute(answer).state == Answer.State.PENDING
    assert lifecycle.sweep() == []
    assert age(answer, settings) == Answer.State.LOST
    assert answer.result is None
    assert Budget.objects.get(pk=budget.pk).units_used == answer.line.units


@contextmanager
def full_disk():
    """Files cannot grow past their first page, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_loses_the_answer_at_once_and_charges_nobody_half(budget):
    other = (
        COUNT + " WHERE wage > 0"
    )  # of the same shape: no kernel is compiled, and kept in a file, on the way
    first = compute(ask(budget))
    answer = ask(budget, other)
    with full_disk(), pytest.raises(lmdb.Error):
        lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert (answer.state, answer.result) == (Answer.State.LOST, None)
    used = first.line.units + answer.line.units
    assert Budget.objects.get(pk=budget.pk).units_used == used
    book = book_of(budget)
    assert set(book.spent(budget.pk).tolist()) == {first.line.units}
    book.close()
    assert compute(ask(budget, other)).state == Answer.State.RELEASED


def test_an_answer_that_was_called_lost_stays_lost(budget, settings):
    """Its worker was only slow: what it brings later is not released."""
    answer = ask(budget)
    line = budget_ledger.commit(answer.line, by=User.objects.system())
    assert age(answer, settings) == Answer.State.LOST
    late = opening.Attempt(answer, begun=timezone.now(), line=line)
    late.seconds = 0.001
    lifecycle._store(late, line, {"by": [], "lines": []})
    answer.refresh_from_db()
    assert (answer.state, answer.result) == (Answer.State.LOST, None)


def test_a_reservation_whose_asker_died_is_given_back_and_its_key_is_spent(budget, settings):
    """It died after it had reserved, before it had written its question down."""
    key = uuid4()
    quoted = questions.quote(
        budget, questions.read_sql(budget, COUNT).query, by=budget.scientist, epsilon=5.0
    )
    budget_ledger.reserve(budget, quoted.offer.units, quoted.cells, key=key, by=budget.scientist, purpose={})
    settings.ANSWER_GIVEN_UP = -timedelta(seconds=1)
    lifecycle.sweep()
    assert Budget.objects.get(pk=budget.pk).units_used == 0
    with pytest.raises(Conflict, match="given back"):
        ask(budget, key=key)
    assert compute(ask(budget)).state == Answer.State.RELEASED


def test_what_was_given_back_is_said_to_be_even_when_its_worker_died_over_it(budget, settings):
    answer = ask(budget)
    budget_ledger.void(answer.line, by=User.objects.system())
    assert compute(answer).state == Answer.State.PENDING
    assert age(answer, settings) == Answer.State.VOIDED


def test_a_restored_old_database_goes_on_and_calls_nothing_complete(budget):
    """The per-person ledger has a line that the database has lost: people stay charged."""
    compute(ask(budget))
    book, ahead = book_of(budget), LedgerLine.objects.latest("id").pk + 500
    book.charge(budget.pk, np.arange(PEOPLE), np.full(PEOPLE, 77), line=ahead)
    book.close()
    answer = compute(ask(budget, "SELECT COUNT(*) FROM wages"))
    assert (answer.state, answer.extended) == (Answer.State.RELEASED, True)
    assert answer.record["mode"].startswith("extended")
    assert LedgerLine.objects.latest("id").pk > ahead
    later = compute(ask(Budget.objects.get(pk=budget.pk), "SELECT SUM(wage) FROM wages"))
    assert (later.state, later.extended) == (Answer.State.RELEASED, True)
    assert Entry.objects.filter(action="protection.incomplete").count() == 1


def test_a_question_that_no_worker_took_is_given_back(budget, settings):
    answer = ask(budget)
    assert age(answer, settings) == Answer.State.VOIDED
    assert Budget.objects.get(pk=budget.pk).units_used == 0


def test_a_lost_bell_is_rung_again(budget, settings):
    answer = ask(budget)
    assert lifecycle.sweep() == []
    Answer.objects.filter(pk=answer.pk).update(created_at=answer.created_at - settings.ANSWER_WAITS)
    assert lifecycle.sweep() == [answer]


def test_a_suspended_scientist_is_not_answered_and_not_charged(budget):
    answer = ask(budget)
    grant = budget.promise.dataset.grants.get(user=budget.scientist)
    dataset_services.revoke_access(grant, by=budget.promise.dataset.owner, reason="Left.")
    assert compute(answer).state == Answer.State.VOIDED
    assert Budget.objects.get(pk=budget.pk).units_used == 0


def test_people_are_charged_what_they_add_and_at_most_the_worst_case(budget):
    answer = compute(ask(budget, "SELECT SUM(wage) FROM wages", epsilon=10))
    book = book_of(budget)
    spent = book.spent(budget.pk)
    book.close()
    assert len(spent) == PEOPLE
    assert 0 < spent.max() < answer.line.units


def test_an_exhausted_budget_refuses_by_the_ledger_alone(budget):
    compute(ask(budget, epsilon=39))
    with pytest.raises(BudgetExceeded, match="is left"):
        ask(budget, "SELECT COUNT(*) FROM wages", epsilon=39)


def test_one_region_does_not_use_up_another(budget):
    for region in ("east", "north", "west"):
        ask(budget, f"SELECT COUNT(*) FROM wages WHERE region = '{region}'", epsilon=39)  # noqa: S608
    with pytest.raises(BudgetExceeded):
        ask(budget, "SELECT COUNT(*) FROM wages WHERE region = 'east' AND year > 1991", epsilon=39)


def test_a_new_revision_does_not_reset_what_people_were_charged(budget):
    compute(ask(budget))
    make.next_revision(budget.promise.dataset)
    answer = compute(ask(budget))
    assert answer.state == Answer.State.RELEASED
    book = book_of(budget)
    spent = book.spent(budget.pk)
    book.close()
    assert set(spent.tolist()) == {2 * answer.line.units}


def test_a_restored_old_ledger_of_people_answers_nothing(budget):
    compute(ask(budget))
    budget.promise.refresh_from_db()
    type(budget.promise).objects.filter(pk=budget.promise.pk).update(last_applied=10**9)
    answer = compute(ask(budget, "SELECT COUNT(*) FROM wages"))
    assert answer.state == Answer.State.VOIDED
    assert "older than what was released" in answer.record["why"]


def test_what_the_declarations_forbid_is_refused_before_anything_is_spent(budget):
    for text in ("SELECT wage FROM wages", "SELECT SUM(nosuch) FROM wages", "SELECT COUNT(*) FROM other"):
        with pytest.raises(Refused):
            ask(budget, text)
    bad = [
        {"epsilon": -1.0},
        {"epsilon": math.nan},
        {"error": 0.0},
        {"error": math.inf},
        {"epsilon": 1.0, "error": 1.0},
    ]
    for price in bad:
        with pytest.raises(Refused):
            ask(budget, **price)
    assert not LedgerLine.objects.exists()


def test_a_budget_is_ones_own(budget):
    stranger = make.scientist()
    with pytest.raises(Denied, match="somebody else's budget"):
        questions.quote(budget, questions.read_sql(budget, COUNT).query, by=stranger, epsilon=1.0)


def test_budgets_never_pass_the_promise():
    data = make.dataset()
    made = services.protect(data, by=data.owner, epsilon=1, public_size=1000, constants=[], scientists=3)
    for _ in range(3):
        services.give_budget(made, make.scientist(), by=data.owner)
    with pytest.raises(Refused, match=r"promise: less than 0.01 % of it is left to give"):
        services.give_budget(made, make.scientist(), by=data.owner, epsilon=0.1)
    first = made.budgets.first()
    services.close_budget(first, by=data.owner, reason="Has left.")
    with pytest.raises(Refused, match="would exceed the promise"):
        services.give_budget(made, make.scientist(), by=data.owner)


def test_a_top_up_is_asked_for_and_decided_by_the_owner(budget):
    owner = budget.promise.dataset.owner
    compute(ask(budget, epsilon=5))
    before = Budget.objects.get(pk=budget.pk).units_used
    asked = services.ask_top_up(budget, by=budget.scientist, epsilon=45, reason="One more table.")
    with pytest.raises(Denied, match="is waiting for the owner"):
        services.ask_top_up(budget, by=budget.scientist, epsilon=45, reason="Again.")
    with pytest.raises(Denied):
        services.decide_top_up(asked, by=budget.scientist, grant=True)
    assert services.decide_top_up(asked, by=owner, grant=True).state == TopUp.State.GRANTED
    assert 0 < Budget.objects.get(pk=budget.pk).units_used < before
    with pytest.raises(Conflict, match="already been decided"):
        services.decide_top_up(asked, by=owner, grant=True)


def test_a_promise_is_made_once_and_only_by_the_owner():
    data = make.dataset()
    with pytest.raises(Denied):
        services.protect(data, by=make.owner(), epsilon=1, public_size=10, constants=[])
    services.protect(data, by=data.owner, epsilon=1, public_size=10, constants=[])
    data.refresh_from_db()
    with pytest.raises(Conflict, match="already has a promise"):
        services.protect(data, by=data.owner, epsilon=2, public_size=10, constants=[])


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), 1000])
def test_a_promise_must_be_one(epsilon):
    data = make.dataset()
    with pytest.raises(Refused, match="Epsilon must"):
        services.protect(data, by=data.owner, epsilon=epsilon, public_size=10, constants=[])
