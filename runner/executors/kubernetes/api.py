"""A minimal Kubernetes client for running jobs: objects as JSON over HTTPS, and commands in a container.

Commands use a WebSocket (RFC 6455, subprotocol v4.channel.k8s.io), so that what they write never reaches a node's disk,
as logs do.
"""

import base64
import contextlib
import hashlib
import json
import os
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from runner.contract import SandboxUnavailable
from runner.host.local_sandbox import NotStarted

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 20.0
ANSWER_BYTES = 4 * 2**20
FRAME_BYTES = 2**20
PROTOCOL = "v4.channel.k8s.io"
KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
FINAL, MASKED = 0x80, 0x80
STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
APPLY = "application/apply-patch+yaml"  # JSON is YAML


class ApiError(NotStarted):
    """The cluster refused a request or could not be reached."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def _file(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable, str(ACCOUNT / name)))


def _address() -> str:
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    default = f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}" if host else ""
    return os.environ.get("WEIR_KUBERNETES_API", default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The cluster's address and our credentials. The token is read for each call, because it is rotated."""

    address: str
    token: Path
    authority: Path

    @classmethod
    def from_environment(cls) -> "Api":
        """Return the client for the pod's own cluster, or the one in WEIR_KUBERNETES_*. Raises SandboxUnavailable."""
        address = _address()
        url = urlsplit(address)
        if url.scheme != "https" and url.hostname != "127.0.0.1":
            raise SandboxUnavailable(
                "No cluster was found. Run inside one, or set WEIR_KUBERNETES_API to https://…"
            )
        token = _file("WEIR_KUBERNETES_TOKEN_FILE", "token")
        if not token.is_file():
            raise SandboxUnavailable(f"The token for the cluster, {token}, does not exist.")
        return cls(address=address, token=token, authority=_file("WEIR_KUBERNETES_CA_FILE", "ca.crt"))

    def _connection(self) -> HTTPConnection:
        url = urlsplit(self.address)
        host = cast("str", url.hostname)
        if url.scheme == "http":
            return HTTPConnection(host, url.port, timeout=SECONDS)
        trusted = ssl.create_default_context(cafile=str(self.authority))
        return HTTPSConnection(host, url.port, timeout=SECONDS, context=trusted)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token.read_text(encoding='ascii').strip()}"}

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        """Send one request and return the object in the response. Raises ApiError."""
        connection = self._connection()
        headers = self._headers() | {"Accept": "application/json", "Content-Type": kind}
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read(ANSWER_BYTES)
            found: dict[str, Any] = json.loads(text or b"{}")
        except (OSError, HTTPException, ValueError) as bad:
            raise ApiError(f"{method} {path}: {bad}") from bad
        finally:
            connection.close()
        if answer.status >= 300:
            raise ApiError(
                f"{method} {path}: {answer.status} {found.get('message', '')}"[:500], answer.status
            )
        return found

    def execute(self, pod: str, container: str, command: Sequence[str], *, stdin: bool = False) -> "Channel":
        """Start a command in a container. Raises ApiError."""
        words = [("command", word) for word in command]
        streams = [("stdin", "1")] if stdin else []
        query = urlencode([("container", container), *words, *streams, ("stdout", "1"), ("stderr", "1")])
        connection = self._connection()
        try:
            connection.connect()
            return _upgraded(connection, f"{pod}/exec?{query}", self._headers())
        except (OSError, HTTPException) as bad:
            connection.close()
            raise ApiError(f"A command in {pod} did not start: {bad}") from bad
        except ApiError:
            connection.close()
            raise


def _upgraded(connection: HTTPConnection, path: str, headers: dict[str, str]) -> "Channel":
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    wanted = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": PROTOCOL,
    }
    connection.putrequest("GET", path)
    for name, value in (headers | wanted).items():
        connection.putheader(name, value)
    connection.endheaders()
    stream = cast("socket.socket", connection.sock)
    head = _head(stream)
    expected = base64.b64encode(hashlib.sha1(f"{key}{KEY_SUFFIX}".encode(), usedforsecurity=False).digest())
    if not head.startswith(b"HTTP/1.1 101 ") or expected not in head:
        raise ApiError(f"The cluster did not open a channel: {head[:200].decode('ascii', 'replace')}")
    return Channel(stream)


def _head(stream: socket.socket) -> bytes:
    """Read the head of the response, byte by byte: what follows belongs to the channel."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < 2**14:
        part = stream.recv(1)
        if not part:
            break
        head += part
    return head


@dataclass(slots=True)
class Channel:
    """The streams of a running command. `problem` is the beginning of its standard error, or how it failed."""

    stream: socket.socket
    problem: bytes = b""
    is_open: bool = True
    _buffer: bytearray = field(default_factory=bytearray)

    def receive(self, timeout: float) -> bytes | None:
        """Return what the command wrote: empty for nothing within `timeout` seconds, None once it has ended."""
        deadline = time.monotonic() + timeout
        while (found := self._frame()) is None:
            if not self.is_open:
                return None
            if not self._fill(max(deadline - time.monotonic(), 0.001)):
                return b""
        return self._sorted(*found)

    def _fill(self, timeout: float) -> bool:
        """Read what is there. Returns False if nothing came in time; an end clears `is_open`."""
        self.stream.settimeout(timeout)
        try:
            data = self.stream.recv(2**16)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except OSError:
            data = b""
        self.is_open = bool(data)
        self._buffer += data
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        """Take the next complete frame from the buffer. A server's frames are not masked."""
        if len(self._buffer) < 2:
            return None
        length, start = self._buffer[1] & 0x7F, 2
        if length >= 126:
            form = "!H" if length == 126 else "!Q"
            start += struct.calcsize(form)
            if len(self._buffer) < start:
                return None
            (length,) = struct.unpack_from(form, self._buffer, 2)
        if length > FRAME_BYTES:
            self.is_open = False
            return None
        if len(self._buffer) < start + length:
            return None
        kind, data = self._buffer[0] & 0x0F, bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return kind, data

    def _sorted(self, kind: int, data: bytes) -> bytes:
        if kind == PING:
            self._send(PONG, data)
        elif kind == CLOSE:
            self.is_open = False
        elif data[:1] == bytes([STDOUT]):
            return data[1:]
        elif data[:1] in (bytes([STDERR]), bytes([STATUS])):
            self.problem = (self.problem + data[1:])[:4096]
        return b""

    def write(self, data: bytes) -> None:
        """Write to the command's standard input. Raises OSError."""
        self.stream.settimeout(SECONDS)
        for place in range(0, len(data), 2**15):
            self._send(BINARY, bytes([STDIN]) + data[place : place + 2**15])

    def _send(self, kind: int, data: bytes) -> None:
        length = len(data)
        size = (
            struct.pack("!B", MASKED | length) if length < 126 else struct.pack("!BH", MASKED | 126, length)
        )
        mask = secrets.token_bytes(4)
        repeated = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")
        self.stream.sendall(bytes([FINAL | kind]) + size + mask + masked)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._send(CLOSE, b"")
        self.is_open = False
        self.stream.close()
