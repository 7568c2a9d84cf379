"""Another portal that answers really, over HTTP: it shows a card, takes introductions and signs its state."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from network import cards, documents, signatures
from network.cards import Card
from network.signatures import Answer, Call
from tests.makers import network as connected
from tests.network import making


@dataclass
class FakePortal:
    """What the other portal shows, and what it has heard."""

    url: str
    card: str = ""
    key: str = "first"
    """The name of the key that it signs answers with."""
    knows_us: bool = True
    """Whether its admin has confirmed us: otherwise it answers as if there were nothing."""
    ahead: float = 0
    """Seconds by which its clock is ahead."""
    hangs: threading.Event | None = None
    """Answers wait until it is set."""
    heard: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def show(self, *names: str, **changes: Any) -> Card:
        """Show a card whose present key has the last of these names, and sign with it."""
        names = names or (self.key,)
        self.key = names[-1]
        made = connected.card(*names, url=changes.pop("url", self.url), **changes)
        self.card = connected.signed(made, by=self.key)
        return made

    def answer(self, call: Call) -> Answer:
        if self.hangs is not None:
            self.hangs.wait(20)
        path = call.url.removeprefix(self.url)
        self.heard.append((call.method, path, documents.read(call.body) if call.body else {}))
        if path == "/.well-known/weir-card":
            return Answer(200 if self.card else 404, self.card.encode(), call)
        if path == "/net/1/peers":
            return Answer(202, b"{}", call)
        if not self.knows_us:
            return Answer(404, b"There is nothing here.\n", call)
        body = documents.canonical({"version": "0.1.0"})
        private, name = making.private_key(self.key), cards.key_id(making.public_key(self.key))
        answer = Answer(200, body, call)
        return signatures.sign_answer(answer, f"{self.url}#{name}", private, time.time() + self.ahead)

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.heard]


@contextmanager
def fake_portal(name: str = "Hospital B") -> Iterator[FakePortal]:
    """Serve a portal on a free port of this machine, with a card that counts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {each.lower(): value for each, value in self.headers.items()}
            answer = portal.answer(Call(self.command, portal.url + self.path, body, headers))
            self.send_response(answer.status_code)
            for each, value in answer.headers.items():
                self.send_header(each, value)
            if "signature" in answer.headers:
                self.send_header("Content-Type", signatures.JSON)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET  # noqa: N815 -- the name is the server's

        def log_message(self, *args: object) -> None:
            """Nothing: what it heard is in `heard`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    portal = FakePortal(f"http://127.0.0.1:{server.server_port}")
    portal.show(name=name)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield portal
    finally:
        if portal.hangs is not None:
            portal.hangs.set()
        server.shutdown()
        server.server_close()
        thread.join()
