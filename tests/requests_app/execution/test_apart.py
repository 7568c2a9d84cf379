"""Runs that could signal to each other never overlap on one kernel, and each still gets its turn: pure, simulated."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from requests_app.execution import queue_order
from requests_app.execution.queue_order import (
    AGEING,
    Busy,
    Caps,
    Hold,
    Party,
    Waiting,
    could_hear,
    must_not_overlap,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CAPS = Caps(per_person=2, per_dataset=2, slots=4)
AROUND = {
    "wages": {"staff": frozenset({"olga", "rea"}), "people": frozenset({"olga", "rea", "ann", "bob"})},
    "health": {"staff": frozenset({"bob"}), "people": frozenset({"bob", "ann", "eve"})},
    "votes": {"staff": frozenset({"zoe"}), "people": frozenset({"zoe", "ann", "eve"})},
}


def private(person="ann", dataset="wages", *, strict=False):
    return Party(person=person, dataset=dataset, is_mock=False, strict=strict, **AROUND[dataset])


def trial(person="ann", dataset="wages", *, author=None):
    return Party(person=person, dataset=dataset, is_mock=True, author=author)


@pytest.mark.parametrize(
    ("listener", "secret", "heard"),
    [
        (trial("ann"), private("ann"), True),
        (trial("ann", "votes"), private("ann"), True),
        (trial("bob"), private("ann"), True),
        (trial("rea"), private("ann"), True),
        (trial("eve"), private("ann"), False),
        # a reviewer tries somebody's code: either of the two may have made it listen
        (trial("rea", "health", author="eve"), private("ann"), True),
        (trial("zoe", "votes", author="ann"), private("ann"), True),
        (trial("zoe", "votes", author="eve"), private("ann"), False),
        (trial("eve"), private("ann", strict=True), True),
        (trial("ann"), trial("ann"), False),
        (private("ann"), private("bob"), False),
        (private("ann"), private("bob", strict=True), False),
        # bob owns `health`, reads its logs, and has to do with `wages` as ann has, who writes the code
        (private("ann", "health"), private("ann"), True),
        (private("eve", "health"), private("ann"), False),
        # zoe reads the logs of `votes` and has nothing to do with `wages`
        (private("ann", "votes"), private("ann"), False),
        (private("ann", "votes"), private("ann", strict=True), True),
    ],
)
def test_who_could_hear_whom(listener, secret, heard):
    assert could_hear(listener, secret) is heard
    assert must_not_overlap(secret, listener) is (heard or could_hear(secret, listener))


def waiting(party: Party[str], run="w", *, ago=0, passed=False):
    fields = {name: getattr(party, name) for name in Party.__slots__}
    return Waiting(run=run, since=NOW - timedelta(minutes=ago), passed=passed, **fields)


def busy(party: Party[str], kernel=""):
    return Busy(kernel=kernel, **{name: getattr(party, name) for name in Party.__slots__})


def held(run, hands, *, others=(), kernel="k"):
    return queue_order.hold_in_turn(run, [run, *others], hands, CAPS, NOW, kernel)


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [("k", "k", Hold.NEIGHBOUR), ("k", "other", None), ("", "k", Hold.NEIGHBOUR), ("k", "", Hold.NEIGHBOUR)],
)
def test_only_the_same_kernel_counts_and_an_unknown_one_may_be_it(here, there, expected):
    assert held(waiting(trial()), [busy(private(), there)], kernel=here) is expected


def test_an_old_private_run_lets_no_new_trial_in_between():
    old, new = waiting(private(), "old", ago=11), waiting(trial("bob"), "new")
    hands = [busy(trial("bob"))]
    assert held(old, hands, others=[new]) is Hold.NEIGHBOUR
    assert held(new, hands, others=[old]) is Hold.TURN
    assert held(new, hands, others=[replace(old, since=NOW - 9 * MINUTE)]) is None


def test_an_old_trial_lets_no_new_private_run_in_between():
    old, new = waiting(trial("bob"), "old", ago=11), waiting(private(), "new")
    hands = [busy(private("rea"))]
    assert held(new, hands, others=[old]) is Hold.TURN
    assert held(new, hands, others=[replace(old, since=NOW - 9 * MINUTE)]) is None


def test_a_trial_that_was_passed_goes_before_an_older_private_run():
    old, passed = waiting(private(), "old", ago=90), waiting(trial("bob"), "passed", ago=70, passed=True)
    assert held(passed, [], others=[old]) is None
    assert held(old, [], others=[passed]) is Hold.TURN


def test_a_run_that_a_limit_holds_back_as_well_stands_in_nobodys_way():
    old, new = waiting(private(), "old", ago=60), waiting(trial("bob"), "new")
    at_its_limit = [busy(private("ann", "votes")), busy(private("ann", "votes"))]
    assert held(old, at_its_limit, others=[new]) is Hold.PERSON
    assert held(new, at_its_limit, others=[old]) is None


# A queue, minute by minute


@dataclass
class Site:
    """Workers on kernels, with queued runs and runs in progress. Every start is checked."""

    kernels: list[str]
    clock: datetime = NOW
    queue: list[Waiting[Any]] = field(default_factory=list)
    hands: list[tuple[datetime, Busy[Any]]] = field(default_factory=list)
    last: dict[str, datetime] = field(default_factory=dict)
    waited: dict[int, timedelta] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)

    def add(self, party: Party[str], minutes: int) -> int:
        number = len(self.lengths)
        self.lengths[number] = minutes
        self.queue.append(replace(waiting(party, number), since=self.clock))
        return number

    def minute(self) -> None:
        self.clock += MINUTE
        self.hands = [(end, run) for end, run in self.hands if end > self.clock]
        while self._start():
            pass

    def _start(self) -> bool:
        for kernel in self.kernels:
            hands = [run for _, run in self.hands]
            if len(hands) >= CAPS.slots:
                return False
            queue = [replace(run, passed=self._passed(run)) for run in self.queue]
            for run in queue_order.startable(queue, hands, CAPS, self.clock, kernel)[:1]:
                self._begin(run, kernel)
                return True
        return False

    def _passed(self, run: Waiting[Any]) -> bool:
        return run.is_mock and any(
            run.person in AROUND[name]["people"] and start > run.since for name, start in self.last.items()
        )

    def _begin(self, run: Waiting[Any], kernel: str) -> None:
        beside = [other for _, other in self.hands if other.kernel == kernel]
        assert not [other for other in beside if must_not_overlap(run, other)]
        assert sum(other.person == run.person for _, other in self.hands) < CAPS.per_person
        self.queue = [other for other in self.queue if other.run != run.run]
        self.hands.append((self.clock + self.lengths[run.run] * MINUTE, busy(run, kernel)))
        self.waited[run.run] = self.clock - run.since
        if not run.is_mock:
            self.last[run.dataset] = self.clock

    def until(self, condition: Callable[[], bool], minutes: int, each: Callable[[], object]) -> int:
        for passed in range(minutes):
            if condition():
                return passed
            each()
            self.minute()
        raise AssertionError(f"Not within {minutes} minutes.")


people = some.sampled_from(["ann", "bob", "eve", "olga", "zoe"])
parties = some.one_of(
    some.builds(trial, people, some.sampled_from(list(AROUND))),
    some.builds(private, people, some.sampled_from(list(AROUND)), strict=some.booleans()),
)
arrivals = some.lists(some.tuples(some.integers(0, 30), parties, some.integers(1, 60)), max_size=25)


def lengths(party: Party[str], minutes: int) -> int:
    return min(minutes, 5) if party.is_mock else minutes


@given(arrivals, some.sampled_from([["k"], ["k", "other"], ["k", "k"]]))
def test_whatever_comes_nothing_overlaps_that_must_not_and_all_of_it_runs(comes, kernels):
    site = Site(kernels)
    for pause, party, minutes in comes:
        for _ in range(pause % 7):
            site.minute()
        site.add(party, lengths(party, minutes))
    total = sum(site.lengths.values()) + len(comes) * 12 + 60
    site.until(lambda: not site.queue, total, lambda: None)
    assert len(site.waited) == len(comes)


@given(some.integers(1, 5), some.integers(1, 3))
def test_no_stream_of_trials_keeps_a_private_run_waiting(minutes, every):
    site = Site(["k"])
    ticks: Iterator[int] = iter(range(10_000))

    def trials() -> None:
        if next(ticks) % every == 0:
            site.add(trial(["ann", "bob", "rea"][site.clock.minute % 3]), minutes)

    for _ in range(30):
        trials()
        site.minute()
    wanted = site.add(private("olga"), 30)
    site.until(lambda: wanted in site.waited, 12 + minutes, trials)


@given(some.integers(10, 60), some.booleans())
def test_no_stream_of_private_runs_keeps_a_trial_waiting(minutes, alone):
    site = Site(["k"])

    def privates() -> None:
        for person in ["ann"] if alone else ["ann", "bob", "rea"]:
            if sum(run.person == person for run in site.queue) < 2:
                site.add(private(person), minutes)

    for _ in range(3 * minutes):
        privates()
        site.minute()
    wanted = site.add(trial("bob"), 1)
    bound = AGEING // MINUTE + 3 * minutes + 2
    site.until(lambda: wanted in site.waited, bound, privates)
    later = site.add(trial("ann"), 1)
    site.until(lambda: later in site.waited, bound, privates)


def test_both_kinds_go_on_beside_two_streams():
    site = Site(["k"])

    def both() -> None:
        if sum(not run.is_mock for run in site.queue) < 3:
            site.add(private(["ann", "bob", "rea"][len(site.lengths) % 3]), 40)
        if sum(run.is_mock for run in site.queue) < 3:
            site.add(trial(["ann", "bob", "olga"][len(site.lengths) % 3]), 5)

    for _ in range(24 * 60):
        both()
        site.minute()
    longest = max(site.waited.values())
    began = [site.lengths[number] for number in site.waited]
    assert (began.count(40) > 20, began.count(5) > 20) == (True, True)
    assert longest < timedelta(hours=4)
