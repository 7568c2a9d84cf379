"""Many callers at the same moment, each on a connection of its own, against the live portal."""

import asyncio
import socket
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
PATIENCE = 300.0
"""Only a bound for what hangs: nothing is measured by it."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Call:
    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def encoded(self, host: str) -> bytes:
        lines = {"Host": host, "Connection": "close", "Content-Length": str(len(self.body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body


def raw(url: str, data: bytes) -> bytes:
    """What the server sends back to these bytes until it closes, or stops for a while."""
    return _run(_exchange(url, data))


def answers(url: str, calls: Sequence[Call]) -> list[Answer]:
    """What each call was answered, all sent at once."""
    return _run(_all(url, calls))


def _run(work: Coroutine[Any, Any, T]) -> T:
    """On a loop of another thread: a browser may keep one in this one."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, asyncio.wait_for(work, PATIENCE)).result()


async def _all(url: str, calls: Sequence[Call]) -> list[Answer]:
    host = urlsplit(url).netloc
    return [
        _parsed(each) for each in await asyncio.gather(*(_exchange(url, one.encoded(host)) for one in calls))
    ]


async def _exchange(url: str, data: bytes) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(data)
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()


def _parsed(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(status=int(first.split()[1]), headers=headers, body=body)


class Socket:
    """A websocket as a browser opens it, or what the server said instead."""

    def __init__(self, url: str, path: str = "/ws/live/", **headers: str) -> None:
        host = urlsplit(url).netloc
        lines = {
            "Host": host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            "Origin": url,
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        name, _, port = host.rpartition(":")
        self._socket = socket.create_connection((name, int(port)), timeout=60)
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        self._stream = self._socket.makefile("rb")
        self.status = int(self._stream.readline().split()[1])
        while self._stream.readline().strip():
            pass

    def say(self, text: str) -> None:
        """A short text; browsers mask it, here with zeros."""
        data = text.encode()
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        self._socket.sendall(b"\x81" + length + bytes(4) + data)

    def hear(self) -> str:
        """The next text."""
        while True:
            kind, length = self._stream.read(2)
            data = self._stream.read(length)
            if kind & 0x0F == 1:
                return data.decode()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()
