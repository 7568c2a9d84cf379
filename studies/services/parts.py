"""One portal's part in a joint answer, as the portal that asks gets it: by a call, or from this portal's own leg."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import Http404

from common.errors import Refused
from network import calls
from network.documents import Fields
from network.models import Peer
from network.services.elsewhere import remote_id_of
from privacy.engine.measure.contributions import CAP
from studies import documents, plans
from studies.models import Part
from studies.services import legs
from studies.services.legs import Busy, Lost, Prepared, Sent

T = TypeVar("T")
ROOM = plans.MOST_BYTES * 4 // 3 + 10_000
"""Bytes of an answer: a vector in base64, and what is signed about it."""
SECONDS = 20.0
"""For an answer with a vector."""
LONGEST_WAIT = 3_600
NOT_READ = "It answered in a way that this portal does not read."


def prepare(part: Part) -> Prepared:
    """Have a portal reserve its price. Raises Unreachable; Refused with its words."""
    answer = part.answer
    if part.peer is None:
        return legs.prepare(None, answer.scientist, answer.plan)
    person = remote_id_of(answer.scientist, part.peer)
    document = _called(part.peer, "/net/1/joints", {"plan": answer.plan, "person": person}).document
    return _read(_prepared, document)


def collect(part: Part, cards: list[str]) -> Busy | Sent:
    """Ask a portal for its part. Raises Unreachable, Lost; Refused with its words."""
    answer = part.answer
    if part.peer is None:
        return _own(answer.plan_sha256, cards)
    path = f"/net/1/joints/{answer.plan_sha256}/collect"
    reply = _called(part.peer, path, {"cards": cards}, limit=ROOM, seconds=SECONDS)
    if reply.status == 202:
        return _read(_busy, reply.document)
    size = plans.read_plan(answer.plan).size
    return _read(lambda document: _sent(document, size), reply.document)


def end(part: Part) -> None:
    """Tell a portal that nothing follows. Raises Unreachable; Refused if it does not know the plan any more."""
    sha256 = part.answer.plan_sha256
    if part.peer is not None:
        _called(part.peer, f"/net/1/joints/{sha256}/end", {})
        return
    try:
        legs.end(None, sha256)
    except Http404 as unknown:
        raise Refused("Nothing was reserved here.") from unknown


def _own(sha256: str, cards: list[str]) -> Busy | Sent:
    try:
        return legs.collect(None, sha256, cards)
    except Http404 as unknown:
        raise Refused("This portal has lost its part: its database was restored.") from unknown


def _called(peer: Peer, path: str, document: dict[str, Any], **room: Any) -> calls.Reply:
    reply = calls.call(peer, "POST", path, document, **room)
    if reply.status in {200, 202}:
        return reply
    words = " ".join(str(reply.document.get("detail", "")).split())[:250] or NOT_READ
    if reply.document.get("code") == Lost.code:
        raise Lost(words)
    raise Refused(words)


def _read(kind: Callable[[dict[str, Any]], T], document: dict[str, Any]) -> T:
    try:
        return kind(document)
    except ValueError as bad:
        raise Refused(NOT_READ) from bad


def _prepared(document: dict[str, Any]) -> Prepared:
    fields = Fields(document, ("card", "units", "h"))
    card = fields.text("card", 1, plans.LONGEST_CARD)
    return Prepared(card, fields.number("units", 1, CAP), fields.number("h", 1, documents.MOST_PORTALS))


def _busy(document: dict[str, Any]) -> Busy:
    return Busy(Fields(document, ("retry_after",)).number("retry_after", 1, LONGEST_WAIT))


def _sent(document: dict[str, Any], size: int) -> Sent:
    fields = Fields(document, ("vector", "statement"))
    return Sent(fields.octets("vector", 8 * size), fields.text("statement", 1, plans.LONGEST_CARD))
