"""The relay between a build and the package index: where it goes, how much it carries, and when it ends."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.build import index
from runner.build.relay import serving
from tests.runner.build.wheels import served

pytestmark = pytest.mark.sandbox


@contextlib.contextmanager
def relay(**options: str) -> Iterator[Callable[[str], bytes]]:
    """Send a relay one request and read the whole response."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    source = index.Index(options=options)

    def ask(text: str) -> bytes:
        with socket.create_connection(address, 5) as near:
            near.sendall(text.encode("latin-1"))
            near.settimeout(5)
            parts = []
            with contextlib.suppress(ConnectionResetError):
                while part := near.recv(2**16):
                    parts.append(part)
            return b"".join(parts)

    with serving(listener, source, ["plain"]):
        yield ask


def test_a_malformed_link_hides_no_other_host(tmp_path: Path) -> None:
    page = tmp_path / "simple" / "plain" / "index.html"
    page.parent.mkdir(parents=True)
    with served(tmp_path) as (files, asked):
        page.write_text(
            f'<a href="http://[x/">a</a><a href="http://h:p/">b</a><a href="{files}/plain.whl">c</a>'
        )
        with served(tmp_path / "simple") as (address, _), relay(**{"index-url": address}) as ask:
            assert b" 404 " in ask(f"GET {files}/plain.whl HTTP/1.1\r\n\r\n")
        assert asked == ["/plain.whl"]


def test_the_relay_goes_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("rows")
    with served(tmp_path) as (private, asked), served(tmp_path / "simple") as (address, _):
        host = private.removeprefix("http://")
        with relay(**{"index-url": address}) as ask:
            answers = [
                ask(f"CONNECT {host} HTTP/1.1\r\n\r\n"),
                ask(f"GET {private}/private HTTP/1.1\r\n\r\n"),
                ask(f"GET {address}@{host}/private HTTP/1.1\r\n\r\n"),
                ask(f"GET /private HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                ask(f"GET https://{host}/private HTTP/1.1\r\n\r\n"),
                ask("GET file:///etc/passwd HTTP/1.1\r\n\r\n"),
                ask("CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n"),
                ask(f"CONNECT {address.removeprefix('http://').partition(':')[0]}:22 HTTP/1.1\r\n\r\n"),
                ask("CONNECT [::1 HTTP/1.1\r\n\r\n"),
                ask("CONNECT a:99999999 HTTP/1.1\r\n\r\n"),
                ask(f"POST {private}/private HTTP/1.1\r\n\r\n"),
                ask("\x00" * 100 + "\r\n\r\n"),
                ask("GET " + "x" * 100_000),
            ]
        assert asked == []
    assert [answer for answer in answers if b" 200 " in answer or b"rows" in answer] == []


def test_the_relay_carries_no_more_than_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large").write_bytes(b"x" * 2**22)
    monkeypatch.setattr("runner.build.relay.BYTES", 2**20)
    with served(tmp_path) as (address, _), relay(**{"index-url": address}) as ask:
        assert len(ask(f"GET {address}/large HTTP/1.1\r\n\r\n")) <= 2**20


def test_the_relay_ends_though_somebody_holds_the_line(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        listener = socket.create_server(("127.0.0.1", 0))
        with serving(listener, index.Index(options={}), []):
            for _ in range(60):
                stack.enter_context(socket.create_connection(listener.getsockname(), 5))
