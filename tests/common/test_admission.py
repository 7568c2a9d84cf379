"""Turns: a limit in total, a limit for each person, and nobody is starved by somebody who asks for a lot."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from common.admission import Busy, TooMuchAtOnce, Turns

FOREVER = 60.0


class Crowd:
    """People who ask for turns in separate threads, and keep them until they are released."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.refused: list[str] = []
        self.inside = self.most = 0
        self._lock = threading.Lock()
        self._go = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def ask(self, who: str) -> None:
        """Send one more request. On return it has its turn, or waits, or a request was refused because of it."""
        before = self._seen()
        self._threads.append(threading.Thread(target=self._work, args=[who]))
        self._threads[-1].start()
        until(lambda: self._seen() > before)

    def end_one(self) -> None:
        """End one of the turns; another one begins in its place."""
        begun = len(self.order)
        self._go.release()
        until(lambda: len(self.order) > begun)

    def end(self) -> None:
        for _ in self._threads:
            self._go.release()
        for thread in self._threads:
            thread.join()

    def _seen(self) -> int:
        waiting = sum(map(len, self.turns._queues.values()))
        return (
            len(self.order) + waiting + 2 * len(self.refused)
        )  # a refusal may take the place of one who waited

    def _work(self, who: str) -> None:
        try:
            with self.turns.turn(who, seconds=FOREVER):
                with self._lock:
                    self.order.append(who)
                    self.inside += 1
                    self.most = max(self.most, self.inside)
                self._go.acquire()
                with self._lock:
                    self.inside -= 1
        except Busy as busy:
            self.refused.append(type(busy).__name__)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + FOREVER
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def crowd(*requests: str, **limits: int) -> Crowd:
    made = Crowd(Turns(**{"at_once": 2, "each": 1, "waiting": 100, "each_waiting": 100, **limits}))
    for who in requests:
        made.ask(who)
    return made


def test_so_many_at_once_and_so_many_of_each():
    people = crowd("mei", "mei", "mei", "ingrid", "omar")
    assert people.order == ["mei", "ingrid"]
    people.end()
    assert (people.most, Counter(people.order)) == (2, Counter(mei=3, ingrid=1, omar=1))


def test_who_has_asked_for_much_does_not_come_before_who_has_asked_for_little():
    people = crowd(*["mei"] * 20, "ingrid", at_once=2)
    assert people.order == ["mei", "ingrid"]
    people.end()


def test_people_take_turns_with_one_another():
    people = crowd(*["mei"] * 3, *["omar"] * 3, at_once=1)
    for _ in range(5):
        people.end_one()
    assert people.order == ["mei", "mei", "omar", "mei", "omar", "omar"]
    people.end()


def test_one_who_has_too_much_waiting_is_refused_and_others_are_not():
    people = crowd(*["mei"] * 10, "ingrid", at_once=1, each_waiting=3)
    assert people.refused == [TooMuchAtOnce.__name__] * 6
    people.end()
    assert Counter(people.order) == Counter(mei=4, ingrid=1)


def test_when_the_queue_is_full_it_is_the_longest_part_that_is_cut():
    people = crowd(*["mei"] * 5, "ingrid", at_once=1, waiting=4, each_waiting=4)
    assert people.refused == [Busy.__name__]
    people.end()
    assert Counter(people.order) == Counter(mei=4, ingrid=1)


def test_who_waits_too_long_leaves_the_queue():
    turns = Turns(at_once=1, each=1, waiting=10, each_waiting=10)
    mei = turns.turn("mei", seconds=FOREVER)
    with mei, pytest.raises(Busy, match="The portal is busy"), turns.turn("ingrid", seconds=0.01):
        pytest.fail("There was no turn to have.")
    with turns.turn("omar", seconds=FOREVER):
        pass
    assert (turns._queues, turns._working) == ({}, {})


def test_something_is_done_before_waiting_and_only_then():
    turns, done = Turns(at_once=1, each=1, waiting=10, each_waiting=10), []
    mei = turns.turn("mei", seconds=FOREVER, before_waiting=lambda: done.append("mei"))
    omar = turns.turn("omar", seconds=0.01, before_waiting=lambda: done.append("omar"))
    with mei, pytest.raises(Busy), omar:
        pytest.fail("There was no turn to have.")
    assert done == ["omar"]


async def test_the_same_on_an_event_loop_also_when_who_waits_is_cancelled():
    turns, order = Turns(at_once=1, each=1, waiting=10, each_waiting=10), []
    leave = asyncio.Event()

    async def work(who: str) -> None:
        async with turns.turn_async(who, seconds=FOREVER):
            order.append(who)
            await leave.wait()

    tasks = [asyncio.create_task(work(who)) for who in ("mei", "omar", "ingrid")]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    leave.set()
    await asyncio.gather(tasks[0], tasks[2])
    assert order == ["mei", "ingrid"]
    assert (turns._queues, turns._working) == ({}, {})


async def test_who_waits_too_long_on_an_event_loop_leaves_the_queue_too():
    turns = Turns(at_once=1, each=1, waiting=10, each_waiting=10)
    async with turns.turn_async("mei", seconds=FOREVER):
        with pytest.raises(Busy, match="The portal is busy"):
            await turns.wait_async("ingrid", seconds=0.01)
    assert (turns._queues, turns._working) == ({}, {})


def test_a_turn_that_began_at_the_moment_of_leaving_is_given_back():
    turns = Turns(at_once=1, each=1, waiting=10, each_waiting=10)
    begun = turns._ask("mei")
    turns._leave("mei", begun)
    assert (turns._queues, turns._working) == ({}, {})


def test_whoever_was_refused_at_the_moment_of_leaving_has_no_turn_to_give_back():
    turns = Turns(at_once=1, each=1, waiting=10, each_waiting=1)
    begun, _, refused = (turns._ask("mei") for _ in range(3))
    assert isinstance(refused.exception(), TooMuchAtOnce)
    turns._leave("mei", refused)
    assert begun.done()
    assert turns._working == {"mei": 1}


def test_whoever_has_left_is_passed_over():
    turns = Turns(at_once=1, each=1, waiting=10, each_waiting=10)
    with turns.turn("mei", seconds=FOREVER):
        left, ingrid = turns._ask("omar"), turns._ask("ingrid")
        left.cancel()
    assert ingrid.result(FOREVER) is None
    assert turns._working == {"ingrid": 1}
