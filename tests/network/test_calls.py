"""Calls to other portals: which answers count, and what an unfriendly one cannot do."""

import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as own_settings
from django.utils import timezone

from network import calls, cards, documents, identity, signatures
from network.calls import Unreachable
from network.models import Peer
from network.signatures import Answer, Call
from tests.network.portals import Portal, refused

STATE = "/net/1/state"
THING = "/net/1/thing"


def test_a_call_is_signed_and_its_answer_read(other: Portal, peer: Peer) -> None:
    other.answers["POST", f"{THING}?page=2"] = lambda document: {"heard": document}
    reply = calls.call(peer, "POST", f"{THING}?page=2", {"a": 1}, headers={"If-None-Match": '"x"'})
    assert (reply.status, reply.document) == (200, {"heard": {"a": 1}})
    sent = other.received[0]
    own = identity.own_card().present_key
    signature = signatures.verify_call(sent, {f"{own_settings.BASE_URL}#{cards.key_id(own)}": own}.get)
    assert signature.why_not_now(time.time()) is None
    assert sent.body == documents.canonical({"a": 1})
    assert sent.headers["if-none-match"] == '"x"'
    assert sent.headers["host"] == other.url.removeprefix("http://")
    assert "cookie" not in sent.headers


def test_what_was_seen_of_a_peer_is_noted(other: Portal, peer: Peer) -> None:
    other.clock = 20
    calls.call(peer, "GET", STATE)
    stored = Peer.objects.get()
    assert (stored.version, stored.trouble) == ("9.9.9", "")
    assert stored.clock_offset == pytest.approx(20, abs=2)
    assert stored.seen_at == peer.seen_at is not None


def test_refusals_of_a_peer_are_returned(other: Portal, peer: Peer) -> None:
    other.answers["GET", THING] = lambda _: (409, {"code": "conflict", "detail": "Not now."})
    reply = calls.call(peer, "GET", THING)
    assert (reply.status, reply.document["detail"]) == (409, "Not now.")


def test_an_answer_without_a_change_has_no_body(other: Portal, peer: Peer) -> None:
    other.raw["GET", THING] = lambda handler: other.reply(handler, other.received[-1], 304, b"")
    reply = calls.call(peer, "GET", THING)
    assert (reply.status, reply.body, reply.document) == (304, b"", {})


def test_the_answer_of_an_invited_portal_makes_it_active(other: Portal) -> None:
    peer = other.peer(state=Peer.State.INVITED)
    other.signs = False
    refused(peer, "unsigned")
    assert peer.state == Peer.State.INVITED
    other.signs = True
    calls.call(peer, "GET", STATE)
    peer.refresh_from_db()
    assert peer.state == Peer.State.ACTIVE


@pytest.mark.parametrize("state", ["waiting", "suspended", "removed"])
def test_who_does_not_take_part_is_not_called(other: Portal, peer: Peer, state: str) -> None:
    Peer.objects.update(state=state)
    peer.refresh_from_db()
    with pytest.raises(Unreachable, match="is not called"):
        calls.call(peer, "GET", STATE)
    assert other.received == []


@pytest.mark.parametrize(
    "path", ["net/1/state", "/net/1/state#x", "/net/1/ä", "/a b", "//x\r\nHost: y", "/x?a=b c"]
)
def test_a_path_is_sent_as_it_was_signed_or_not_at_all(other: Portal, peer: Peer, path: str) -> None:
    with pytest.raises(ValueError, match="not a path that portals call"):
        calls.call(peer, "GET", path)
    with pytest.raises(ValueError, match="only integers are read"):
        calls.call(peer, "POST", THING, {"x": 0.5})
    assert other.received == []


# Answers that do not count


def test_an_unknown_portal_is_told_apart_from_an_unsigned_answer(other: Portal, peer: Peer) -> None:
    assert "does not know this portal" in refused(peer, "unknown", THING)
    other.signs = False
    assert "not signed with a key" in refused(peer, "unsigned")


def test_only_a_pinned_key_that_counts_signs_answers(
    portals: Callable[..., Portal], other: Portal, peer: Peer
) -> None:
    third = portals("Hospital C")
    third.peer()
    own, other.private = other.private, third.private
    refused(peer, "unsigned")
    other.private = Ed25519PrivateKey.generate()
    refused(peer, "unsigned")
    other.private = own
    assert calls.call(peer, "GET", STATE).status == 200
    peer.keys.update(until=timezone.now())
    refused(peer, "unsigned")


def moved(other: Portal, change: Callable[[Answer], Answer]) -> None:
    """Have all further answers changed after they were signed."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        call = other.received[-1]
        made = Answer(200, b'{"a":1}', call)
        made = change(signatures.sign_answer(made, other.key_id, other.private, other.now()))
        headers = {"content-type": "application/json", **made.headers}
        other._write(handler, made.status_code, made.body, headers)

    other.raw["GET", STATE] = answer


def test_an_answer_belongs_to_its_call(other: Portal, peer: Peer) -> None:
    kept: list[Answer] = []

    def once(answer: Answer) -> Answer:
        kept.append(answer)
        return kept[0]

    moved(other, once)
    assert calls.call(peer, "GET", STATE).document == {"a": 1}
    refused(peer, "unsigned")


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: replace(answer, status_code=404),
        lambda answer: replace(answer, body=b'{"a":2}'),
        lambda answer: replace(answer, body=b""),
        lambda answer: replace(answer, headers={**answer.headers, "content-digest": ""}),
        lambda answer: replace(answer, headers={**answer.headers, "signature": "weir=:AAAA:"}),
        lambda answer: replace(
            answer,
            headers={
                name: f"{value}, {value.replace('weir=', 'second=', 1)}" if "sign" in name else value
                for name, value in answer.headers.items()
            },
        ),
    ],
)
def test_a_changed_answer_does_not_count(
    other: Portal, peer: Peer, change: Callable[[Answer], Answer]
) -> None:
    moved(other, lambda answer: answer)
    assert calls.call(peer, "GET", STATE).status == 200
    moved(other, change)
    refused(peer, "unsigned")


def test_the_signature_of_another_call_does_not_count(other: Portal, peer: Peer) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        call = other.received[-1]
        other.reply(handler, Call("POST", call.url, b"", call.headers), 200, b"{}")

    other.raw["GET", STATE] = answer
    refused(peer, "unsigned")


@pytest.mark.parametrize("seconds", [-90, 90])
def test_a_clock_that_is_wrong_is_said_with_both_times(other: Portal, peer: Peer, seconds: float) -> None:
    other.clock = seconds
    assert refused(peer, "clock").count(" UTC") == 2


@pytest.mark.parametrize("body", [b'{"x":1.5}', b'{"x":NaN}', b'{"x":1,"x":2}', b"[]", b"{", b"[" * 100_000])
def test_an_answer_that_is_no_document_is_refused(other: Portal, peer: Peer, body: bytes) -> None:
    other.raw["GET", STATE] = lambda handler: other.reply(handler, other.received[-1], 200, body)
    refused(peer, "not_json")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_portal_that_fails_is_called_later(other: Portal, peer: Peer, status: int) -> None:
    other.raw["GET", STATE] = lambda handler: other._write(handler, status, b"sorry", {})
    assert "Try again later" in refused(peer, "failed")
    if status >= 500:
        other.raw["GET", STATE] = lambda handler: other.reply(handler, other.received[-1], status, b"{}")
        refused(peer, "failed")


# Cards and introductions


def test_a_card_is_fetched_and_read(other: Portal) -> None:
    text, card = calls.fetch_card(other.url)
    assert cards.read(text) == card
    assert (card.name, card.url) == (other.name, other.url)
    assert "signature" not in other.received[0].headers


def test_a_card_that_does_not_count_is_refused(other: Portal) -> None:
    now = int(time.time())
    texts = {
        "cannot be read": "{}",
        "is that of https://c.example.org": other.card_text(url="https://c.example.org"),
        "out of date": other.card_text(expires=now - 1, keys=(cards.CardKey(other.public, 0, None),)),
        "clocks is wrong": other.card_text(expires=now + cards.CARD_SECONDS + 7200),
    }
    for why, text in texts.items():
        other.raw["GET", calls.CARD] = lambda handler, text=text: other._write(  # type: ignore[misc]
            handler, 200, text.encode(), {}
        )
        with pytest.raises(Unreachable, match=why) as raised:
            calls.fetch_card(other.url)
        assert raised.value.kind == "card"
    other.raw["GET", calls.CARD] = lambda handler: other._write(handler, 404, b"", {})
    with pytest.raises(Unreachable, match="shows no card"):
        calls.fetch_card(other.url)
    other.raw["GET", calls.CARD] = lambda handler: other._write(handler, 200, b"x" * 70_000, {})
    with pytest.raises(Unreachable, match="longer than 65,536 bytes"):
        calls.fetch_card(other.url)


def test_cards_of_another_portal_are_followed(other: Portal) -> None:
    first = other.card()
    pinned = {"recovery": first.recovery, "epoch": 1, "sequence": 1}
    other.rotate()
    _, rotated = calls.fetch_card(other.url)
    assert cards.follows(rotated, keys=[first.present_key], **pinned) is cards.Succession.NEWER
    other.recover()
    _, recovered = calls.fetch_card(other.url)
    assert cards.follows(recovered, keys=[first.present_key], **pinned) is cards.Succession.RECOVERED


def test_an_introduction_says_who_we_are(other: Portal) -> None:
    calls.introduce(other.url)
    assert other.received[0].body == documents.canonical({"url": own_settings.BASE_URL})
    other.answers["POST", calls.PEERS] = lambda _: (400, {})
    with pytest.raises(Unreachable, match="did not take the introduction: it answered 400"):
        calls.introduce(other.url)


@pytest.mark.django_db
def test_a_portal_without_an_identity_calls_nobody(settings: Any) -> None:
    with pytest.raises(identity.NotSetUp):
        calls.introduce("http://127.0.0.1:9")
