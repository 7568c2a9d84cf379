"""The web server: Daphne, with a limit on what anybody may send before Django has seen who it is.

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
"""More than any page sends; files come in chunks of 4 MB."""
SOCKET_MESSAGE_LIMIT = 64 * 1024
HANDSHAKE_SECONDS = 20
METHOD = re.compile(rb"[A-Z]{1,20}")
VERSIONS = (b"HTTP/1.0", b"HTTP/1.1")
OWN_FILES = 256
"""Files that stay free for the store, for Postgres and for Valkey, whatever strangers open."""
STOP_SECONDS = 5.0
LINGER_SECONDS = 2.0
TOO_LONG = b"This is longer than the %d MB that one call may carry.\n" % (BODY_LIMIT // 1024 // 1024)


class CappedRequest(WebRequest):
    """A request whose body ends the connection when it grows too long, and that is refused when it is malformed.

    Twisted and Daphne keep whole bodies, and Twisted parses forms into memory a second time: before Django, and
    before anybody has signed in (django/daphne #483). What Daphne cannot decode it answers with 500 and a traceback.
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
        self.requestHeaders.removeHeader(b"daphne-root-path")  # Daphne would believe it
        return super().process()

    def _malformed(self) -> str:
        """Why this is no request that Daphne and Django can read; empty when it is one."""
        if not METHOD.fullmatch(self.method):
            return "the method is not a word"
        if self.clientproto not in VERSIONS:
            return "this speaks HTTP 1.0 and 1.1"
        if len(self.requestHeaders.getRawHeaders(b"host", [])) > 1:
            return "there is more than one Host header"
        if not self.uri.isascii() or not self.uri.startswith(b"/"):
            return "the address is not a path in ASCII"
        if self.requestHeaders.hasHeader(b"upgrade"):
            return self._no_handshake()
        return ""

    def _no_handshake(self) -> str:
        """Headers of a handshake are joined and parsed once more, by autobahn."""
        values = [value for _, values in self.requestHeaders.getAllRawHeaders() for value in values]
        if self.method != b"GET" or not all(map(bytes.isascii, values)):
            return "a handshake is a GET, with headers in ASCII"
        return ""

    def _refuse_politely(self, why: str) -> None:
        body = f"Bad request: {why}.\n".encode()
        self.setResponseCode(400)
        self.responseHeaders.setRawHeaders(b"content-type", [b"text/plain"])
        self.responseHeaders.setRawHeaders(b"content-length", [b"%d" % len(body)])
        self.channel.persistent = False  # nothing that follows is read
        self.write(body)
        self.finish()

    def refuse(self) -> None:
        """Answer 413 at once, then swallow what is under way for a moment, so that the answer is read."""
        self.refused = True
        self.requestHeaders.removeHeader(b"expect")
        head = b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
        answer_and_linger(self.channel.transport, head + b"%d\r\n\r\n" % len(TOO_LONG) + TOO_LONG)


class CappedFactory(HTTPFactory):
    """No more connections than there are files to open."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802 -- Twisted's name
        if len(cast("Any", reactor).getReaders()) > connection_limit():
            return None  # Twisted hangs up
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = CappedRequest
        return protocol


def too_long_a_line(channel: Any, _line: bytes) -> None:
    """Answer 414, where Twisted would hang up without a word."""
    channel.dataReceived = lambda _data: None
    answer_and_linger(
        channel.transport,
        b"HTTP/1.1 414 URI Too Long\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    )


def answer_and_linger(transport: Any, answer: bytes) -> None:
    """Leave time for the answer to be read: hanging up on what is under way takes it back."""
    transport.write(answer)
    asyncio.get_event_loop().call_later(LINGER_SECONDS, transport.loseConnection)


def connection_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_FILES


def allow_many_files() -> None:
    """As many as the system allows this process to ask for, up to a number that it can look after."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16_384 if hard == resource.RLIM_INFINITY else min(hard, 16_384)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server(daphne.server.Server):
    """Daphne that lets pages under way finish when it is asked to stop."""

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
    """Why this configuration must not be served, or nothing."""
    django.setup()
    try:
        call_command("check", verbosity=0)
    except SystemCheckError as failed:
        return str(failed)
    if (settings.DEMO or settings.DEBUG) and not is_loopback(host):
        return f"The demo and debugging are for this machine only: listen on 127.0.0.1, not on {host}."
    # Django's own checks of a database fail when it is not there; this one waits for it.
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
    # Daphne has no setting for its factory of requests; the name is looked up when run() begins.
    daphne.server.HTTPFactory = CappedFactory
    cast("Any", HTTPChannel).lineLengthExceeded = too_long_a_line
    server.run()
    return 0 if getattr(server, "ports", []) else 1


if __name__ == "__main__":
    sys.exit(main())
