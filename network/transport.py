"""A connection to one checked address, with one deadline for everything: the name is looked up once."""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from network import addresses


@contextmanager
def connected(url: str, seconds: float, authorities: str) -> Iterator[http.client.HTTPConnection]:
    """Connect to the host of a canonical address, over TLS for https, and close the connection after the block.

    All of it, the block included, has `seconds`; then TimeoutError is raised. `authorities`: a file with certificates
    that vouch for the host, or "" for those of the system. Raises Refused for an address that may not be called, and
    OSError for what happens on the way.
    """
    ends = time.monotonic() + seconds
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    port = parts.port or (http.client.HTTPS_PORT if is_secure else http.client.HTTP_PORT)
    ip = addresses.resolve(url, seconds=seconds)
    with closing(socket.create_connection((ip, port), _left(ends))) as plain:
        plain.settimeout(_left(ends))
        stream = (
            _context(authorities).wrap_socket(plain, server_hostname=parts.hostname) if is_secure else plain
        )
        with closing(stream), closing(http.client.HTTPConnection(parts.netloc)) as connection:
            connection.sock = _Timed(stream, ends)
            yield connection


@lru_cache(maxsize=4)
def _context(authorities: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authorities or None)


def _left(ends: float) -> float:
    """Return the seconds until the deadline. Raises TimeoutError after it."""
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Timed:
    """As much of a socket as http.client uses, each of whose operations ends at the deadline."""

    def __init__(self, stream: socket.socket, ends: float) -> None:
        self._stream, self._ends = stream, ends

    def sendall(self, data: bytes) -> None:
        self._stream.settimeout(_left(self._ends))
        self._stream.sendall(data)

    def recv_into(self, buffer: Any) -> int:
        self._stream.settimeout(_left(self._ends))
        return self._stream.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Leave the socket open: `connected` closes it."""


class _Incoming(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        super().__init__()
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.recv_into(buffer)
