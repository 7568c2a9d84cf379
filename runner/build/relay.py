"""The network of a build: an HTTP proxy that connects to the hosts of the package index and to no others.

A sandbox has no network except its own loopback interface. It hands one listening port of it to this process. There,
pip asks for a connection to a host, and gets it if the operator has named that host or the index links to it.
"""

import contextlib
import http.client
import http.server
import select
import socket
import socketserver
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from itertools import islice
from urllib.parse import SplitResult, urlsplit

from runner.build.index import MORE_HOSTS, PORTS, Index, credentials

SECONDS = 60.0
AT_ONCE = 32
PIECE = 2**16
PAGES = 100
"""How many pages of the index are read to find out which hosts it links to."""
BYTES = 16 * 2**30
"""What one build may download."""
PER_HOP = {"connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "upgrade"}


class Relay(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Serves the clients of one listening socket."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, index: Index, names: Sequence[str]) -> None:
        super().__init__(listener.getsockname(), _Caller)
        self.listener = listener
        self.refused: set[str] = set()
        self._index, self._known, self._pages = index, index.hosts(), islice(index.linked(names), PAGES)
        self._reading, self._counting = threading.Lock(), threading.Lock()
        self._room, self._places = BYTES, threading.BoundedSemaphore(AT_ONCE)

    # What socketserver asks of a server

    def fileno(self) -> int:
        return self.listener.fileno()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        caller, address = self.listener.accept()
        caller.settimeout(SECONDS)
        return caller, address

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """Refuse clients beyond AT_ONCE."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            request.close()

    def process_request_thread(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        request.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Do nothing: the client notices a broken connection by itself."""

    # Which hosts are allowed

    def knows(self, host: str, port: int) -> bool:
        """Whether the index or one of its pages names this host. Pages are read only until one does."""
        with self._reading:
            while (host, port) not in self._known:
                more = next(self._pages, None)
                if more is None:
                    self.refused.add(f"{host}:{port}"[:100])
                    return False
                self._known |= more
            return True

    def connect(self, scheme: str, host: str, port: int) -> socket.socket:
        """Connect to a host, through the operator's own proxy if there is one. Raises OSError."""
        proxy = self._index.proxies().get(scheme)
        if proxy is None or urllib.request.proxy_bypass(host):
            return socket.create_connection((host, port), SECONDS)
        return _connect_by(urlsplit(proxy), host, port)

    def count(self, size: int) -> bool:
        """Count transferred bytes. Returns whether more may still pass."""
        with self._counting:
            self._room -= size
            return self._room > 0


def _connect_by(proxy: SplitResult, host: str, port: int) -> socket.socket:
    # In plain text even to a proxy that is written as https://, as urllib does: the tunnelled traffic is encrypted.
    tunnel = http.client.HTTPConnection(
        proxy.hostname or "", proxy.port or PORTS.get(proxy.scheme, 80), timeout=SECONDS
    )
    tunnel.set_tunnel(host, port, credentials(proxy, "Proxy-Authorization"))
    tunnel.connect()
    return tunnel.sock


class _Caller(http.server.BaseHTTPRequestHandler):
    """One connection: either a tunnel (https), or one plain request."""

    server: Relay
    timeout = SECONDS
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        far = self._called("https", f"//{self.path}")
        if far is not None:
            with far:
                self.send_response_only(200)
                self.end_headers()
                self._join(far)

    def do_GET(self) -> None:
        far = self._called("http", self.path)
        if far is not None:
            with far:
                far.sendall(self._passed_on().encode("latin-1"))
                self._join(far)

    do_HEAD = do_GET  # noqa: N815 as http.server names it

    def _passed_on(self) -> str:
        """Return the request as a server expects it, with a connection that is not reused."""
        path = urlsplit(self.path)._replace(scheme="", netloc="").geturl() or "/"
        kept = [f"{name}: {value}" for name, value in self.headers.items() if name.lower() not in PER_HOP]
        return "\r\n".join([f"{self.command} {path} HTTP/1.1", *kept, "Connection: close", "", ""])

    def _called(self, scheme: str, address: str) -> socket.socket | None:
        """Return the requested connection, or None after sending the client an error."""
        self.close_connection = True
        try:
            parts = urlsplit(address, scheme)
            host, port = parts.hostname or "", parts.port or PORTS[scheme]
            if parts.scheme == scheme and self.server.knows(host, port):
                return self.server.connect(scheme, host, port)
        except (OSError, ValueError, http.client.HTTPException) as bad:
            self.send_error(502, "The index does not answer", str(bad))
        else:
            self.send_error(403, f"This host does not belong to the index: see {MORE_HOSTS}")
        return None

    def _join(self, far: socket.socket) -> None:
        """Copy bytes both ways until a side closes, nothing comes for SECONDS, or the limit is reached."""
        other = {self.connection: far, far: self.connection}
        while ready := select.select(list(other), [], [], SECONDS)[0]:
            for side in ready:
                piece = side.recv(PIECE)
                if not piece or not self.server.count(len(piece)):
                    return
                other[side].sendall(piece)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 as http.server names it
        """Do nothing: pip reports what went wrong."""


@contextlib.contextmanager
def serving(listener: socket.socket, index: Index, names: Sequence[str]) -> Iterator[Relay]:
    """Run a relay on this socket while the context lasts."""
    with listener:
        relay = Relay(listener, index, names)
        thread = threading.Thread(target=relay.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()
