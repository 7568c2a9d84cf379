"""Calls to other portals: the one client. It connects to an address that was checked, and follows nothing.

No redirects, no proxies, no cookies; TLS with a certificate for the name; one deadline for all of a call, and a limit
on the answer. What comes back counts only if it is signed with a key that was pinned, as the answer to this very call.
"""

import http.client
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from common.errors import Refused
from network import cards, documents, identity, signatures, transport
from network.cards import Card
from network.models import Peer
from network.signatures import Answer, Call, NotSigned, Signature

CARD, STATE, PEERS = "/.well-known/weir-card", "/net/1/state", "/net/1/peers"
LIMIT = 262_144
SECONDS = 5.0
PATH = re.compile(r"/[A-Za-z0-9._~/-]*(?:\?[A-Za-z0-9._~=&%/-]*)?")
"""A path and query that the other portal sees as they were signed."""
NOT_MODIFIED = 304
CLOCKS = 3600
"""Seconds by which the card of a portal may expire too late, because its clock is ahead."""

OnHeard = Callable[[Peer], None]
on_heard: list[OnHeard] = []
"""What follows from a valid signature of a peer: it has confirmed this portal. AppConfig.ready() registers it."""


class Unreachable(Refused):
    """The other portal could not be called, or its answer does not count. The text is for an admin.

    `kind`: address, connection, certificate, slow, too_large, redirect, failed, unknown, unsigned, clock, not_json,
    card, state.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Reply:
    """A verified answer. `document` is its JSON object, or empty if it has none; `headers` are not signed."""

    status: int
    document: dict[str, Any]
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def fetch_card(url: str, *, may_have_moved: bool = False) -> tuple[str, Card]:
    """Fetch the card of a portal: its text, and what it says. It proves nothing until a fingerprint was compared.

    Raises Unreachable, also for a card that is out of date, or has another address unless it `may_have_moved`.
    """
    answer, _ = _send(Call("GET", url + CARD, b""), {}, cards.MAX_CARD, SECONDS)
    if answer.status_code != 200:
        raise Unreachable(
            "card", f"{url} shows no card. It may not be a portal of this kind, or have no identity yet."
        )
    try:
        text = answer.body.decode("ascii")
        card = cards.read(text)
    except ValueError as bad:
        raise Unreachable("card", f"The card of {url} cannot be read. {bad}") from bad
    if card.url != url and not may_have_moved:
        raise Unreachable("card", f"The card at {url} is that of {card.url}. Use that address.")
    left = card.expires - time.time()
    if not 0 < left <= cards.CARD_SECONDS + CLOCKS:
        raise Unreachable(
            "card", f"The card of {url} is out of date, or one of the portals' clocks is wrong."
        )
    return text, card


def call(  # noqa: PLR0913 -- what a request has
    peer: Peer,
    method: str,
    path: str,
    document: Mapping[str, Any] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    limit: int = LIMIT,
    seconds: float = SECONDS,
) -> Reply:
    """Call a peer, and return its answer, whose signature was verified. `path` is below its address.

    An answer of 2xx, 304 or 4xx is returned. Raises Unreachable for everything else, and notes at the peer why.
    Raises ValueError for a document or path that cannot be sent.
    """
    if peer.state not in {Peer.State.INVITED, Peer.State.ACTIVE}:
        raise Unreachable("state", f"{peer} is not called: {peer.get_state_display().lower()}.")
    sent = _signed(method, peer.url, path, document)
    try:
        answer, moment = _send(sent, headers or {}, limit, seconds)
        signature = _verified(peer, answer, moment)
        reply = Reply(answer.status_code, _document(peer, answer), answer.body, answer.headers)
    except Unreachable as bad:
        if limit <= LIMIT and seconds <= SECONDS:  # a call with more room or time tells of itself alone
            note(peer, tried_at=timezone.now(), trouble=str(bad)[:300])
        raise
    noted: dict[str, Any] = {"clock_offset": round(signature.created + 0.5 - moment, 1)}
    if path == STATE:
        noted["version"] = str(reply.document.get("version", ""))[:40]
    note(peer, tried_at=timezone.now(), seen_at=timezone.now(), trouble="", **noted)
    heard(peer)
    return reply


def introduce(url: str) -> None:
    """Tell a portal that an admin of this one has introduced it here. The answer tells nothing. Raises Unreachable."""
    answer, _ = _send(_signed("POST", url, PEERS, {"url": settings.BASE_URL}), {}, LIMIT, SECONDS)
    if answer.status_code != 202:
        raise Unreachable("failed", f"{url} did not take the introduction: it answered {answer.status_code}.")


def note(peer: Peer, **fields: object) -> None:
    """Store what a call has shown of a peer: seen_at, tried_at, trouble, clock_offset, version."""
    Peer.objects.filter(pk=peer.pk).update(**fields)
    for name, value in fields.items():
        setattr(peer, name, value)


def heard(peer: Peer) -> None:
    """Call what is registered for a valid signature of a peer."""
    for act in on_heard:
        act(peer)


def _signed(method: str, url: str, path: str, document: Mapping[str, Any] | None) -> Call:
    if not PATH.fullmatch(path):
        raise ValueError(f"{path!r} is not a path that portals call.")
    body = b"" if document is None else documents.canonical(document)
    key_id, private = identity.signer()
    return signatures.sign_call(Call(method, url + path, body), key_id, private, time.time())


def _verified(peer: Peer, answer: Answer, now: float) -> Signature:
    """Return what the signature of an answer says. Raises Unreachable if it does not count."""
    known = {
        f"{peer.url}#{cards.key_id(bytes(key.public))}": bytes(key.public)
        for key in peer.keys.all()
        if key.counts(timezone.now())
    }
    status = answer.status_code
    try:
        signature = signatures.verify_answer(answer, known.get)
    except NotSigned as bad:
        if status == 404 and "signature" not in answer.headers:
            raise Unreachable(
                "unknown", f"{peer} does not know this portal, or does not work with it any more."
            ) from bad
        if status >= 500 or status == 429:
            raise Unreachable("failed", f"{peer} answered {status}. Try again later.") from bad
        raise Unreachable(
            "unsigned", f"The answer of {peer} is not signed with a key that is known here."
        ) from bad
    if why := signature.why_not_now(now):
        raise Unreachable("clock", f"The answer of {peer} does not count. {why}")
    if status >= 500 or status == 429:
        raise Unreachable("failed", f"{peer} answered {status}. Try again later.")
    return signature


def _document(peer: Peer, answer: Answer) -> dict[str, Any]:
    if not answer.body or answer.headers.get("content-type") != signatures.JSON:
        return {}
    try:
        return documents.read(answer.body)
    except ValueError as bad:
        raise Unreachable("not_json", f"The answer of {peer} cannot be read: {bad}.") from bad


def _send(sent: Call, headers: Mapping[str, str], limit: int, seconds: float) -> tuple[Answer, float]:
    """Send a call, and return what came back and the time in the middle. Raises Unreachable."""
    place = urlsplit(sent.url).netloc
    always = {"Host": place, "User-Agent": "weir", "Accept": signatures.JSON, "Connection": "close"}
    begun = time.time()
    with _explained(place), transport.connected(sent.url, seconds, settings.NETWORK_CA) as connection:
        target = sent.url.partition(place)[2]
        connection.request(sent.method, target, sent.body or None, {**headers, **always, **sent.headers})
        with closing(connection.getresponse()) as response:
            body = response.read(limit + 1)
            status, found = response.status, _joined(response.getheaders())
    if len(body) > limit:
        raise Unreachable("too_large", f"The answer of {place} is longer than {limit:,} bytes.")
    if 300 <= status < 400 and status != NOT_MODIFIED:
        raise Unreachable("redirect", f"{place} answered with a redirect. Use the address that it leads to.")
    return Answer(status, body, sent, found), (begun + time.time()) / 2


def _joined(lines: list[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their names in small letters."""
    found: dict[str, str] = {}
    for name, value in lines:
        low = name.lower()
        found[low] = f"{found[low]}, {value}" if low in found else value
    return found


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """Turn what can happen to a connection into Unreachable."""
    try:
        yield
    except Unreachable:
        raise
    except Refused as bad:
        raise Unreachable("address", str(bad)) from bad
    except TimeoutError as bad:
        raise Unreachable("slow", f"{place} did not answer in time.") from bad
    except ssl.SSLError as bad:
        raise Unreachable(
            "certificate", f"The certificate of {place} was not accepted: {bad.reason or bad}."
        ) from bad
    except (OSError, http.client.HTTPException, ValueError) as bad:
        raise Unreachable("connection", f"{place} could not be reached ({type(bad).__name__}).") from bad
