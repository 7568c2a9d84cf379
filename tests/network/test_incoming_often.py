"""Calls of other portals: their time, how often they come, and what is open to everybody."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache
from django.test import Client
from redis.exceptions import ConnectionError as CacheLost

from network import identity, incoming, limits, signatures
from network.models import Peer
from tests.network.portals import Portal, assert_is_nothing, seen, send, why

ECHO, STATE = "/net/1/echo", "/net/1/state"


pytestmark = pytest.mark.usefixtures("echo")


def _stop_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a new minute from beginning."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


# When it was signed, and how often it comes


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("seconds", [-3600, -62, 62, 3600])
def test_a_call_of_another_time_is_refused_with_both_times(
    other: Portal, client: Client, seconds: float
) -> None:
    other.clock = seconds
    call = other.signed("GET", STATE)
    reason = why(call, send(client, call), 400)
    assert reason.count(" UTC") == 2
    assert "one of their clocks is wrong" in reason


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("seconds", [-55, 55])
def test_clocks_may_differ_by_less_than_a_minute(other: Portal, client: Client, seconds: float) -> None:
    other.clock = seconds
    assert send(client, other.signed("GET", STATE)).status_code == 200


@pytest.mark.usefixtures("peer")
def test_the_same_call_is_answered_once(other: Portal, client: Client) -> None:
    call = other.signed("GET", STATE)
    assert send(client, call).status_code == 200
    assert "was here before" in why(call, send(client, call), 409)


@pytest.mark.usefixtures("peer")
def test_without_the_nonces_a_call_ends_after_a_minute(
    other: Portal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever flushes Valkey can repeat the calls of the last minute; changes are idempotent besides."""
    call = other.signed("GET", STATE)
    assert send(client, call).status_code == 200
    cache.clear()
    assert send(client, call).status_code == 200
    cache.clear()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 62)
    assert "one of their clocks is wrong" in why(call, send(client, call), 400)


def test_a_nonce_is_new_to_one_of_all_threads(own: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(lambda _: limits.is_new("threads"), range(64))) == [False] * 63 + [True]


def test_a_nonce_is_new_to_one_of_two_processes(own: str) -> None:
    assert limits.is_new("processes")
    code = "import django; django.setup(); from network import limits; print(limits.is_new('processes'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.usefixtures("peer")
def test_a_portal_calls_so_often_in_a_minute(
    other: Portal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "OF_ONE_PEER", 3)
    _stop_the_clock(monkeypatch)
    for _ in range(3):
        assert other.calls(client, "GET", STATE).status == 200
    heard = other.calls(client, "GET", STATE)
    assert (heard.status, heard.document["code"], heard.response["Retry-After"]) == (429, "too_many", "60")


def test_strangers_do_not_keep_the_portal_verifying(
    other: Portal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "FROM_ONE_NETWORK", 3)
    _stop_the_clock(monkeypatch)
    for _ in range(3):
        assert send(client, other.signed("GET", STATE)).status_code == 404
    monkeypatch.setattr(signatures, "verify_call", lambda *_: pytest.fail("It was verified."))
    for path in (STATE, "/net/1/peers", "/.well-known/weir-card"):
        assert client.get(path).status_code == 429


def test_places_of_a_minute_are_shared_exactly(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _stop_the_clock(monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: limits.take("somebody", 20), range(60)))
    assert taken.count(True) == 20
    assert limits.take("another", 20)
    cache.delete_many([f"network:somebody:{int(time.time() // 60)}"])
    assert not limits.take("somebody", 20), "the places are taken, whatever the count says"


@pytest.mark.usefixtures("peer")
def test_without_the_cache_nobody_is_answered(
    other: Portal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise CacheLost

    monkeypatch.setattr(RedisCache, "add", lost)
    for response in (send(client, other.signed("GET", STATE)), client.get(STATE)):
        assert response.status_code == 503
        assert response["Retry-After"] == "60"


# The card, introductions, and all other addresses


def test_the_card_is_for_everybody(own: str, client: Client) -> None:
    response = client.get("/.well-known/weir-card")
    assert response.status_code == 200
    assert response.content.decode() == identity.own_card_text()
    assert (response["Content-Type"], response["Cache-Control"]) == ("application/json", "public, max-age=60")
    assert response.cookies == {}
    assert_is_nothing(client, client.post("/.well-known/weir-card"))


@pytest.mark.django_db
def test_a_portal_without_an_identity_is_no_portal(client: Client) -> None:
    cache.clear()
    for path in ("/.well-known/weir-card", STATE):
        assert_is_nothing(client, client.get(path))


def test_a_portal_that_asks_waits_and_is_told_nothing(own: str, client: Client, other: Portal) -> None:
    answers = []
    for url in (other.url, other.url, "http://weir.example.org", "https://weir.example.org/", "nonsense", ""):
        call = other.signed("POST", "/net/1/peers", {"url": url})
        if url:
            answers.append(seen(send(client, call)))
    assert {answer[0] for answer in answers} == {202}
    assert len({str(answer) for answer in answers}) == 1
    waiting = Peer.objects.get()
    assert (waiting.url, waiting.state, waiting.card) == (other.url, "waiting", "")
    assert other.received == [], "nothing was fetched"


def test_twenty_portals_wait(own: str, client: Client) -> None:
    for number in range(25):
        body = {"url": f"https://p{number}.example.org"}
        assert client.post("/net/1/peers", body, content_type="application/json").status_code == 202
    assert Peer.objects.count() == 20


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"url":1}', b'{"url":"x","y":1}', b'{"url":1.5}'])
def test_an_introduction_says_an_address(own: str, client: Client, body: bytes) -> None:
    response = client.generic("POST", "/net/1/peers", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "not_json")
    assert not Peer.objects.exists()


def test_the_introduction_of_an_invited_portal_makes_it_active(other: Portal, client: Client) -> None:
    peer = other.peer(state=Peer.State.INVITED)
    assert send(client, other.signed("POST", "/net/1/peers", {"url": other.url})).status_code == 202
    peer.refresh_from_db()
    assert peer.state == Peer.State.ACTIVE


def test_other_addresses_are_nothing(own: str, client: Client) -> None:
    for path in ("/net/", "/net/1/", "/net/2/state", "/net/1/state/", "/net/1/state/x"):
        for method in ("get", "post"):
            assert_is_nothing(client, getattr(client, method)(path))
    assert_is_nothing(client, client.get("/net/1/peers"))
