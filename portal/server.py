"""The web server: Daphne, with a limit on what anybody may send before Django has seen who it is.

`python -m portal.server --host 127.0.0.1 --port 8000`
"""

import daphne.server  # isort:skip -- installs the asyncio reactor, before anything else imports Twisted

import argparse
import asyncio
import sys
import time
from typing import Any

import django
from daphne.http_protocol import HTTPFactory, WebRequest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from twisted.internet.defer import Deferred

from portal.asgi import application
from portal.launch.options import is_loopback

BODY_LIMIT = 16 * 1024 * 1024
"""More than any page sends; files come in chunks of 4 MB."""
SOCKET_MESSAGE_LIMIT = 64 * 1024
STOP_SECONDS = 5.0
LINGER_SECONDS = 2.0
TOO_LONG = b"This is longer than the %d MB that one call may carry.\n" % (BODY_LIMIT // 1024 // 1024)


class CappedRequest(WebRequest):
    """A request whose body ends the connection when it grows too long.

    Twisted and Daphne keep whole bodies, and Twisted parses forms into memory a second time: before Django, and
    before anybody has signed in (django/daphne #483).
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

    def refuse(self) -> None:
        """Answer 413 at once, then swallow what is under way for a moment, so that the answer is read."""
        self.refused = True
        self.requestHeaders.removeHeader(b"expect")
        head = b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
        transport = self.channel.transport
        transport.write(head + b"%d\r\n\r\n" % len(TOO_LONG) + TOO_LONG)
        asyncio.get_event_loop().call_later(LINGER_SECONDS, transport.loseConnection)


class CappedFactory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802 -- Twisted's name
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = CappedRequest
        return protocol


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
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m portal.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if why := problems(options.host):
        sys.stderr.write(f"Not serving: {why}\n")
        return 1
    interface = options.host.replace(":", r"\:")
    server = Server(
        application,
        endpoints=[f"tcp:{options.port}:interface={interface}:backlog=256"],
        websocket_max_message_size=SOCKET_MESSAGE_LIMIT,
        websocket_max_frame_size=SOCKET_MESSAGE_LIMIT,
        server_name="",
        verbosity=0,
    )
    # Daphne has no setting for its factory of requests; the name is looked up when run() begins.
    daphne.server.HTTPFactory = CappedFactory
    server.run()
    return 0 if getattr(server, "ports", []) else 1


if __name__ == "__main__":
    sys.exit(main())
