"""Whose turn it is: pure, on what waits and what is in hand."""

from datetime import UTC, datetime, timedelta

import pytest

from requests_app.execution import queue_order
from requests_app.execution.queue_order import Busy, Caps, Hold, Waiting, fair_order, hold

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CAPS = Caps(per_person=2, per_dataset=2, slots=4)


def waiting(run, person="ann", *, dataset="wages", mock=False, ago=0):
    return Waiting(run=run, person=person, dataset=dataset, is_mock=mock, since=NOW - timedelta(seconds=ago))


def busy(person="ann", *, dataset="wages", mock=False):
    return Busy(person=person, dataset=dataset, is_mock=mock)


def order(*runs, hands=()):
    return [run.run for run in fair_order(runs, list(hands), NOW)]


@pytest.mark.parametrize(
    ("ahead", "in_hand", "expected"),
    [
        (0, 0, "less than a minute"),
        (0, 1, "less than a minute"),
        (0, 2, "about half an hour"),
        (1, 2, "about half an hour"),
        (2, 2, "about half an hour"),
        (4, 2, "an hour or two"),
        (20, 2, "several hours"),
    ],
)
def test_a_wait_is_estimated_in_rounds_of_the_workers(ahead, in_hand, expected):
    minutes = timedelta(minutes=20)
    assert queue_order.estimate(ahead=ahead, in_hand=in_hand, slots=2, typical=minutes) == expected


def test_first_come_first_served_for_one_person():
    assert order(waiting("b", ago=1), waiting("a", ago=2)) == ["a", "b"]


def test_people_take_turns_however_many_runs_one_of_them_has():
    many = [waiting(f"ann{n}", ago=100 - n) for n in range(3)]
    assert order(*many, waiting("bob0", "bob", ago=1)) == ["ann0", "bob0", "ann1", "ann2"]


def test_what_a_person_has_in_hand_counts_as_a_turn():
    assert order(waiting("ann1", ago=9), waiting("bob1", "bob", ago=1), hands=[busy("ann")]) == [
        "bob1",
        "ann1",
    ]


def test_short_trials_go_before_runs_on_private_data():
    assert order(waiting("long", ago=60), waiting("short", "bob", mock=True)) == ["short", "long"]


def test_a_long_wait_outweighs_that():
    assert order(waiting("long", ago=601), waiting("short", "bob", mock=True)) == ["long", "short"]


@pytest.mark.parametrize(
    ("run", "hands", "expected"),
    [
        (waiting("a"), [], None),
        (waiting("a"), [busy()], None),
        (waiting("a"), [busy(), busy(mock=True)], Hold.PERSON),
        (waiting("a", mock=True), [busy(), busy()], Hold.PERSON),
        (waiting("a"), [busy("bob"), busy("eve")], Hold.DATASET),
        (waiting("a"), [busy("bob"), busy("eve", mock=True)], None),
        (waiting("a", mock=True), [busy("bob"), busy("eve")], None),
        (waiting("a"), [busy(who, dataset=who) for who in ("bob", "eve", "joe")], Hold.RESERVED),
        (waiting("a", mock=True), [busy(who, dataset=who) for who in ("bob", "eve", "joe")], None),
    ],
)
def test_what_holds_a_run_back(run, hands, expected):
    assert hold(run, hands, CAPS) == expected


@pytest.mark.parametrize(("slots", "private"), [(0, 1), (1, 1), (2, 1), (4, 3)])
def test_one_place_of_several_is_kept_for_trials(slots, private):
    assert Caps(per_person=1, per_dataset=1, slots=slots).private_slots == private
