"""What portals agree on for one joint question, as canonical JSON: its plan, their key cards, and what they sign. Pure.

The SHA-256 of the plan is in every card and every statement, and the cards of all are in the masks. So whoever was
shown another plan, or other cards, sends a vector whose masks do not cancel.
"""

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto import masks
from network.documents import Fields, canonical, encoded, read_canonical
from privacy.engine.language import wire
from privacy.engine.language.query import MAX_CELLS, Query
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure.mechanisms import MAX_SIGMA, MIN_SIGMA
from studies import documents

MOST_SECONDS = 7 * 24 * 3600
"""From now to the expiry of a plan."""
MOST_BYTES = 8_000_000
"""Of a vector."""
LONGEST_CARD = 2_000
ROUND = 1
NO_INPUT = hashlib.sha256(b"").digest()
"""A question gives its one round nothing that the plan does not hold."""
HEX = re.compile(r"[0-9a-f]{64}")
KEY_ID = re.compile(r"[0-9a-f]{16}")
PLAN = (
    "v", "kind", "joint", "study", "study_sha256", "query", "clip", "cells", "width", "share", "rounds", "portals",
    "coordinator", "expires",
)  # fmt: skip
CARD_FIELDS = ("v", "plan_sha256", "place", "portals", "public")
CARD, STATEMENT = ("card", "key", "signature"), ("vector", "key", "signature")

Vector = npt.NDArray[np.uint64]
Keys = Callable[[str, str], bytes | None]
"""(address of a portal, id of a key) -> the public key, if it is pinned and counts."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A portal of a plan, and the id of the identity key that signs its card."""

    url: str
    key: str

    @property
    def name(self) -> str:
        return f"{self.url}#{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One joint question. `clip`, `cells` and `width` follow from the query; each portal compares them with its own.

    `share`: the standard deviation of the noise that each portal adds, in units. `expires`: seconds since 1970.
    """

    joint: UUID
    study: UUID
    study_sha256: str
    query: Query
    clip: str
    cells: int
    width: int
    share: int
    portals: tuple[Seat, ...]
    coordinator: str
    expires: int

    @property
    def text(self) -> str:
        """The canonical JSON, which is the same at all portals."""
        return canonical(
            {
                "v": 1,
                "kind": "query",
                "joint": str(self.joint),
                "study": str(self.study),
                "study_sha256": self.study_sha256,
                "query": wire.canonical(self.query),
                "clip": self.clip,
                "cells": self.cells,
                "width": self.width,
                "share": self.share,
                "rounds": 1,
                "portals": [{"url": seat.url, "key": seat.key} for seat in self.portals],
                "coordinator": self.coordinator,
                "expires": self.expires,
            }
        ).decode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def size(self) -> int:
        """How many numbers each vector has."""
        return self.cells * self.width

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(seat.url for seat in self.portals)

    def place_of(self, url: str) -> int:
        """Return the place of a portal, from 0. Raises ValueError if it is not in the plan."""
        if url not in self.urls:
            raise ValueError(f"{url} is not in this plan.")
        return self.urls.index(url)


@dataclass(frozen=True, slots=True)
class Card:
    """A key card that its portal has signed: the public half of the key of its masks, for one plan."""

    place: int
    public: bytes
    text: str


def write_plan(plan: Plan) -> str:
    """Return the text of a plan. Raises ValueError for what `read_plan` would not read."""
    read_plan(plan.text)
    return plan.text


def read_plan(text: str) -> Plan:
    """Read the canonical text of a plan. Raises ValueError, which says in a sentence what is wrong with it."""
    try:
        return _plan(text)
    except (ValueError, QueryRefused) as bad:
        raise ValueError(f"The plan cannot be read: {str(bad).rstrip('.')}.") from bad


def _plan(text: str) -> Plan:
    fields = Fields(read_canonical(text), PLAN)
    fields.number("v", 1, 1)
    fields.number("rounds", 1, 1)
    if fields.take("kind", str) != "query":
        raise ValueError("it is not about a question")
    seats = fields.many("portals", _seat, documents.FEWEST_PORTALS, documents.MOST_PORTALS)
    urls = [seat.url for seat in seats]
    if urls != sorted(set(urls)):
        raise ValueError("its portals are not in order, or one is there twice")
    query_text = fields.take("query", str)
    query = wire.decode_text(query_text)
    if wire.canonical(query) != query_text:
        raise ValueError("its question is not written in the canonical form")
    cells, width = fields.number("cells", 1, MAX_CELLS), fields.number("width", 1, MOST_BYTES // 8)
    if cells * width * 8 > MOST_BYTES:
        raise ValueError(f"its vectors would have more than {MOST_BYTES:,} bytes")
    return Plan(
        joint=documents.id_of(fields.take("joint", str)),
        study=documents.id_of(fields.take("study", str)),
        study_sha256=_hash(fields.take("study_sha256", str)),
        query=query,
        clip=_clip(fields.take("clip", str)),
        cells=cells,
        width=width,
        share=fields.number("share", MIN_SIGMA, MAX_SIGMA),
        portals=seats,
        coordinator=documents.address_of(fields.take("coordinator", str)),
        expires=fields.number("expires", 0, 2**40),
    )


def write_card(
    plan_sha256: str, place: int, portals: int, public: bytes, signer: tuple[str, Ed25519PrivateKey]
) -> str:
    """Return a signed card. `signer`: the name of an identity key, and the key. Raises ValueError."""
    text = masks.card_text(plan_sha256=plan_sha256, place=place, portals=portals, public=public)
    card = {"v": 1, "plan_sha256": plan_sha256, "place": place, "portals": portals, "public": encoded(public)}
    key, private = signer
    return canonical({"card": card, "key": key, "signature": encoded(private.sign(text))}).decode()


def read_card(text: str, plan: Plan, place: int, keys: Keys) -> Card:
    """Read the card of the portal at a place of a plan. Raises ValueError if the key in the plan has not signed it."""
    try:
        return _card(text, plan, place, keys)
    except ValueError as bad:
        url = plan.portals[place].url
        raise ValueError(f"The card of {url} does not count: {str(bad).rstrip('.')}.") from bad


def read_cards(texts: Sequence[str], plan: Plan, keys: Keys) -> list[Card]:
    """Read the cards of all portals of a plan, by place. Raises ValueError also if two have one key."""
    if len(texts) != len(plan.portals):
        raise ValueError(f"The plan has {len(plan.portals)} portals, and {len(texts)} cards are here.")
    found = [read_card(text, plan, place, keys) for place, text in enumerate(texts)]
    if len({card.public for card in found}) < len(found):
        raise ValueError("Two cards have the same key.")
    return found


def public_in(text: str) -> bytes:
    """Return the public key in a card that was read and stored. Raises ValueError for another text."""
    return Fields(read_canonical(text)["card"], CARD_FIELDS).octets("public", masks.KEY)


def transcript_of(texts: Sequence[str]) -> bytes:
    """Return the hash of all signed cards in the order of their places, 32 bytes."""
    return masks.transcript([text.encode() for text in texts])


def write_statement(
    plan: Plan, place: int, transcript: str, vector: bytes, signer: tuple[str, Ed25519PrivateKey]
) -> str:
    """Return what a portal signs about the masked vector that it sends. `transcript`: 64 hex digits."""
    said = _said(plan, place, transcript, vector)
    key, private = signer
    return canonical(
        {"vector": said, "key": key, "signature": encoded(private.sign(_statement_text(said)))}
    ).decode()


def read_statement(text: str, plan: Plan, place: int, transcript: str, vector: bytes, keys: Keys) -> None:
    """Check that the portal at a place has signed this vector for these cards. Raises ValueError."""
    url = plan.portals[place].url
    try:
        _check_statement(text, url, _said(plan, place, transcript, vector), keys)
    except ValueError as bad:
        raise ValueError(f"What {url} has signed does not count: {str(bad).rstrip('.')}.") from bad


def packed(vector: Vector) -> bytes:
    """Return a vector as it is stored and sent: 64-bit numbers, little endian."""
    return vector.astype("<u8").tobytes()


def unpacked(data: bytes, size: int) -> Vector:
    """Return the vector of these bytes. Shape (size,). Raises ValueError for another length."""
    if len(data) != 8 * size:
        raise ValueError(f"A vector of this plan has {8 * size:,} bytes, not {len(data):,}.")
    return np.frombuffer(data, dtype="<u8").astype(np.uint64)


def _card(text: str, plan: Plan, place: int, keys: Keys) -> Card:
    whose, portals = plan.portals[place], len(plan.portals)
    fields = Fields(_short(text), CARD)
    inner = Fields(fields.take("card", dict), CARD_FIELDS)
    inner.number("v", 1, 1)
    inner.number("place", place, place)
    inner.number("portals", portals, portals)
    if inner.take("plan_sha256", str) != plan.sha256 or fields.take("key", str) != whose.name:
        raise ValueError("it is of another plan or key")
    public = inner.octets("public", masks.KEY)
    signed = masks.card_text(plan_sha256=plan.sha256, place=place, portals=portals, public=public)
    _verify(whose.name, keys(whose.url, whose.key), fields.octets("signature", 64), signed)
    return Card(place, public, text)


def _check_statement(text: str, url: str, expected: dict[str, Any], keys: Keys) -> None:
    fields = Fields(_short(text), STATEMENT)
    if fields.take("vector", dict) != expected:
        raise ValueError("it is about another vector, plan or list of cards")
    owner, _, key_id = fields.take("key", str).partition("#")
    public = keys(url, key_id) if owner == url else None
    _verify(f"{url}#{key_id}", public, fields.octets("signature", 64), _statement_text(expected))


def _short(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_CARD:
        raise ValueError(f"it has more than {LONGEST_CARD:,} characters")
    return read_canonical(text)


def _said(plan: Plan, place: int, transcript: str, vector: bytes) -> dict[str, Any]:
    return {
        "v": 1,
        "plan_sha256": plan.sha256,
        "place": place,
        "round": ROUND,
        "transcript": transcript,
        "vector_sha256": hashlib.sha256(vector).hexdigest(),
    }


def _statement_text(said: dict[str, Any]) -> bytes:
    return b"weir/mask-vector/1\n" + canonical(said)


def _verify(name: str, public: bytes | None, signature: bytes, text: bytes) -> None:
    if public is None:
        raise ValueError(f"the key {name} is not known here, or does not count any more")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature as bad:
        raise ValueError("its signature is wrong") from bad


def _seat(value: Any) -> Seat:
    fields = Fields(value, ("url", "key"))
    key = fields.take("key", str)
    if not KEY_ID.fullmatch(key):
        raise ValueError("a portal has no id of a key")
    return Seat(documents.address_of(fields.take("url", str)), key)


def _hash(text: str) -> str:
    if not HEX.fullmatch(text):
        raise ValueError("a hash is not written as 64 hex digits in small letters")
    return text


def _clip(text: str) -> str:
    try:
        value = float.fromhex(text)
    except (ValueError, OverflowError) as bad:
        raise ValueError("its clip is not a number in hex digits") from bad
    if not (math.isfinite(value) and value > 0) or value.hex() != text:
        raise ValueError("its clip is not a positive number in its one spelling")
    return text
