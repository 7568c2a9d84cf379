"""Calls of the portal that asks a joint question: reserve, send, give back. Every call is signed."""

from typing import Any

from django.http import HttpResponse

from common.errors import Refused
from network import documents
from network.documents import Fields
from network.incoming import PeerRequest, reply, signed_call
from network.services import guests
from studies import plans
from studies.documents import FEWEST_PORTALS, MOST_PORTALS
from studies.services import legs
from studies.services.legs import Busy, Sent

LONGEST_PLAN = 200_000
LONGEST_PERSON = 200


@signed_call("POST")
def prepare(request: PeerRequest) -> HttpResponse:
    """Check a plan, reserve its price, and answer with this portal's key card."""
    fields = _fields(request.document, ("plan", "person"))
    text, person = _text(fields, "plan", LONGEST_PLAN), _text(fields, "person", LONGEST_PERSON)
    found = legs.prepare(request.peer, guests.find(request.peer, person), text)
    return reply({"card": found.card, "units": found.units, "h": found.h})


@signed_call("POST")
def collect(request: PeerRequest, sha256: str) -> HttpResponse:
    """Answer with the masked vector, or when to ask again."""
    cards = _cards(_fields(request.document, ("cards",)))
    match legs.collect(request.peer, sha256, cards):
        case Busy(retry_after):
            return reply({"retry_after": retry_after}, 202)
        case Sent(vector, statement):
            return reply({"vector": documents.encoded(vector), "statement": statement})


@signed_call("POST")
def end(request: PeerRequest, sha256: str) -> HttpResponse:
    """Give the price back, if the part was not asked for yet."""
    _fields(request.document, ())
    legs.end(request.peer, sha256)
    return reply({})


def _fields(document: dict[str, Any], names: tuple[str, ...]) -> Fields:
    try:
        return Fields(document, names)
    except ValueError as bad:
        raise Refused(f"The call cannot be read: {bad}.") from bad


def _text(fields: Fields, name: str, longest: int) -> str:
    try:
        return fields.text(name, 1, longest)
    except ValueError as bad:
        raise Refused(f"The call cannot be read: {bad}.") from bad


def _cards(fields: Fields) -> list[str]:
    try:
        return list(fields.many("cards", _card, FEWEST_PORTALS, MOST_PORTALS))
    except ValueError as bad:
        raise Refused(f"The call cannot be read: {bad}.") from bad


def _card(value: Any) -> str:
    if not isinstance(value, str) or len(value) > plans.LONGEST_CARD:
        raise ValueError("a card is not a text, or too long")
    return value
