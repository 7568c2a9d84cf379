"""Signed-in people and programs over real sockets: HTTP calls, and a minimal websocket client."""

import base64
import json
import os
import socket
import struct
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from django.conf import settings
from django.test import Client

from accounts.models import User

TOKEN = "b" * 32
"""An arbitrary CSRF token: cookie and header only have to match."""


class Program:
    """A program with one persistent connection, signed in by these headers."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self.port, self.headers = port, headers
        self._http = HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Return (status, body) of one call."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._http.request(method, url, body, {**self.headers, **named})
        answer: HTTPResponse = self._http.getresponse()
        return answer.status, answer.read()

    def ask_json(self, method: str, url: str, body: object = None, **headers: str) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        status, content = self.ask(
            method, url, sent, Accept="application/json", Content_Type="application/json", **headers
        )
        if status >= HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{url} answered {status}: {content[:300]!r}")
        return json.loads(content)


class Visitor(Program):
    """A person in a browser, signed in by a session."""

    def __init__(self, port: int, user: User) -> None:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={TOKEN}"
        origin = f"http://127.0.0.1:{port}"
        super().__init__(port, {"Cookie": self.cookie, "X-CSRFToken": TOKEN, "Origin": origin})


class LiveSocket:
    """The portal's websocket as a browser opens it (RFC 6455; text frames below 64 kB)."""

    def __init__(self, visitor: Visitor) -> None:
        self.wire = socket.create_connection(("127.0.0.1", visitor.port), timeout=60)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [
            "GET /ws/live/ HTTP/1.1",
            f"Host: 127.0.0.1:{visitor.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Origin: http://127.0.0.1:{visitor.port}",
            f"Cookie: {visitor.cookie}",
        ]
        self.wire.sendall("\r\n".join([*lines, "", ""]).encode())
        self._left = b""
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise RuntimeError(head.decode(errors="replace"))

    def watch(self, *keys: str) -> None:
        """Watch keys; return once the portal has confirmed each."""
        text = json.dumps({"watch": keys}).encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[k % 4] for k, byte in enumerate(text))
        length = (
            bytes([0x80 | len(text)])
            if len(text) < 126
            else bytes([0x80 | 126]) + struct.pack("!H", len(text))
        )
        self.wire.sendall(b"\x81" + length + mask + masked)
        for _ in keys:
            self.hear()

    def hear(self) -> Any:
        """Return the next message."""
        while True:
            code, text = self._frame()
            if code == 1:
                return json.loads(text)
            if code == 8:
                raise RuntimeError("The portal closed the socket.")

    def _frame(self) -> tuple[int, bytes]:
        first, length = self._take(2)
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        return first & 15, self._take(length)

    def _take(self, size: int) -> bytes:
        while len(self._left) < size:
            self._more()
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def _more(self) -> None:
        part = self.wire.recv(65_536)
        if not part:
            raise RuntimeError("The portal closed the connection.")
        self._left += part

    def close(self) -> None:
        self.wire.close()
