"""Calls of other portals: what is answered, and that all else is answered like an address that does not exist."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as own_settings
from django.test import Client
from django.utils import timezone
from http_message_signatures import HTTPMessageSigner, algorithms

from audit.models import Entry
from network import calls, signatures
from network.models import Peer
from network.signatures import Call, NotSigned
from tests.network.portals import Portal, assert_is_nothing, seen, send, verified, why

ECHO, STATE = "/net/1/echo", "/net/1/state"


pytestmark = pytest.mark.usefixtures("echo")


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
