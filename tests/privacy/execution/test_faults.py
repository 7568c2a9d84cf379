"""Postgres says that its disk is full, at each thing that an answer writes: nothing for nothing, never in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection

from common.errors import Conflict
from privacy import services
from privacy.execution import lifecycle
from privacy.ledgers.verification import faults
from privacy.models import Answer, Budget, LedgerLine
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE

pytestmark = pytest.mark.django_db(transaction=True)

WRITES = {
    "reserve": ("privacy_ledgerline", "INSERT", "NEW.kind = 'reserve'"),
    "ask": ("privacy_answer", "INSERT", "true"),
    "commit": ("privacy_ledgerline", "INSERT", "NEW.kind = 'commit'"),
    "open": ("privacy_answer", "UPDATE", "NEW.opened_at IS NOT NULL"),
    "release": ("privacy_answer", "UPDATE", "NEW.state = 'released'"),
    "third_reserve": (
        "privacy_ledgerline",
        "INSERT",
        "NEW.kind = 'reserve' AND NEW.purpose->'place'->>0 = '2'",
    ),
    "third_ask": ("privacy_answer", "INSERT", "NEW.sql LIKE '%SUM%'"),
    "give_back": ("privacy_answer", "UPDATE", "NEW.state = 'voided'"),
}


@pytest.fixture
def budget() -> Budget:
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=40)


@contextmanager
def full_disk(write: str) -> Iterator[None]:
    """What Postgres raises when there is no room for this one write."""
    table, when, which = WRITES[write]
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER no_room BEFORE {when} ON {table} FOR EACH ROW WHEN ({which}) EXECUTE FUNCTION no_room()"
        )
    try:
        with pytest.raises(OperationalError, match="No space left"):
            yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION no_room() CASCADE")


def used(budget: Budget) -> int:
    return Budget.objects.get(pk=budget.pk).units_used


def look_after(settings) -> None:
    settings.ANSWER_GIVEN_UP = -timedelta(seconds=1)
    lifecycle.sweep()


def test_no_room_to_reserve_charges_nothing(budget):
    with full_disk("reserve"):
        shares.answer(budget)
    assert (LedgerLine.objects.count(), Answer.objects.count(), used(budget)) == (0, 0, 0)


def test_no_room_for_the_question_gives_the_reservation_back(budget, settings):
    with full_disk("ask"):
        shares.answer(budget)
    assert (Answer.objects.count(), used(budget) > 0) == (0, True)
    look_after(settings)
    assert used(budget) == 0
    assert faults(budget.promise) == []


def test_no_room_to_commit_opens_nothing_and_another_worker_may(budget):
    answer = shares.answer(budget)
    with full_disk("commit"):
        lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert (answer.state, answer.opened_at) == (Answer.State.PENDING, None)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert answer.state == Answer.State.RELEASED


@pytest.mark.parametrize("write", ["open", "release"])
def test_no_room_after_the_commit_loses_the_answer_and_draws_no_second_one(write, budget):
    answer = shares.answer(budget)
    with full_disk(write):
        lifecycle.compute(str(answer.pk))
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert (answer.state, answer.result) == (Answer.State.LOST, None)
    assert used(budget) == answer.line.units
    assert faults(budget.promise) == []


def test_no_room_to_say_that_it_was_given_back_is_made_good(budget, settings):
    answer = shares.answer(budget)
    settings.ANSWER_GIVEN_UP = -timedelta(seconds=1)
    with full_disk("give_back"):
        lifecycle.sweep()
    answer.refresh_from_db()
    assert (answer.state, used(budget)) == (Answer.State.PENDING, 0)
    lifecycle.sweep()
    answer.refresh_from_db()
    assert answer.state == Answer.State.VOIDED


THREE = (shares.PEOPLE_COUNTED, "SELECT COUNT(*) FROM wages", "SELECT SUM(wage) FROM wages")


def ask_three(budget: Budget, key: UUID) -> list[UUID]:
    return shares.batch(budget, *THREE, key=key, share=0.1).answers


def test_no_room_to_reserve_the_third_of_a_batch_charges_nothing(budget):
    key = uuid4()
    with full_disk("third_reserve"):
        ask_three(budget, key)
    assert (LedgerLine.objects.count(), Answer.objects.count(), used(budget)) == (0, 0, 0)
    assert len(ask_three(budget, key)) == 3
    assert faults(budget.promise) == []


def test_no_room_for_the_third_question_of_a_batch_writes_none_and_its_key_goes_on(budget):
    """Everything is reserved, nothing is asked: the same key asks it without a second charge."""
    key = uuid4()
    with full_disk("third_ask"):
        ask_three(budget, key)
    reserved = used(budget)
    assert (LedgerLine.objects.count(), Answer.objects.count(), reserved > 0) == (3, 0, True)
    asked = ask_three(budget, key)
    assert (LedgerLine.objects.count(), Answer.objects.count(), used(budget)) == (3, 3, reserved)
    for pk in asked:
        lifecycle.compute(str(pk))
    assert set(Answer.objects.values_list("state", flat=True)) == {Answer.State.RELEASED}
    assert faults(budget.promise) == []


def test_a_batch_that_was_reserved_and_never_asked_is_given_back_whole(budget, settings):
    key = uuid4()
    with full_disk("third_ask"):
        ask_three(budget, key)
    look_after(settings)
    assert used(budget) == 0
    with pytest.raises(Conflict, match="given back"):
        ask_three(budget, key)
    assert used(budget) == 0
    assert len(ask_three(budget, uuid4())) == 3
    assert faults(budget.promise) == []
