"""Waiting for an object, and streams of events, outside Django: neither holds a thread, a turn or a connection.

A caller who sends `Prefer: wait=20` gets the answer when the object has changed, or after 20 s as it is then. A stream
says *that* objects change, never how. Both ask Django again, as the same caller, before anything is said, so whatever
ends a caller's access (a revoked token, revoked access) ends this too.
"""

import asyncio
import json
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from channels.layers import get_channel_layer
from django.conf import settings
from redis.exceptions import RedisError

from common import live
from common.admission import TooMuchAtOnce
from common.rest.endpoints import LIVE_HEADER
from common.rest.problems import messages
from common.rest.rates import AGAIN
from portal.request_limits import Application, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

HEADER = LIVE_HEADER.lower().encode()
EVENTS = f"{settings.API}events/"
LONGEST_WAIT = 20
LEAST_PAUSE = 0.1
"""Seconds between two looks at an object, so that one that changes often costs no more."""
KEEP_ALIVE = 15.0
LOOKED_AGAIN = 60.0
"""Seconds after which a stream's right to exist is looked at again, for what ends by time."""
LONGEST_STREAM = 3600.0
STREAMS_EACH = 5
STREAMS = 400
WAITS_EACH = 20
"""How many calls of one caller wait at a time. Others are answered at once."""
BUFFERED = 16_000_000
"""Bytes of an answer that is kept back: far more than the largest, 10,000 groups with their figures."""
WAIT = re.compile(rb"(?:^|[,;\s])wait=(\d{1,3})(?:$|[,;\s])")
WAITED = (b"preference-applied", b"wait")
STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, private"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class Answer:
    """What Django answered to one request: its start, and its body in one piece."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.content = b""

    def header(self, name: bytes) -> str:
        """Return a header, or "" without one."""
        found = (value for given, value in self.start.get("headers", []) if given.lower() == name)
        return next(found, b"").decode("latin1")

    @property
    def own(self) -> str:
        """The key of the caller, whose access may end. It is the first in the header."""
        return self.header(HEADER).partition(",")[0]

    @property
    def watched(self) -> list[str]:
        """The keys of the objects whose changes the caller wants to hear of."""
        return self.header(HEADER).split(",")[1:]

    async def send(self, send: Send, *extra: tuple[bytes, bytes], status: int | None = None) -> None:
        """Send it on, without the header that is for this module alone."""
        headers = [*self.start["headers"], *extra]
        sending = _without_header(send)
        await sending({**self.start, "status": status or self.start["status"], "headers": headers})
        await sending({"type": "http.response.body", "body": self.content})


class Live:
    """ASGI middleware in front of the turnstile."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._streams: Counter[str] = Counter()
        self._waits: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == EVENTS and scope["method"] == "GET":
            await self._stream(scope, receive, send)
        elif path.startswith(settings.API) and (seconds := _preferred(scope)):
            await self._wait(scope, receive, send, seconds=seconds)
        else:
            await self.application(scope, receive, send)

    # Waiting

    async def _wait(self, scope: Scope, receive: Receive, send: Send, *, seconds: int) -> None:
        until = time.monotonic() + seconds
        first = await self._pass_or_keep(scope, receive, send)
        if first is None:
            return
        if self._waits[first.own] >= WAITS_EACH:
            await first.send(send)
            return
        self._waits[first.own] += 1
        try:
            await self._answer_later(first, scope, receive, send, until=until)
        finally:
            _less(self._waits, first.own)

    async def _answer_later(
        self, first: Answer, scope: Scope, receive: Receive, send: Send, *, until: float
    ) -> None:
        path = first.header(b"location") or scope["path"]
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            answer = await self._looked(scope, path, first, until=until, gone=gone)
        finally:
            gone.cancel()
        if scope["method"] == "POST":
            await self._send_made(first, answer, path, send)
        else:
            await (answer or first).send(send, WAITED)

    async def _send_made(self, first: Answer, answer: Answer | None, path: str, send: Send) -> None:
        """Answer a POST with what it made, once that is ready. Whatever keeps the caller from reading it: as it was."""
        if answer is None or answer.start["status"] != HTTPStatus.OK:
            await first.send(send, WAITED)
            return
        status = first.start["status"] if answer.watched else HTTPStatus.CREATED
        await answer.send(send, WAITED, (b"location", path.encode()), status=status)

    async def _looked(
        self, scope: Scope, path: str, first: Answer, *, until: float, gone: "asyncio.Future[None]"
    ) -> Answer | None:
        """Look until the object is ready. Return None if the caller has gone, or if nobody could be listened to."""
        try:
            async with _listening(first.own, first.watched) as messages:
                return await self._until_ready(scope, path, messages, until=until, gone=gone)
        except (RedisError, OSError) as silent:
            logger.warning("A caller is answered without waiting: %s", silent)
            return None

    async def _until_ready(
        self,
        scope: Scope,
        path: str,
        messages: "asyncio.Queue[str]",
        *,
        until: float,
        gone: "asyncio.Future[None]",
    ) -> Answer | None:
        """Look at the object after every change, and when the caller's access ends. Return the last look, or None if
        the caller has gone."""
        while True:
            looked = time.monotonic()
            answer = await self._ask(scope, path)
            if answer.start["status"] != 200 or not answer.watched:
                return answer
            changed = asyncio.ensure_future(messages.get())
            left = max(0.0, until - time.monotonic())
            await _either(changed, gone, timeout=left)
            changed.cancel()
            if gone.done():
                return None
            if time.monotonic() >= until:
                return await self._ask(scope, path)
            await asyncio.sleep(max(0.0, looked + LEAST_PAUSE - time.monotonic()))
            _drain(messages)

    async def _pass_or_keep(self, scope: Scope, receive: Receive, send: Send) -> Answer | None:
        """Call Django. Keep its answer if it names something to wait for; else send it on and return None."""
        kept = Answer()
        passing = False

        async def sending(message: Message) -> None:
            nonlocal passing
            if message["type"] == "http.response.start":
                kept.start = message
                passing = not kept.watched or message["status"] >= 300
            elif not passing:
                kept.content += message.get("body", b"")
            if passing:
                await send(message)

        await self.application(scope, receive, sending)
        return None if passing or not kept.start else kept

    async def _ask(self, scope: Scope, path: str, query: str = "", *, is_again: bool = True) -> Answer:
        """GET a path as the same caller."""
        dropped = {
            b"content-length",
            b"content-type",
            b"transfer-encoding",
            b"idempotency-key",
            b"if-none-match",
        }
        again = {
            **scope,
            AGAIN: is_again,
            "method": "GET",
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": query.encode(),
            "headers": [(name, value) for name, value in scope["headers"] if name not in dropped],
        }
        answer = Answer()
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.sleep(LONGEST_STREAM)
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.start = message
            elif len(answer.content) < BUFFERED:
                answer.content += message.get("body", b"")

        await self.application(again, receive, sending)
        return answer

    # Streams

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("latin1")
        first = await self._ask(scope, EVENTS, query, is_again=False)
        if first.start["status"] != 200:
            await first.send(send)
            return
        own, watched = first.own, first.watched
        if self._streams[own] >= STREAMS_EACH or self._streams.total() >= STREAMS:
            await _too_many(send)
            return
        self._streams[own] += 1
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async with _listening(own, watched) as messages:
                await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
                await _say(send, "retry: 2000\n\n" + "".join(_event(key) for key in watched))
                await self._events(scope, set(watched), messages, send, gone=gone)
                if not gone.done():
                    await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            _less(self._streams, own)

    async def _events(
        self,
        scope: Scope,
        watched: set[str],
        messages: "asyncio.Queue[str]",
        send: Send,
        *,
        gone: "asyncio.Future[None]",
    ) -> None:
        """Send an event for each change, until the caller goes, or may know none of the objects any more."""
        begun = looked = time.monotonic()
        while not gone.done() and time.monotonic() - begun < LONGEST_STREAM:
            changed = asyncio.ensure_future(messages.get())
            await _either(changed, gone, timeout=KEEP_ALIVE)
            keys = ({changed.result()} if changed.done() else set()) | _drain(messages)
            changed.cancel()
            if gone.done():
                return
            if keys:
                await asyncio.sleep(max(0.0, looked + LEAST_PAUSE - time.monotonic()))
                keys |= _drain(messages)
            if keys or time.monotonic() - looked >= LOOKED_AGAIN:
                known = await self._known(scope, watched)
                looked = time.monotonic()
                if known is None:
                    return
                watched = known
            events = "".join(_event(key) for key in sorted(keys & watched))
            await _say(send, events or ": still here\n\n")

    async def _known(self, scope: Scope, watched: set[str]) -> set[str] | None:
        """Return which of the objects the caller may still know of, or None if the caller may no longer call."""
        answer = await self._ask(scope, EVENTS, f"about={','.join(sorted(watched))}")
        return set(answer.watched) if answer.start["status"] == 200 else None


def _less(counts: Counter[str], who: str) -> None:
    counts[who] -= 1
    if not counts[who]:
        del counts[who]


def _without_header(send: Send) -> Send:
    """Return a `send` that drops the header for this module from an answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name.lower() != HEADER]
            message = {**message, "headers": headers}
        await send(message)

    return sending


def _preferred(scope: Scope) -> int:
    """Return how many seconds the caller wants to wait; a preference that makes no sense is ignored."""
    if scope["method"] not in {"GET", "POST"}:
        return 0
    text = b",".join(value for name, value in scope["headers"] if name == b"prefer")
    match = WAIT.search(text[:200])
    return min(int(match[1]), LONGEST_WAIT) if match else 0


@asynccontextmanager
async def _listening(own: str, watched: Collection[str]) -> "AsyncIterator[asyncio.Queue[str]]":
    """Yield a queue of the keys that change, and of the caller's own if their access may have ended, during the block.

    Other messages to the caller do not count: each would make all of their waiting calls look again.
    """
    layer = get_channel_layer()
    channel = await layer.new_channel()
    groups = [live.group(key) for key in {own, *watched}]
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)

    async def listen() -> None:
        while True:
            message = await layer.receive(channel)
            key = message.get("key", "")
            if key in watched or message["type"] == live.ENDED:
                with suppress(asyncio.QueueFull):
                    queue.put_nowait(key)

    listening = asyncio.ensure_future(listen())
    await asyncio.sleep(
        0
    )  # the layer forgets a channel when receiving from it is cancelled, so that has to have begun
    try:
        for group in groups:
            await layer.group_add(group, channel)
        yield queue
    finally:
        for group in groups:
            with suppress(RedisError, OSError):
                await layer.group_discard(group, channel)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _either(*waiting: "asyncio.Future[Any]", timeout: float) -> None:
    """Return when one of these is done, or after `timeout` seconds."""
    await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


def _drain(messages: "asyncio.Queue[str]") -> set[str]:
    found = set()
    while not messages.empty():
        found.add(messages.get_nowait())
    return found


async def _disconnected(receive: Receive) -> None:
    """Return when the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _say(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _event(key: str) -> str:
    kind, _, pk = key.partition(":")
    return f"event: changed\ndata: {json.dumps({'kind': kind, 'id': pk})}\n\n"


class TooManyStreams(TooMuchAtOnce):
    """This person, or everybody together, has too many streams open."""

    RETRY_SECONDS = 10


async def _too_many(send: Send) -> None:
    text = f"You have {STREAMS_EACH} streams open, or the portal has too many. Close one, or ask again later."
    for message in messages(TooManyStreams(text)):
        await send(message)
