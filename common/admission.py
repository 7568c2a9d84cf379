"""Admission control: a limit on concurrent work, a limit for each person, and a fair queue.

The next turn goes to the person with the fewest turns in progress; among equals, to whoever has waited longest.
Somebody who asks for two hundred things at once waits for their own requests, and nobody else does.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from threading import Lock

from common.errors import Refused

Place = Future[None]
"""A place in the queue: completed when the turn begins, or when it is refused."""
YOURS = "You are loading too many pages at once. Wait until some of them have loaded."
EVERYBODYS = "The portal is busy at the moment."


class Busy(Refused):
    """The portal is too busy for this now. The same request can succeed in a moment."""

    code = "busy"
    RETRY_SECONDS = 3


class TooMuchAtOnce(Busy):
    """This person has reached the limit on what one person may have in progress."""

    code = "too_much_at_once"


class Turns:
    """A limited resource, shared out in turns. Thread-safe; nothing here blocks while it holds the lock.

    `at_once` turns are in progress at a time, at most `each` of one person. At most `waiting` requests wait, at most
    `each_waiting` of one person. `busy` is the text of the refusal.
    """

    def __init__(
        self, *, at_once: int, each: int, waiting: int, each_waiting: int, busy: str = EVERYBODYS
    ) -> None:
        self.at_once, self.each, self.waiting, self.each_waiting = at_once, each, waiting, each_waiting
        self._busy = busy
        self._lock = Lock()
        self._working: Counter[Hashable] = Counter()
        self._queues: OrderedDict[Hashable, deque[Place]] = OrderedDict()

    @contextmanager
    def turn(
        self, who: Hashable, *, seconds: float, before_waiting: Callable[[], object] = lambda: None
    ) -> Iterator[None]:
        """Wait for a turn and hold it for the block. Raises Busy after `seconds`, or at once if the queue is full."""
        place = self._ask(who)
        try:
            if not place.done():
                before_waiting()
            place.result(seconds)
        except TimeoutError:
            self._leave(who, place)
            raise Busy(self._busy) from None
        try:
            yield
        finally:
            self.done(who)

    @asynccontextmanager
    async def turn_async(self, who: Hashable, *, seconds: float) -> AsyncIterator[None]:
        """Do the same on an event loop."""
        await self.wait_async(who, seconds=seconds)
        try:
            yield
        finally:
            self.done(who)

    async def wait_async(self, who: Hashable, *, seconds: float) -> None:
        """Wait for a turn, which lasts until `done` is called. Raises Busy like `turn`."""
        place = self._ask(who)
        try:
            await asyncio.wait_for(asyncio.wrap_future(place), seconds)
        except TimeoutError:
            self._leave(who, place)
            raise Busy(self._busy) from None
        except BaseException:
            self._leave(who, place)
            raise

    def done(self, who: Hashable) -> None:
        """End a turn, so that the next one can begin."""
        with self._lock:
            self._working[who] -= 1
            if not self._working[who]:
                del self._working[who]
            self._serve()

    def _ask(self, who: Hashable) -> Place:
        place = Place()
        with self._lock:
            self._queues.setdefault(who, deque()).append(place)
            self._serve()
            self._refuse_excess(who)
        return place

    def _refuse_excess(self, who: Hashable) -> None:
        """Refuse the newest place of this person, or else of the person with the most places in the queue."""
        if len(self._queues.get(who, ())) > self.each_waiting:
            self._refuse(who, TooMuchAtOnce(YOURS))
        elif sum(map(len, self._queues.values())) > self.waiting:
            self._refuse(max(self._queues, key=lambda one: len(self._queues[one])), Busy(self._busy))

    def _refuse(self, who: Hashable, why: Busy) -> None:
        place = self._queues[who].pop()
        self._drop_if_empty(who)
        if place.set_running_or_notify_cancel():
            place.set_exception(why)

    def _leave(self, who: Hashable, place: Place) -> None:
        """Stop waiting. If the turn began at this very moment, give it back."""
        if not place.cancel():
            if place.exception() is None:
                self.done(who)
            return
        with self._lock:
            queue = self._queues.get(who)
            if queue is not None and place in queue:
                queue.remove(place)
                self._drop_if_empty(who)

    def _serve(self) -> None:
        while self._working.total() < self.at_once and (who := self._next()) is not None:
            place = self._queues[who].popleft()
            self._queues.move_to_end(who)
            self._drop_if_empty(who)
            if place.set_running_or_notify_cancel():
                self._working[who] += 1
                place.set_result(None)

    def _next(self) -> Hashable | None:
        waiting = [who for who, queue in self._queues.items() if queue and self._working[who] < self.each]
        return min(waiting, key=self._working.__getitem__, default=None)

    def _drop_if_empty(self, who: Hashable) -> None:
        if not self._queues[who]:
            del self._queues[who]
