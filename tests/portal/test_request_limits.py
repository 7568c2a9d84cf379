"""In front of Django: places for people and strangers, threads of clients that disconnect, probes, origins."""

import asyncio
import ipaddress
import threading
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from autobahn.exception import Disconnected

from portal import probes, request_limits
from portal.origins import own_origins
from portal.request_limits import Turnstile


def scope(
    person: str = "", address: str = "203.0.113.1", forwarded: str = "", path: str = "/"
) -> dict[str, Any]:
    headers = [(b"cookie", f"a=b; sessionid={person}; c=d".encode())] if person else []
    headers += [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    return {"type": "http", "method": "GET", "path": path, "headers": headers, "client": [address, 1]}


class Slow:
    """An application whose view keeps its thread until it is let go."""

    def __init__(self) -> None:
        self.go, self.inside, self.most = threading.Event(), 0, 0
        self.served: list[str] = []
        self._lock = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(self._view)(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    def _view(self, scope: Any) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.go.wait()
        with self._lock:
            self.inside -= 1
            self.served.append(dict(scope["headers"]).get(b"x-forwarded-for", b"").decode())


@pytest.fixture
def known(monkeypatch):
    """Sessions of people, named by their cookies."""
    sessions = request_limits.Sessions()
    monkeypatch.setattr(request_limits, "sessions", sessions)
    for number in range(30):
        sessions.remember(f"cookie{number}", f"person{number}")
    return sessions


class Caller:
    def __init__(self, gate: Turnstile, **about: str) -> None:
        self.said: list[dict[str, Any]] = []
        self.task = asyncio.create_task(gate(scope(**about), self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.said.append(message)

    @property
    def status(self) -> int:
        return int(self.said[0]["status"])


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_strangers_and_people_have_places_of_their_own(known):
    slow = Slow()
    gate = Turnstile(slow, at_once=9)
    strangers = [Caller(gate, address=f"203.0.113.{number}") for number in range(20)]
    await until(lambda: slow.inside == 3)
    person = Caller(gate, person="cookie1", address="198.51.100.1")
    await until(lambda: slow.inside == 4)
    slow.go.set()
    await asyncio.gather(person.task, *(each.task for each in strangers))
    assert {each.status for each in [person, *strangers]} == {200}


async def test_one_person_does_not_take_all_places(known):
    slow = Slow()
    gate = Turnstile(slow, at_once=30)
    hers = [Caller(gate, person="cookie1") for _ in range(50)]
    await until(lambda: slow.inside == request_limits.EACH_PERSON)
    other = Caller(gate, person="cookie2")
    await until(lambda: slow.inside == request_limits.EACH_PERSON + 1)
    slow.go.set()
    await asyncio.gather(other.task, *(each.task for each in hers))
    assert slow.most <= 20


@pytest.mark.parametrize("forged", ["", "192.0.2.7, "])
async def test_behind_a_proxy_a_stranger_takes_no_other_strangers_turn(known, settings, forged):
    settings.PROXIES = [ipaddress.ip_network("127.0.0.1")]
    slow = Slow()
    gate = Turnstile(slow, at_once=9)
    crowd = [Caller(gate, address="127.0.0.1", forwarded=f"{forged}203.0.113.1") for _ in range(20)]
    await until(lambda: slow.inside == 3)
    other = Caller(gate, address="127.0.0.1", forwarded=f"{forged}203.0.113.2")
    await asyncio.sleep(0)
    slow.go.set()
    await asyncio.gather(other.task, *(each.task for each in crowd))
    assert slow.served.index(f"{forged}203.0.113.2") < 7


async def test_a_thread_at_work_for_somebody_who_hung_up_counts(known):
    slow = Slow()
    gate = Turnstile(slow, at_once=6)
    for _ in range(5):
        callers = [Caller(gate, person=f"cookie{number}") for number in range(4)]
        await asyncio.sleep(0.05)
        for each in callers:
            each.task.cancel()
            with suppress(asyncio.CancelledError):
                await each.task
    assert (slow.inside, slow.most) == (4, 4)
    slow.go.set()
    last = Caller(gate, person="cookie9")
    await last.task
    assert last.status == 200


async def test_a_socket_whose_browser_hung_up_ends_without_an_error():
    said, heard = [], []

    async def application(scope, receive, send):
        for text in ("first", "second"):
            said.append(text)
            await send({"type": "websocket.send", "text": text})
        heard.append(await receive())

    async def receive():
        return {"type": "websocket.disconnect"}

    async def send(message):
        raise Disconnected

    sockets = request_limits.Sockets(application, at_once=1)
    await sockets({**scope(), "type": "websocket"}, receive, send)
    assert (said, heard, sockets.open) == (["first", "second"], [{"type": "websocket.disconnect"}], 0)


@pytest.mark.parametrize(
    ("path", "media_type", "words"),
    [
        ("/", b"text/html; charset=utf-8", b"data-reason"),
        ("/api/v1/me/", b"application/problem+json", b'"too_much_at_once"'),
    ],
)
async def test_who_comes_to_a_full_queue_is_told_when_to_come_again(known, path, media_type, words):
    slow = Slow()
    gate = Turnstile(slow, at_once=3)
    waiting = gate.strangers.each_waiting
    callers = [Caller(gate, path=path) for _ in range(waiting + 2)]
    await callers[-1].task
    start, body = callers[-1].said
    headers = dict(start["headers"])
    assert (start["status"], headers[b"retry-after"], headers[b"content-type"]) == (429, b"3", media_type)
    assert words in body["body"]
    slow.go.set()
    await asyncio.gather(*(each.task for each in callers))


@pytest.mark.parametrize(
    ("base", "own", "foreign"),
    [
        (
            "https://weir.example.org",
            {"https://weir.example.org"},
            {"http://weir.example.org", "https://weir.example.org:444", "https://a.weir.example.org"},
        ),
        (
            "http://127.0.0.1:8000",
            {"http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"},
            {"http://localhost:1", "http://127.0.0.1", "https://127.0.0.1:8000"},
        ),
        ("https://Weir.example.org:443/", {"https://weir.example.org"}, {"https://weir.example.org:443"}),
    ],
)
def test_origins_are_compared_by_scheme_host_and_port(base, own, foreign):
    assert own_origins(base) == own
    assert own_origins(base) & foreign == set()


async def test_all_who_ask_whether_it_is_ready_share_one_look(monkeypatch):
    looks, go = [], threading.Event()

    def look() -> str:
        looks.append(1)
        go.wait()
        return "Valkey" if len(looks) == 1 else ""

    monkeypatch.setattr(probes, "silent", look)
    monkeypatch.setattr(probes, "FRESH_SECONDS", 1000.0)
    gate = probes.Probes(Slow())
    asking = [gate._silent() for _ in range(100)]
    answers = asyncio.gather(*asking)
    await asyncio.sleep(0.05)
    go.set()
    assert await answers == ["Valkey"] * 100
    assert await gate._silent() == "Valkey"
    assert len(looks) == 1


async def test_a_look_that_hangs_is_not_waited_for(monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(probes, "silent", lambda: str(go.wait()) and "")
    monkeypatch.setattr(probes, "PATIENCE_SECONDS", 0.01)
    gate = probes.Probes(Slow())
    assert await gate._silent() == probes.HUNG
    go.set()
