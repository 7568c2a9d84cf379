"""Calls of other portals: what is answered, and that all else is answered like an address that does not exist."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as own_settings
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from http_message_signatures import HTTPMessageSigner, algorithms
from redis.exceptions import ConnectionError as CacheLost

from audit.models import Entry
from network import calls, identity, incoming, limits, signatures
from network.models import Peer
from network.signatures import Call, NotSigned
from tests.network.portals import Portal, send, verified

ECHO, STATE = "/net/1/echo", "/net/1/state"


@pytest.fixture(autouse=True)
def _echo(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.network.echo"


@pytest.fixture
def peer(other: Portal) -> Peer:
    return other.peer()


def seen(response: HttpResponse) -> tuple[Any, ...]:
    """Everything of an answer that a caller sees."""
    return response.status_code, response.content, sorted(response.items()), dict(response.cookies)


def assert_is_nothing(client: Client, response: HttpResponse) -> None:
    assert response.status_code == 404
    assert seen(response) == seen(client.get("/net/1/no-such-address"))


def why(call: Call, response: HttpResponse, status: int) -> str:
    """The reason in a signed refusal."""
    assert response.status_code == status
    verified(call, response)
    return str(response.json()["detail"])


# What is answered


def test_two_portals_call_each_other(other: Portal, client: Client, peer: Peer) -> None:
    heard = other.calls(client, "GET", STATE)
    assert heard.status == 200
    assert heard.document["version"] == own_settings.VERSION
    assert abs(heard.document["time"] - time.time()) < 5
    answer = calls.call(peer, "GET", STATE)
    assert answer.document["version"] == peer.version == "9.9.9"
    assert calls.fetch_card(other.url)[1].name == "Hospital B"
    calls.introduce(other.url)
    assert [call.method for call in other.received] == ["GET", "GET", "POST"]


@pytest.mark.usefixtures("peer")
def test_a_document_arrives(other: Portal, client: Client) -> None:
    heard = other.calls(client, "POST", ECHO + "?n=1", {"text": "é", "list": [1, None, True]})
    assert heard.document == {"heard": {"text": "é", "list": [1, None, True]}, "from": "Hospital B"}


@pytest.mark.usefixtures("peer")
def test_a_call_needs_no_person_and_leaves_no_cookie(
    other: Portal, client: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    other.calls(client, "GET", STATE)
    with django_assert_max_num_queries(3):  # the peer's key, this portal's, and the test's own for verifying
        heard = other.calls(client, "GET", STATE)
    assert heard.response.cookies == {}
    assert "sessionid" not in client.cookies


@pytest.mark.usefixtures("peer")
def test_refusals_of_a_view_are_signed(other: Portal, client: Client) -> None:
    for say, status, code in (("conflict", 409, "conflict"), ("missing", 404, "not_found")):
        heard = other.calls(client, "POST", ECHO, {"say": say})
        assert (heard.status, heard.document["code"]) == (status, code)
    heard = other.calls(client, "PUT", ECHO, {})
    assert (heard.status, heard.document["code"]) == (405, "method_not_allowed")


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"x":1.5}', "only integers are read"),
        (b'{"x":NaN}', "only integers are read"),
        (b'{"x":1e3}', "only integers are read"),
        (b'{"x":-Infinity}', "only integers are read"),
        (b'{"x":1,"x":2}', "names something twice"),
        (b'{"x":' + b"[" * 200 + b"]" * 200 + b"}", "levels"),
        (b'{"x":9223372036854775808}', "too large"),
        (b'{"x":"\\u0000"}', "invalid character"),
        (b"[1]", "not an object"),
        (b"\xff", "cannot be read"),
        (b"{", "cannot be read"),
    ],
)
def test_a_body_that_is_no_document_is_refused(
    other: Portal, client: Client, body: bytes, reason: str
) -> None:
    call = other.signed("POST", ECHO, body=body)
    response = send(client, call)
    assert reason in why(call, response, 400)
    assert response.json()["code"] == "not_json"


@pytest.mark.usefixtures("peer")
def test_a_long_body_is_refused_whoever_sends_it(other: Portal, client: Client) -> None:
    call = other.signed("POST", ECHO, body=b'{"x":"' + b"y" * 1000 + b'"}')
    known = send(client, call)
    unknown = client.post(ECHO, b"z" * 1001, content_type="application/json")
    assert known.status_code == unknown.status_code == 413
    assert seen(known) == seen(unknown)
    assert "1,000 bytes" in known.json()["detail"]


# What was not signed like that


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"path": STATE},
        {"path": ECHO},
        {"path": f"{ECHO}?n=2"},
        {"path": f"{ECHO}?n=1&m=1"},
        {"body": b'{"x":2}'},
        {"body": b""},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"content-type": "application/json; charset=utf-8"}},
        {"headers": {"content-type": "application/x-www-form-urlencoded"}},
        {"headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"headers": {"content-digest": None}},
        {"headers": {"content-digest": "sha-256=:AAAA:"}},
        {"headers": {"signature": None}},
        {"headers": {"signature": "weir=::"}},
        {"headers": {"signature-input": None}},
        {"headers": {"signature-input": "weir=()"}},
        {"headers": {"signature-input": "x" * 5000}},
    ],
)
def test_a_changed_call_is_nobodys(other: Portal, client: Client, changes: dict[str, Any]) -> None:
    call = other.signed("POST", f"{ECHO}?n=1", {"x": 1})
    assert_is_nothing(client, send(client, call, **changes))
    assert send(client, call).status_code == 200, "the call itself is answered, and its nonce was not used up"


@pytest.mark.usefixtures("peer")
def test_a_call_to_another_portal_is_not_answered_here(other: Portal, client: Client) -> None:
    """Neither if it was forwarded, nor if the Host header says that this is the other one."""
    call = other.signed("POST", ECHO, {"x": 1}, to="http://testserver")
    assert_is_nothing(client, send(client, call))
    assert_is_nothing(client, send(client, call, HTTP_HOST="testserver"))
    own = other.signed("POST", ECHO, {"x": 1})
    assert send(client, own, HTTP_HOST="localhost").status_code == 200


def signed_as(other: Portal, *, covered: tuple[str, ...] = signatures.CALL, **changes: Any) -> Call:
    """A call by the library, with what `signatures` would never sign."""
    call = Call("GET", own_settings.BASE_URL + STATE, b"", {})
    now = timezone.now().replace(microsecond=0)
    arguments: dict[str, Any] = {
        "key_id": other.key_id,
        "created": now,
        "expires": now + timedelta(seconds=60),
        "nonce": "n" * 22,
        "label": "weir",
        "tag": "weir-net/1",
        "include_alg": False,
        "covered_component_ids": covered,
        "body": b"",
        **changes,
    }
    if "content-digest" not in covered:
        arguments["body"] = None
    keys = signatures._Keys(private=other.private)
    HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=keys).sign(call, **arguments)
    return replace(call, headers={name.lower(): value for name, value in call.headers.items()})


@pytest.mark.usefixtures("peer")
def test_the_librarys_signature_is_answered_as_ours_is(other: Portal, client: Client) -> None:
    assert send(client, signed_as(other)).status_code == 200


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize(
    "changes",
    [
        {"tag": "other"},
        {"tag": None},
        {"label": "other"},
        {"nonce": None},
        {"nonce": "short"},
        {"nonce": "n" * 65},
        {"expires": None},
        {"expires": timezone.now() + timedelta(days=1)},
        {"covered": ("@method", "@target-uri")},
        {"covered": ("@method", "content-digest")},
        {"covered": ("@target-uri", "content-digest")},
        {"covered": ("content-digest",)},
        {"covered": (*signatures.CALL, "@authority")},
        {"covered": ("@method", "@path", "content-digest")},
    ],
)
def test_a_signature_of_another_form_does_not_count(
    other: Portal, client: Client, changes: dict[str, Any]
) -> None:
    assert_is_nothing(client, send(client, signed_as(other, **changes)))


@pytest.mark.usefixtures("peer")
def test_there_is_exactly_one_signature(other: Portal, client: Client) -> None:
    call = other.signed("GET", STATE)
    both = {
        name: f"{call.headers[name]}, {call.headers[name].replace('weir=', 'second=', 1)}"
        for name in ("signature", "signature-input")
    }
    assert_is_nothing(client, send(client, call, headers=both))
    assert_is_nothing(client, send(client, call, headers={"signature": both["signature"]}))
    doubled = {"signature-input": both["signature-input"]}
    assert_is_nothing(client, send(client, call, headers=doubled))


# Who it is


def test_only_a_known_portal_with_its_own_key_is_heard(
    portals: Callable[..., Portal], client: Client
) -> None:
    first, second, stranger = portals(), portals("Hospital C"), portals("Hospital D")
    first.peer()
    second.peer()
    assert_is_nothing(client, send(client, stranger.signed("GET", STATE)))
    anybody = Ed25519PrivateKey.generate()
    assert_is_nothing(client, send(client, first.signed("GET", STATE, private=anybody)))
    theirs = second.key_id.partition("#")[2]
    borrowed = f"{first.url}#{theirs}"
    assert_is_nothing(
        client, send(client, first.signed("GET", STATE, key_id=borrowed, private=second.private))
    )
    assert_is_nothing(client, send(client, first.signed("GET", STATE, key_id=first.url)))
    for portal in (first, second):
        assert send(client, portal.signed("GET", STATE)).status_code == 200


@pytest.mark.parametrize("state", ["waiting", "suspended", "removed"])
def test_who_does_not_take_part_sees_nothing_from_the_next_call_on(
    other: Portal, client: Client, peer: Peer, state: str
) -> None:
    assert send(client, other.signed("GET", STATE)).status_code == 200
    Peer.objects.update(state=state)
    assert_is_nothing(client, send(client, other.signed("GET", STATE)))
    assert_is_nothing(client, send(client, other.signed("POST", ECHO, {})))


def test_a_replaced_key_counts_until_it_ends(other: Portal, client: Client, peer: Peer) -> None:
    key = peer.keys.get()
    key.until = timezone.now() + timedelta(hours=1)
    key.save()
    assert send(client, other.signed("GET", STATE)).status_code == 200
    key.until = timezone.now()
    key.save()
    assert_is_nothing(client, send(client, other.signed("GET", STATE)))


def test_the_call_of_an_invited_portal_makes_it_active(other: Portal, client: Client) -> None:
    peer = other.peer(state=Peer.State.INVITED)
    assert_is_nothing(client, send(client, other.signed("GET", STATE, private=Ed25519PrivateKey.generate())))
    peer.refresh_from_db()
    assert peer.state == Peer.State.INVITED
    assert other.calls(client, "POST", ECHO, {}).status == 200
    peer.refresh_from_db()
    assert peer.state == Peer.State.ACTIVE
    other.calls(client, "GET", STATE)
    assert Entry.objects.filter(action="network.peer.active").count() == 1


def test_a_portal_that_stays_invited_may_ask_for_the_state_alone(
    other: Portal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.peer(state=Peer.State.INVITED)
    monkeypatch.setattr(calls, "on_heard", [])
    assert other.calls(client, "GET", STATE).status == 200
    assert_is_nothing(client, send(client, other.signed("POST", ECHO, {})))


def test_a_call_is_noted_once_a_minute(other: Portal, client: Client, peer: Peer) -> None:
    other.calls(client, "GET", STATE)
    peer.refresh_from_db()
    first = peer.seen_at
    other.calls(client, "GET", STATE)
    peer.refresh_from_db()
    assert peer.seen_at == first is not None


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

    monkeypatch.setattr(type(cache._connections[cache._alias]), "add", lost)
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


def test_an_answer_cannot_be_moved(other: Portal, client: Client, peer: Peer) -> None:
    first, second = other.signed("GET", STATE), other.signed("GET", STATE)
    answer = send(client, first)
    verified(first, answer)
    moved = [second, replace(first, method="POST"), replace(first, url=own_settings.BASE_URL + ECHO)]
    for call in moved:
        with pytest.raises(NotSigned):
            verified(call, answer)
    answer.status_code = 409
    with pytest.raises(NotSigned):
        verified(first, answer)
