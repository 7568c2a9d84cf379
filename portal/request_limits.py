"""Limits in front of Django: how many requests and sockets are served at once, in total and per person.

Each request that Django serves has a thread and a connection to Postgres. Some are reserved for signed-in people and
some for strangers: neither group can shut out the other, and no person can shut out everybody else.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from autobahn.exception import Disconnected
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.cookie import parse_cookie
from django.template.loader import render_to_string
from django.utils.functional import cached_property

from common import fingerprints
from common.admission import Busy, Turns
from common.client_address import address_of
from common.rest.problems import messages

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

WAIT_SECONDS = 45.0
"""Shorter than the timeout of a proxy."""
EACH_PERSON = 6
"""Requests of one person at once: as many as a browser makes in parallel."""
REMEMBERED = 20_000


class Sessions:
    """The people of recently used session keys and tokens, as Django found them. Used only to choose a place in the
    queue."""

    def __init__(self) -> None:
        self._people: OrderedDict[str, str] = OrderedDict()

    def remember(self, key: str, person: str) -> None:
        self._people[key] = person
        self._people.move_to_end(key)
        while len(self._people) > REMEMBERED:
            self._people.popitem(last=False)

    def forget(self, key: str) -> None:
        self._people.pop(key, None)

    def person(self, scope: Scope) -> str | None:
        return self._people.get(_session_key(scope))


def _session_key(scope: Scope) -> str:
    """Return what names the caller: the Authorization header, which alone counts if there is one, or the session."""
    if sent := next((value for name, value in scope["headers"] if name == b"authorization"), b""):
        return token_key(sent.decode("latin1"))
    cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return parse_cookie(cookies.decode("latin1")).get(settings.SESSION_COOKIE_NAME, "")


def _address(scope: Scope) -> str:
    """Return the client's address. Behind a proxy, X-Forwarded-For distinguishes strangers."""
    written = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    return address_of(str((scope.get("client") or [""])[0]), written.decode("latin1"))


def token_key(header: str) -> str:
    """Return the name of a token in memory: a short keyed hash of it."""
    return f"token {fingerprints.keyed('portal.queue', header)[:32]}"


sessions = Sessions()


class PeopleMiddleware:
    """Remembers the person of a session once Django has authenticated it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if sent := request.headers.get("Authorization", ""):
            if getattr(getattr(request, "auth", None), "is_token", False):
                sessions.remember(token_key(sent), str(request.user.pk))
            else:
                sessions.forget(token_key(sent))
            return answer
        sent, key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), request.session.session_key
        if key and request.user.is_authenticated:
            sessions.remember(key, str(request.user.pk))
        if sent and (sent != key or not request.user.is_authenticated):
            sessions.forget(sent)
        return answer


class Turnstile:
    """Queues requests. One that waits too long, or finds the queue full, is refused with Retry-After."""

    def __init__(self, application: Application, *, at_once: int) -> None:
        self.application = application
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix=f"page-{number}") for number in range(at_once)
        ]
        strangers = math.ceil(at_once / 3)
        self.strangers = Turns(at_once=strangers, each=strangers, waiting=800, each_waiting=400)
        self.people = Turns(at_once=at_once - strangers, each=EACH_PERSON, waiting=800, each_waiting=200)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        person = sessions.person(scope)
        turns, who = (self.people, person) if person else (self.strangers, _address(scope))
        try:
            await turns.wait_async(who, seconds=WAIT_SECONDS)
        except Busy as busy:
            await self._send_away(busy, scope, send)
            return
        thread = self._threads.pop()
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self.application(scope, receive, send)
        finally:
            self._give_back(thread, turns, who)

    def _give_back(self, thread: ThreadPoolExecutor, turns: Turns, who: str) -> None:
        """Free the thread once it is idle: it may still be working for a client that has disconnected."""
        loop = asyncio.get_running_loop()

        def free() -> None:
            self._threads.append(thread)
            turns.done(who)

        thread.submit(lambda: None).add_done_callback(lambda _: loop.call_soon_threadsafe(free))

    async def _send_away(self, busy: Busy, scope: Scope, send: Send) -> None:
        if scope["path"].startswith(settings.API):
            for message in messages(busy):
                await send(message)
            return
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", b"%d" % len(self._page)),
            (b"cache-control", b"no-store"),
            (b"retry-after", b"%d" % busy.RETRY_SECONDS),
        ]
        await send({"type": "http.response.start", "status": busy.status, "headers": headers})
        await send({"type": "http.response.body", "body": self._page})

    @cached_property
    def _page(self) -> bytes:
        return render_to_string("errors/crowded.html").encode()


class Sockets:
    """Limits open sockets, and how many connect at once, for each authenticates against the database."""

    def __init__(self, application: Application, *, at_once: int) -> None:
        self.application, self.at_once, self.open = application, at_once, 0
        self.arriving = Turns(at_once=16, each=4, waiting=500, each_waiting=100)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        who = sessions.person(scope) or _address(scope)
        self.open += 1
        try:
            async with AsyncExitStack() as arriving:
                if not await self._may_arrive(who, arriving):
                    await send({"type": "websocket.close"})
                    return

                async def sending(message: Message) -> None:
                    # The client has disconnected; the disconnect message follows.
                    with suppress(Disconnected):
                        await send(message)
                    await arriving.aclose()

                await self.application(scope, receive, sending)
        finally:
            self.open -= 1

    async def _may_arrive(self, who: str, arriving: AsyncExitStack) -> bool:
        if self.open > self.at_once:
            return False
        try:
            await arriving.enter_async_context(self.arriving.turn_async(who, seconds=WAIT_SECONDS))
        except Busy:
            return False
        return True
