"""A proxy on this machine that drops every third connection: before the call is sent on, instead of its answer, or in
the middle of the answer."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

MANNERS = ("on the way", "answer lost", "answer cut")
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


@dataclass
class Proxy:
    """Where it is, and what it did: of each call its method, its path, and how it was dropped, or ""."""

    address: str = ""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, method: str, path: str) -> str:
        """Note a call, and return how to drop it."""
        with self.lock:
            number = len(self.seen) + 1
            how = "" if number % 3 else MANNERS[number // 3 % len(MANNERS)]
            self.seen.append((method, path.partition("?")[0].removeprefix("/api/v1/"), how))
        return how

    def dropped(self, method: str, path: str = "") -> list[str]:
        """How calls of this method to paths that end so were dropped, each time."""
        return [how for given, at, how in self.seen if given == method and at.endswith(path) and how]


class Server(ThreadingHTTPServer):
    """Listens on this machine, in front of the portal at this address."""

    daemon_threads = True

    def __init__(self, portal: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.portal, self.proxy = portal, Proxy(f"http://127.0.0.1:{self.server_address[1]}")


class Handler(BaseHTTPRequestHandler):
    """Handles one call of one connection."""

    server: Server

    def pass_on(self) -> None:
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        how = self.server.proxy.meet(self.command, self.path)
        if how == "on the way":
            return
        there = http.client.HTTPConnection(self.server.portal, timeout=60)
        there.request(self.command, self.path, body=body or None, headers=dict(self.headers))
        answer = there.getresponse()
        if how != "answer lost":
            self.send_back(answer, cut=how == "answer cut")
        there.close()

    def send_back(self, answer: http.client.HTTPResponse, *, cut: bool) -> None:
        """Send the answer piece by piece; or say that it is long, and send nothing of it."""
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        length = "1000000" if cut else answer.getheader("Content-Length")
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        while not cut and (piece := answer.read1()):
            self.wfile.write(piece)

    do_GET = do_POST = do_PATCH = do_DELETE = do_HEAD = pass_on  # noqa: N815 -- the names of http.server

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def dropping(url: str) -> Iterator[Proxy]:
    """A proxy in front of the portal at this URL. Each call has a connection of its own."""
    server = Server(urlsplit(url).netloc)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
