"""Calls to other portals: what an unfriendly one, or somebody on the way to it, cannot do."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from network import calls, signatures
from network.calls import Unreachable
from network.models import Peer
from network.signatures import Answer
from tests.network.portals import Portal, refused

STATE = "/net/1/state"
THING = "/net/1/thing"


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
