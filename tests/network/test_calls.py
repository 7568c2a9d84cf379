"""Calls to other portals: which answers count, and what an unfriendly one cannot do."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from django.conf import settings as own_settings
from django.utils import timezone

from network import calls, cards, documents, identity, signatures
from network.calls import Unreachable
from network.models import Peer
from network.signatures import Answer, Call
from tests.network.portals import Portal

STATE = "/net/1/state"
THING = "/net/1/thing"


@pytest.fixture
def peer(other: Portal) -> Peer:
    return other.peer()


def refused(peer: Peer, kind: str, path: str = STATE, **options: Any) -> str:
    """The reason why a call did not succeed, which is noted at the peer."""
    with pytest.raises(Unreachable) as raised:
        calls.call(peer, "GET", path, **options)
    assert raised.value.kind == kind, str(raised.value)
    peer.refresh_from_db()
    assert peer.trouble == str(raised.value)[:300]
    return str(raised.value)


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


# Answers that do harm


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    portals: Callable[..., Portal], other: Portal, peer: Peer, status: int
) -> None:
    third = portals("Hospital C")
    headers = {"Location": f"{third.url}{STATE}"}
    other.raw["GET", STATE] = lambda handler: other._write(handler, status, b"", headers)
    refused(peer, "redirect")
    assert third.received == []


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_of_a_gigabyte_is_cut_off(other: Portal, peer: Peer, chunked: bool) -> None:
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.close_connection = True
        handler.send_response(200)
        length = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(2**30))
        handler.send_header(*length)
        handler.end_headers()
        piece = b"x" * 65_536
        framed = b"10000\r\n" + piece + b"\r\n" if chunked else piece
        try:
            while sent < 2**30:
                handler.wfile.write(framed)
                sent += len(piece)
        except OSError:
            return

    other.raw["GET", STATE] = endless
    begun = time.monotonic()
    assert "longer than 262,144 bytes" in refused(peer, "too_large")
    assert time.monotonic() - begun < 3
    assert sent < 2**27, "what the sockets hold, and no more"


def test_an_answer_may_be_as_long_as_the_limit(other: Portal, peer: Peer) -> None:
    other.answers["GET", THING] = lambda _: {"x": "y" * 92}
    assert len(calls.call(peer, "GET", THING, limit=100).body) == 100
    refused(peer, "too_large", THING, limit=99)


def dripping(begin: bytes, drop: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer that comes so slowly that no single read takes long."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        try:
            handler.wfile.write(begin)
            for _ in range(200):
                handler.wfile.write(drop)
                time.sleep(0.05)
        except OSError:
            return

    return drip


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b""),
    ],
)
def test_one_deadline_holds_for_all_of_a_call(other: Portal, peer: Peer, begin: bytes, drop: bytes) -> None:
    other.raw["GET", STATE] = dripping(begin, drop)
    begun = time.monotonic()
    refused(peer, "slow", seconds=0.5)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
)
def test_what_is_not_http_is_refused(other: Portal, peer: Peer, answer: bytes) -> None:
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(answer)

    other.raw["GET", STATE] = write
    refused(peer, "connection")


def test_an_answer_that_ends_early_does_not_count(other: Portal, peer: Peer) -> None:
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        call = other.received[-1]
        answer = signatures.sign_answer(
            Answer(200, b'{"a":1}', call), other.key_id, other.private, other.now()
        )
        handler.send_response(200)
        for name, value in {**answer.headers, "content-length": "7"}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(b'{"a"')

    other.raw["GET", STATE] = write
    refused(peer, "unsigned")


def test_a_portal_that_is_off_is_unreachable(other: Portal, peer: Peer) -> None:
    other.close()
    assert "could not be reached" in refused(peer, "connection")


def test_a_private_address_is_not_called(other: Portal, peer: Peer, settings: Any) -> None:
    settings.NETWORK_PRIVATE = []
    assert "which is not public" in refused(peer, "address")
    with pytest.raises(Unreachable, match="not public"):
        calls.fetch_card(other.url)
    with pytest.raises(Unreachable, match="not public"):
        calls.introduce(other.url)
    assert other.received == []


def test_proxies_of_the_environment_are_not_used(
    other: Portal, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert calls.call(peer, "GET", STATE).status == 200


def test_a_name_is_looked_up_once_and_that_address_is_called(
    other: Portal, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer of a name server that changes its mind is never asked for."""
    looked_up: list[str] = []
    found = socket.getaddrinfo

    def changing(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "b.example.org":
            looked_up.append(host)
            host = "127.0.0.1" if len(looked_up) == 1 else "127.0.0.99"
        return found(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    port = other.url.rpartition(":")[2]
    other.url = f"http://b.example.org:{port}"
    Peer.objects.update(url=other.url)
    peer.refresh_from_db()
    assert calls.call(peer, "GET", STATE).status == 200
    assert looked_up == ["b.example.org"]
    assert other.received[0].headers["host"] == f"b.example.org:{port}"


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


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Callable[..., Path]:
    """Make certificates for an IP address, each signed by itself; the file holds key and certificate."""

    def issue(ip: str, days: int = 1) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A test's own")])
        begin = datetime.now(UTC) - timedelta(days=2)  # noqa: TID251 -- of certificates
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=2 + days))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = tmp_path / f"{ip}-{days}.pem"
        path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        return path

    return issue


def secured(other: Portal, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    other._server.socket = context.wrap_socket(other._server.socket, server_side=True)
    other.url = other.url.replace("http://", "https://")


def test_certificates_of_the_hosts_own_authority_count(
    other: Portal, authority: Callable[..., Path], settings: Any
) -> None:
    certificate = authority("127.0.0.1")
    secured(other, certificate)
    peer = other.peer()
    assert "was not accepted" in refused(peer, "certificate")
    settings.NETWORK_CA = str(certificate)
    assert calls.call(peer, "GET", STATE).status == 200
    settings.NETWORK_CA = str(authority("127.0.0.2"))
    refused(peer, "certificate")


@pytest.mark.parametrize(("ip", "days"), [("127.0.0.9", 1), ("127.0.0.1", -1)])
def test_a_certificate_for_another_name_or_time_does_not_count(
    other: Portal, authority: Callable[..., Path], settings: Any, ip: str, days: int
) -> None:
    certificate = authority(ip, days)
    secured(other, certificate)
    settings.NETWORK_CA = str(certificate)
    refused(other.peer(), "certificate")


def test_a_portal_that_does_not_begin_tls_is_not_waited_for(other: Portal, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        other.url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        refused(other.peer(), "slow", seconds=0.3)
