"""The web server: Daphne, with limits on what anybody may send before Django authenticates them.

`python -m portal.server --host 127.0.0.1 --port 8000`
"""

import daphne.server  # isort:skip -- installs the asyncio reactor, before anything else imports Twisted

import argparse
import asyncio
import re
import resource
import sys
import time
from typing import Any, cast

import django
from daphne.http_protocol import HTTPFactory, WebRequest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.http import HTTPChannel

from portal.asgi import application
from portal.checks import workers_find_a_connection
from portal.launch.options import is_loopback
from privacy.services import trials

BODY_LIMIT = 16 * 1024 * 1024
"""More than any page sends; files are uploaded in chunks of 4 MB."""
SOCKET_MESSAGE_LIMIT = 64 * 1024
HANDSHAKE_SECONDS = 20
METHOD = re.compile(rb"[A-Z]{1,20}")
VERSIONS = (b"HTTP/1.0", b"HTTP/1.1")
OWN_FILES = 256
"""File descriptors reserved for the store, Postgres and Valkey, however many connections strangers open."""
STOP_SECONDS = 5.0
LINGER_SECONDS = 2.0
TOO_LONG = b"The request body is too large: the limit is %d MB.\n" % (BODY_LIMIT // 1024 // 1024)


class CappedRequest(WebRequest):
    """A request that is refused if it is malformed or its body is too long.

    Twisted and Daphne buffer whole bodies, and Twisted parses forms into memory a second time, before Django and before
    anybody has signed in (django/daphne #483). Daphne answers what it cannot decode with 500 and a traceback.
    """

    _parsePOSTFormSubmission = False  # noqa: N815 -- Twisted's name; Django parses forms itself
    received = 0
    refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802 -- Twisted's name
        if length is not None and length > BODY_LIMIT:
            self.refuse()
        super().gotLength(0 if self.refused else length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 -- Twisted's name
        self.received += len(data)
        if self.received > BODY_LIMIT and not self.refused:
            self.refuse()
        if not self.refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 -- Twisted's name
        if self.refused:
            self.channel.loseConnection()
        else:
            super().requestReceived(command, path, version)

    def process(self) -> Any:
        if why := self._malformed():
            self._refuse_politely(why)
            return None
        self.requestHeaders.removeHeader(b"daphne-root-path")  # Daphne would trust it
        return super().process()

    def _malformed(self) -> str:
        """Return why Daphne and Django could not read this request, or "" if they can."""
        if not METHOD.fullmatch(self.method):
            return "the method is not a word"
        if self.clientproto not in VERSIONS:
            return "only HTTP 1.0 and 1.1 are supported"
        if len(self.requestHeaders.getRawHeaders(b"host", [])) > 1:
            return "there is more than one Host header"
        if not self.uri.isascii() or not self.uri.startswith(b"/"):
            return "the URL is not a path in ASCII"
        if self.requestHeaders.hasHeader(b"upgrade"):
            return self._no_handshake()
        return ""

    def _no_handshake(self) -> str:
        """Return why this is not a websocket handshake, or "". autobahn joins and parses its headers again."""
        values = [value for _, values in self.requestHeaders.getAllRawHeaders() for value in values]
        if self.method != b"GET" or not all(map(bytes.isascii, values)):
            return "a handshake must be a GET with headers in ASCII"
        return ""

    def _refuse_politely(self, why: str) -> None:
        body = f"Bad request: {why}.\n".encode()
        self.setResponseCode(400)
        self.responseHeaders.setRawHeaders(b"content-type", [b"text/plain"])
        self.responseHeaders.setRawHeaders(b"content-length", [b"%d" % len(body)])
        self.channel.persistent = False  # read no further request
        self.write(body)
        self.finish()

    def refuse(self) -> None:
        """Respond 413 at once and discard incoming data for a moment, so that the client can read the response."""
        self.refused = True
        self.requestHeaders.removeHeader(b"expect")
        head = b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
        answer_and_linger(self.channel.transport, head + b"%d\r\n\r\n" % len(TOO_LONG) + TOO_LONG)


class CappedFactory(HTTPFactory):
    """Refuses connections beyond the limit of file descriptors."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802 -- Twisted's name
        if len(cast("Any", reactor).getReaders()) > connection_limit():
            return None  # Twisted closes the connection
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = CappedRequest
        return protocol


def too_long_a_line(channel: Any, _line: bytes) -> None:
    """Respond 414, where Twisted would close the connection without a response."""
    channel.dataReceived = lambda _data: None
    answer_and_linger(
        channel.transport,
        b"HTTP/1.1 414 URI Too Long\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    )


def answer_and_linger(transport: Any, answer: bytes) -> None:
    """Send the response and close later: closing while data arrives would discard the response."""
    transport.write(answer)
    asyncio.get_event_loop().call_later(LINGER_SECONDS, transport.loseConnection)


def connection_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_FILES


def allow_many_files() -> None:
    """Raise the limit of open files to the hard limit, at most 16,384."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16_384 if hard == resource.RLIM_INFINITY else min(hard, 16_384)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server(daphne.server.Server):
    """Daphne that finishes the requests in progress before it stops."""

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        self.ports = [*getattr(self, "ports", []), port]

    def kill_all_applications(self) -> "Deferred[Any]":
        return Deferred.fromFuture(asyncio.ensure_future(self._wind_down()))

    async def _wind_down(self) -> None:
        for port in getattr(self, "ports", []):
            port.stopListening()
        deadline = time.monotonic() + STOP_SECONDS
        while self._running(pages_only=True) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        left = self._running()
        for instance in left:
            instance.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _running(self, *, pages_only: bool = False) -> "list[asyncio.Future[Any]]":
        return [
            details["application_instance"]
            for protocol, details in list(self.connections.items())
            if "application_instance" in details
            and not details["application_instance"].done()
            and (isinstance(protocol, WebRequest) or not pages_only)
        ]


def problems(host: str) -> str:
    """Return why this configuration must not be served, or ""."""
    django.setup()
    try:
        call_command("check", verbosity=0)
    except SystemCheckError as failed:
        return str(failed)
    if (settings.DEMO or settings.DEBUG) and not is_loopback(host):
        return f"The demo and debugging are allowed on this machine only. Listen on 127.0.0.1, not on {host}."
    # Django's database checks fail without a database; this check passes, and /readyz reports it.
    return "\n".join(map(str, workers_find_a_connection(None, databases=["default"])))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m portal.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if why := problems(options.host):
        sys.stderr.write(f"Not serving: {why}\n")
        return 1
    allow_many_files()
    trials.rehearse()
    interface = options.host.replace(":", r"\:")
    server = Server(
        application,
        endpoints=[f"tcp:{options.port}:interface={interface}:backlog=256"],
        websocket_handshake_timeout=HANDSHAKE_SECONDS,
        websocket_connect_timeout=HANDSHAKE_SECONDS,
        websocket_max_message_size=SOCKET_MESSAGE_LIMIT,
        websocket_max_frame_size=SOCKET_MESSAGE_LIMIT,
        server_name="",
        verbosity=0,
    )
    # Daphne has no setting for its request factory; run() looks up the name.
    daphne.server.HTTPFactory = CappedFactory
    cast("Any", HTTPChannel).lineLengthExceeded = too_long_a_line
    server.run()
    return 0 if getattr(server, "ports", []) else 1


if __name__ == "__main__":
    sys.exit(main())
