"""A small server on this machine that sends the answers a test gives it, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """One answer. `drop`: hang up instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


@dataclass
class Double:
    """Its answers, the last of which is given again and again, and what it was asked."""

    address: str = ""
    answers: list[Reply] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    routed: Callable[[Asked], Reply] | None = None

    def next(self) -> Reply:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def say(self, *answers: Reply) -> None:
        self.answers = list(answers)
        self.asked.clear()


def problem(status: int, code: str, detail: str = "What happened.", **more: Any) -> Reply:
    body = {"type": "/docs", "title": "Title", "status": status, "code": code, "detail": detail, **more}
    return Reply(status, body, {"Content-Type": "application/problem+json"})


@contextmanager
def double() -> Iterator[Double]:
    running = Double()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content) if content else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            running.asked.append(asked)
            found = running.routed(asked) if running.routed else running.next()
            if found.drop:
                self.close_connection = True
                self.connection.close()
                return
            raw = b"" if found.body is None else found.body
            raw = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
            self.send_response(found.status)
            for name, value in {"Content-Type": "application/json", **found.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815 -- the names of http.server

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    running.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
