"""spent + reserved <= limit, exactly, under concurrency; lines only grow; a settled line stays settled."""

import threading
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError, InternalError

from audit.models import Entry
from common.errors import BudgetExceeded, Conflict, Refused
from privacy.engine.measure.contributions import CAP
from privacy.ledgers import budget_ledger
from privacy.models import Budget, LedgerLine
from tests.makers import privacy as make

pytestmark = pytest.mark.django_db

EVERYBODY = np.ones(4, dtype=bool)
NORTH = np.array([False, True, False, False])


def reserve(budget, units, cells=EVERYBODY, key=None):
    return budget_ledger.reserve(
        budget, units, cells, key=key or uuid4(), by=budget.scientist, purpose={"query": "a count"}
    )


def used(budget):
    return Budget.objects.get(pk=budget.pk).worst_case(4).tolist()


def test_a_reservation_takes_from_the_cells_it_touches():
    budget = make.budget()
    reserve(budget, 10)
    reserve(budget, 5, NORTH)
    assert used(budget) == [10, 15, 10, 10]
    assert [entry.action for entry in Entry.objects.filter(action__startswith="budget.")] == [
        "budget.reserved"
    ] * 2


def test_the_last_unit_can_be_spent_and_not_one_more():
    budget = make.budget()
    reserve(budget, CAP - 1)
    reserve(budget, 1)
    with pytest.raises(BudgetExceeded, match=r"and 0 % is left"):
        reserve(budget, 1, NORTH)
    assert used(budget) == [CAP] * 4


def test_the_same_key_reserves_once():
    budget, key = make.budget(), uuid4()
    first = reserve(budget, 10, key=key)
    assert reserve(budget, 10, key=key) == first
    assert used(budget) == [10] * 4
    with pytest.raises(Conflict, match="another charge"):
        reserve(budget, 11, key=key)


def test_a_key_says_nothing_about_the_keys_of_other_budgets():
    key, mine, theirs = uuid4(), make.budget(), make.budget()
    lines = [reserve(mine, 10, key=key), reserve(theirs, 3, key=key)]
    assert [line.budget for line in lines] == [mine, theirs]
    assert (used(mine), used(theirs)) == ([10] * 4, [3] * 4)
    again = LedgerLine(budget=mine, kind="reserve", key=key, units=1, generation=1, cells=b"")
    with pytest.raises(IntegrityError, match="a_key_names_one_line_of_a_budget"), transaction.atomic():
        again.save()


def test_the_log_names_the_share_that_was_reserved_charged_or_given_back():
    budget = make.budget()
    budget_ledger.commit(reserve(budget, CAP // 8), by=budget.scientist)
    budget_ledger.void(reserve(budget, CAP // 20), by=budget.scientist)
    entries = Entry.objects.filter(action__startswith="budget.", object_type="ledgerline").order_by("at")
    assert [(entry.action, entry.detail["share"]) for entry in entries] == [
        ("budget.reserved", "12 %"),
        ("budget.commit", "12 %"),
        ("budget.reserved", "5.0 %"),
        ("budget.void", "5.0 %"),
    ]


def test_a_void_gives_back_and_a_commit_does_not():
    budget = make.budget()
    first, second = reserve(budget, 10), reserve(budget, 7, NORTH)
    budget_ledger.void(second, by=budget.scientist)
    budget_ledger.commit(first, by=budget.scientist)
    assert used(budget) == [10] * 4
    for settle in (budget_ledger.void, budget_ledger.commit):
        for line in (first, second):
            with pytest.raises(Conflict, match="settled already"):
                settle(line, by=budget.scientist)


def test_lines_cannot_be_changed_or_removed_even_by_hand():
    line = reserve(make.budget(), 10)
    with pytest.raises(InternalError, match="the_ledger_is_append_only"), transaction.atomic():
        LedgerLine.objects.filter(pk=line.pk).update(units=1)
    with pytest.raises(InternalError, match="the_ledger_is_append_only"), transaction.atomic():
        LedgerLine.objects.filter(pk=line.pk)._raw_delete("default")


def test_a_larger_budget_makes_what_was_used_a_smaller_part_rounded_up():
    budget = make.budget()
    budget_ledger.commit(reserve(budget, 1001), by=budget.scientist)
    changed = budget_ledger.rescale(budget, budget.mu * 2, by=budget.promise.dataset.owner)
    assert used(budget) == [251] * 4
    assert (changed.generation, changed.earlier_mus) == (1, [budget.mu])
    with pytest.raises(Refused, match="cannot be made smaller"):
        budget_ledger.rescale(budget, budget.mu / 100_000, by=budget.scientist)
    with pytest.raises(Refused, match="would exceed the promise"):
        budget_ledger.rescale(budget, budget.promise.mu * 1.01, by=budget.scientist)


def test_a_budget_that_is_changed_before_it_is_used_still_has_all_public_cells():
    budget = make.budget()
    changed = budget_ledger.rescale(budget, budget.mu * 2, by=budget.promise.dataset.owner)
    assert used(budget) == [0] * 4
    reserve(changed, 10, NORTH)
    assert used(budget) == [0, 10, 0, 0]


def test_a_budget_is_not_changed_while_an_answer_is_on_its_way():
    budget = make.budget()
    reserve(budget, 10)
    with pytest.raises(Conflict, match="being computed"):
        budget_ledger.rescale(budget, budget.mu * 2, by=budget.scientist)


def test_a_closed_budget_pays_for_nothing():
    budget = make.budget()
    Budget.objects.filter(pk=budget.pk).update(closed_at="2026-01-01T00:00:00Z")
    with pytest.raises(BudgetExceeded):
        reserve(budget, 1)


@pytest.mark.django_db(transaction=True)
def test_a_charge_refuses_to_be_part_of_another_transaction():
    budget = make.budget()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        reserve(budget, 1)


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_never_overspend():
    budget, refused = make.budget(), []
    barrier = threading.Barrier(50)

    def spend():
        barrier.wait()
        try:
            reserve(budget, CAP // 20)
        except BudgetExceeded:
            refused.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=spend) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 30
    assert used(budget) == [20 * (CAP // 20)] * 4
