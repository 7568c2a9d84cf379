"""Other portals, played by tests: each has its own keys, signs what it sends, and answers on loopback.

def test_something(portals, client):
    other = portals("Hospital B")                              # a server at other.url
    peer = other.peer()                                        # this portal knows it, and it is active
    other.answers["GET", "/net/1/catalogue"] = lambda document: {"datasets": []}
    calls.call(peer, "GET", "/net/1/catalogue")                # what this portal asks of it
    other.calls(client, "GET", "/net/1/state")                 # what it asks of this portal
    other.received                                             # the calls that came, as `signatures.Call`
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.test import Client
from django.utils import timezone

from network import calls, cards, documents, signatures
from network.calls import Unreachable
from network.cards import Card, CardKey, Voucher
from network.models import Peer, PeerKey
from network.signatures import Answer, Call
from tests import make

Response = Any
"""An answer of Django's test client."""
Said = dict[str, Any] | tuple[int, dict[str, Any]]
"""An answer of 200, or a status and an answer."""


@dataclass
class Heard:
    """What this portal answered to another one."""

    status: int
    document: dict[str, Any]
    response: Response


class Portal:
    """Another portal. `answers` and `raw` can be replaced while it runs; `raw` writes to the socket by itself."""

    def __init__(self, name: str = "Hospital B") -> None:
        self.name = name
        self.private, self.recovery = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.earlier: list[CardKey] = []
        self.vouchers: list[Voucher] = []
        self.epoch, self.sequence = 1, 1
        self.clock = 0.0
        """Seconds by which its clock is ahead."""
        self.signs = True
        self.received: list[Call] = []
        self.answers: dict[tuple[str, str], Callable[[dict[str, Any]], Said]] = {
            ("GET", "/net/1/state"): lambda _: {"time": int(self.now()), "version": "9.9.9"},
            ("POST", "/net/1/peers"): lambda _: (202, {}),
        }
        self.raw: dict[tuple[str, str], Callable[[BaseHTTPRequestHandler], None]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def now(self) -> float:
        return time.time() + self.clock

    # Its card and keys

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return f"{self.url}#{cards.key_id(self.public)}"

    def card(self, **changes: Any) -> Card:
        now = int(self.now())
        fields: dict[str, Any] = {
            "name": self.name,
            "url": self.url,
            "keys": (CardKey(self.public, now - 100, None), *self.earlier),
            "recovery": self.recovery.public_key().public_bytes_raw(),
            "epoch": self.epoch,
            "sequence": self.sequence,
            "expires": now + cards.CARD_SECONDS,
            "protocols": ("weir-net/1",),
            "log_origin": f"{self.url.removeprefix('http://')}/log/1",
            "log_key": "",
            "wireguard_public": None,
            "wireguard_endpoint": "",
            "roles": (),
            "vouchers": tuple(self.vouchers),
        }
        return Card(**{**fields, **changes})

    def card_text(self, **changes: Any) -> str:
        return cards.signed(self.card(**changes), self.private)

    def rotate(self) -> None:
        """Begin a new key, which the present one vouches for."""
        now = int(self.now())
        self.earlier.append(CardKey(self.public, now - 100, now + int(cards.KEY_OVERLAP.total_seconds())))
        self._begin(self.private)

    def recover(self) -> None:
        """Replace all keys with the recovery key."""
        self.earlier, self.vouchers = [], []
        self.epoch += 1
        self._begin(self.recovery)

    def _begin(self, by: Ed25519PrivateKey) -> None:
        self.private = Ed25519PrivateKey.generate()
        text = cards.voucher_text(self.public, self.epoch, self.url)
        voucher = Voucher(self.public, by.public_key().public_bytes_raw(), by.sign(text), self.epoch)
        self.vouchers.append(voucher)
        self.sequence += 1

    def peer(self, state: str = Peer.State.ACTIVE, **fields: Any) -> Peer:
        """Make it known to this portal, as if an admin had compared the fingerprint."""
        card = self.card()
        known = {
            "card": self.card_text(),
            "name": self.name,
            "card_expires_at": datetime.fromtimestamp(card.expires, UTC),
            "recovery": card.recovery,
            "epoch": card.epoch,
            "sequence": card.sequence,
            "confirmed_by": fields.pop("confirmed_by", None) or make.admin(),
            "confirmed_with": "Bea",
            "confirmed_at": timezone.now(),
        }
        peer = Peer.objects.create(url=self.url, state=state, **{**known, **fields})
        PeerKey.objects.create(peer=peer, public=self.public, since=timezone.now() - timedelta(days=1))
        return peer

    # What it asks of this portal

    def signed(self, method: str, path: str, document: dict[str, Any] | None = None, **other: Any) -> Call:
        """A call to this portal. `other`: to, body, now, key_id, private."""
        body = other.get("body", b"" if document is None else documents.canonical(document))
        call = Call(method, other.get("to", settings.BASE_URL) + path, body)
        key_id, private = other.get("key_id", self.key_id), other.get("private", self.private)
        return signatures.sign_call(call, key_id, private, other.get("now", self.now()))

    def calls(self, client: Client, method: str, path: str, document: dict[str, Any] | None = None) -> Heard:
        """Call this portal, and verify the signature of its answer."""
        call = self.signed(method, path, document)
        response = send(client, call)
        signature = verified(call, response)
        assert signature.why_not_now(time.time()) is None
        return Heard(response.status_code, json.loads(response.content or b"{}"), response)

    # What it answers

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        portal = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its own name
                """Keep silent."""

            def do_GET(self) -> None:
                portal._answer(self)

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 -- the base class's names

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        call = Call(handler.command, self.url + handler.path, body, headers)
        self.received.append(call)
        at = (call.method, handler.path)
        if at in self.raw:
            self.raw[at](handler)
        elif at == ("GET", "/.well-known/weir-card"):
            self._write(handler, 200, self.card_text().encode(), {"content-type": "application/json"})
        elif at in self.answers:
            said = self.answers[at](json.loads(body or b"{}"))
            status, document = said if isinstance(said, tuple) else (200, said)
            self.reply(handler, call, status, documents.canonical(document))
        else:
            self._write(handler, 404, b"There is nothing here.\n", {})

    def reply(self, handler: BaseHTTPRequestHandler, call: Call, status: int, body: bytes) -> None:
        """Send a signed answer."""
        answer = Answer(status, body, call)
        if self.signs and "signature" in call.headers:
            answer = signatures.sign_answer(answer, self.key_id, self.private, self.now())
        self._write(handler, status, body, {"content-type": signatures.JSON, **answer.headers})

    @staticmethod
    def _write(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)


def send(client: Client, call: Call, **changes: Any) -> Response:
    """Send a call to this portal as it is. `changes`: method, path, body, headers, or what `Client.generic` takes."""
    headers = {**call.headers, **changes.pop("headers", {})}
    path = changes.pop("path", call.url.partition("://")[2].partition("/")[2])
    return client.generic(
        changes.pop("method", call.method),
        "/" + path.lstrip("/"),
        changes.pop("body", call.body),
        content_type=headers.pop("content-type", ""),
        headers={name: value for name, value in headers.items() if value is not None},
        **changes,
    )


def verified(call: Call, response: Response) -> signatures.Signature:
    """What the signature of this portal's answer says. Raises NotSigned."""
    from network.models import IdentityKey  # noqa: PLC0415 -- needs Django's apps

    keys = [bytes(key.public) for key in IdentityKey.objects.all()]
    known = {f"{settings.BASE_URL}#{cards.key_id(public)}": public for public in keys}
    headers = {name.lower(): value for name, value in response.items()}
    return signatures.verify_answer(Answer(response.status_code, response.content, call, headers), known.get)


def seen(response: Response) -> tuple[Any, ...]:
    """Everything of an answer that a caller sees."""
    return response.status_code, response.content, sorted(response.items()), dict(response.cookies)


def assert_is_nothing(client: Client, response: Response) -> None:
    assert response.status_code == 404
    assert seen(response) == seen(client.get("/net/1/no-such-address"))


def why(call: Call, response: Response, status: int) -> str:
    """The reason in a signed refusal."""
    assert response.status_code == status
    verified(call, response)
    return str(response.json()["detail"])


def refused(peer: Peer, kind: str, path: str = "/net/1/state", **options: Any) -> str:
    """The reason why a call did not succeed, which is noted at the peer."""
    with pytest.raises(Unreachable) as raised:
        calls.call(peer, "GET", path, **options)
    assert raised.value.kind == kind, str(raised.value)
    peer.refresh_from_db()
    assert peer.trouble == str(raised.value)[:300]
    return str(raised.value)
