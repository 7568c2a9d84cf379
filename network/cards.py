"""Cards: what a portal says about itself, signed with its own key. Nothing here asks anybody or knows any time.

A card is canonical JSON: {"card": {...}, "key": id, "signature": base64}. The signature is by Ed25519 over the line
“weir/card/1” and the canonical card. The first card of a portal proves nothing: its admin and the other one compare the
fingerprint. A later card follows from what was pinned then (`follows`).
"""

import hashlib
import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from network import documents
from network.documents import Fields, encoded

FORM = 1
CARD_DAYS = 7
CARD_SECONDS = CARD_DAYS * 24 * 3600
KEY_OVERLAP = timedelta(hours=48)
"""How long a key still counts after another one has replaced it."""
MAX_CARD = 65_536
"""Characters of a card that is read."""
MAX_KEYS, MAX_VOUCHERS, MAX_WORDS = 8, 64, 16
MAX_LEAP = 1_000
"""How far the sequence may grow between two looks at a card of one epoch. In a new epoch it begins anywhere, so that
whoever stole a key and used up numbers does not keep the recovery key from being heard."""
KEY, SIGNATURE = 32, 64
"""Bytes of each."""
LAST_SECOND = 253_402_300_799
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = rf"(?P<host>{LABEL}(?:\.{LABEL}){{0,20}}|\[[0-9a-f:.]{{2,45}}\])"
PORT = r"(?P<port>[1-9][0-9]{0,4})"
ADDRESS = re.compile(rf"(?P<scheme>https?)://{HOST}(?::{PORT})?")
ENDPOINT = re.compile(rf"{HOST}:{PORT}")
USUAL_PORTS = {"http": "80", "https": "443"}
NAMES = (
    "v",
    "name",
    "url",
    "keys",
    "recovery",
    "epoch",
    "sequence",
    "expires",
    "protocols",
    "log",
    "wireguard",
    "roles",
    "vouchers",
)
WORD = re.compile(r"[a-z0-9][a-z0-9./-]{0,39}")


@dataclass(frozen=True, slots=True)
class CardKey:
    """A key that signs. `public`: 32 bytes of Ed25519; `since`, `until`: seconds since 1970, None: the present key."""

    public: bytes
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Voucher:
    """A signature (64 bytes) for a key, by the key before it, or by the recovery key, which begins the epoch."""

    public: bytes
    by: bytes
    signature: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class Card:
    """What a portal says about itself. `expires`: seconds since 1970; `recovery`: 32 bytes, the public recovery key."""

    name: str
    url: str
    keys: tuple[CardKey, ...]
    recovery: bytes
    epoch: int
    sequence: int
    expires: int
    protocols: tuple[str, ...]
    log_origin: str
    log_key: str
    wireguard_public: bytes | None
    wireguard_endpoint: str
    roles: tuple[str, ...]
    vouchers: tuple[Voucher, ...]

    @property
    def present_key(self) -> bytes:
        """The key that nothing has replaced."""
        return next(key.public for key in self.keys if key.until is None)


class Succession(StrEnum):
    """How a card follows from what is known."""

    SAME = "same"
    """It has the number that is known: nothing of it needs to be read."""
    NEWER = "newer"
    RECOVERED = "recovered"
    """Its keys were replaced with the recovery key."""


def key_id(public: bytes) -> str:
    """Return what names a key: the first 16 hex digits of its SHA-256. It finds a key, and proves nothing."""
    return hashlib.sha256(public).hexdigest()[:16]


def signed(card: Card, private: Ed25519PrivateKey) -> str:
    """Return the card as it is served. Raises ValueError for a card that nobody would read."""
    content = _content(card)
    document = {
        "card": content,
        "key": key_id(private.public_key().public_bytes_raw()),
        "signature": encoded(private.sign(_signable(content))),
    }
    text = documents.canonical(document).decode()
    read(text)
    return text


def read(text: str) -> Card:
    """Read a card that its present key signed. So whoever has compared the fingerprint knows all that it says.

    Raises ValueError with a sentence that says what is wrong. Whether it has expired is for the caller.
    """
    if len(text) > MAX_CARD:
        raise ValueError(f"This card is longer than {MAX_CARD:,} characters.")
    try:
        document = documents.read_canonical(text)
        return _read(document)
    except ValueError as bad:
        raise ValueError(f"This is not a portal's card: {bad}.") from bad


def fingerprint(card: Card) -> str:
    """Return what two admins compare: 32 hex digits in groups of four, of address, recovery key and present key."""
    content = f"weir/fingerprint/1\n{card.url}\n{card.recovery.hex()}\n{card.present_key.hex()}\n"
    digits = hashlib.sha256(content.encode()).hexdigest()[:32]
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def voucher_text(public: bytes, epoch: int, url: str) -> bytes:
    """Return what a voucher signs."""
    return f"weir/voucher/1\n{url}\n{epoch}\n{public.hex()}\n".encode()


def follows(new: Card, *, keys: Collection[bytes], recovery: bytes, epoch: int, sequence: int) -> Succession:
    """Return how a card follows from pinned keys, or raise ValueError with the reason why it does not.

    `keys` are those that count now; `epoch` and `sequence` are those of the last card. Each key of the new card has to
    be one of them, or vouched for by one of them through any number of steps; in a new epoch, by the recovery key. A
    caller that stores keys may end a pinned key earlier, and never later than it has stored before.
    """
    if new.recovery != recovery:
        raise ValueError(f"The card of {new.name} has another recovery key. It cannot change.")
    if (new.epoch, new.sequence) < (epoch, sequence):
        raise ValueError(f"The card of {new.name} is older than one that was here before.")
    if (new.epoch, new.sequence) == (epoch, sequence):
        return Succession.SAME
    least = sequence if new.epoch == epoch else 0  # whoever stole a key may have raised the number
    if not least < new.sequence <= sequence + MAX_LEAP:
        raise ValueError(
            f"The card of {new.name} has the number {new.sequence}, which does not follow {sequence}."
        )
    begin = keys if new.epoch == epoch else [recovery]
    known = _vouched_for(new, begin)
    if not {key.public for key in new.keys} <= known - {recovery}:
        raise ValueError(f"The card of {new.name} has a key that nobody vouches for.")
    return Succession.NEWER if new.epoch == epoch else Succession.RECOVERED


def _vouched_for(card: Card, begin: Collection[bytes]) -> set[bytes]:
    """Return the keys at the beginning and those that vouchers of the card's epoch lead to. Each step is verified."""
    known = set(begin)
    left = [each for each in card.vouchers if each.epoch == card.epoch]
    while usable := [each for each in left if each.by in known]:
        for each in usable:
            left.remove(each)
            if _is_signed(each.by, each.signature, voucher_text(each.public, each.epoch, card.url)):
                known.add(each.public)
    return known


def _read(document: dict[str, Any]) -> Card:
    outer = Fields(document, {"card", "key", "signature"})
    card = _card(Fields(outer.take("card", dict), NAMES))
    named = [key for key in card.keys if key_id(key.public) == outer.take("key", str)]
    if not named:
        raise ValueError("it is signed with a key that it does not name")
    signed_at = card.expires - CARD_SECONDS
    if named[0].until is not None or named[0].since > signed_at:
        raise ValueError("the key that signed it is not its present key, or was not at that time")
    if not _is_signed(named[0].public, outer.octets("signature", SIGNATURE), _signable(document["card"])):
        raise ValueError("its signature does not fit")
    return card


def _content(card: Card) -> dict[str, Any]:
    return {
        "v": FORM,
        "name": card.name,
        "url": card.url,
        "keys": [
            {
                "id": key_id(key.public),
                "ed25519": encoded(key.public),
                "since": key.since,
                "until": key.until,
            }
            for key in card.keys
        ],
        "recovery": encoded(card.recovery),
        "epoch": card.epoch,
        "sequence": card.sequence,
        "expires": card.expires,
        "protocols": list(card.protocols),
        "log": {"origin": card.log_origin, "vkey": card.log_key},
        "wireguard": {"public": encoded(card.wireguard_public), "endpoint": card.wireguard_endpoint}
        if card.wireguard_public
        else None,
        "roles": list(card.roles),
        "vouchers": [
            {
                "ed25519": encoded(each.public),
                "by": encoded(each.by),
                "signature": encoded(each.signature),
                "epoch": each.epoch,
            }
            for each in card.vouchers
        ],
    }


def _card(fields: Fields) -> Card:
    if fields.number("v", 0, 1_000) != FORM:
        raise ValueError("this portal does not know its form")
    keys = fields.many("keys", _key, 1, MAX_KEYS)
    if len({key.public for key in keys}) != len(keys) or [key.until for key in keys].count(None) != 1:
        raise ValueError("it has to have one present key, and each key once")
    log = Fields(fields.take("log", dict), {"origin", "vkey"})
    public, endpoint = _wireguard(fields.take("wireguard", dict | None))
    return Card(
        name=fields.text("name", 1, 100),
        url=_address(fields.text("url", 1, 200)),
        keys=keys,
        recovery=fields.octets("recovery", KEY),
        epoch=fields.number("epoch", 1, 2**31 - 1),
        sequence=fields.number("sequence", 1, documents.MOST),
        expires=fields.number("expires", CARD_SECONDS, LAST_SECOND),
        protocols=fields.many("protocols", _word, 1, MAX_WORDS),
        log_origin=log.text("origin", 0, 200),
        log_key=log.text("vkey", 0, 300),
        wireguard_public=public,
        wireguard_endpoint=endpoint,
        roles=fields.many("roles", _word, 0, MAX_WORDS),
        vouchers=fields.many("vouchers", _voucher, 0, MAX_VOUCHERS),
    )


def _key(value: Any) -> CardKey:
    fields = Fields(value, {"id", "ed25519", "since", "until"})
    public = fields.octets("ed25519", KEY)
    if fields.text("id", 16, 16) != key_id(public):
        raise ValueError("the id of a key does not fit")
    until = None if fields.take("until", int | None) is None else fields.number("until", 0, LAST_SECOND)
    return CardKey(public, fields.number("since", 0, LAST_SECOND), until)


def _voucher(value: Any) -> Voucher:
    fields = Fields(value, {"ed25519", "by", "signature", "epoch"})
    return Voucher(
        fields.octets("ed25519", KEY),
        fields.octets("by", KEY),
        fields.octets("signature", SIGNATURE),
        fields.number("epoch", 1, 2**31 - 1),
    )


def _wireguard(value: Any) -> tuple[bytes | None, str]:
    if value is None:
        return None, ""
    fields = Fields(value, {"public", "endpoint"})
    endpoint = fields.text("endpoint", 0, 200)
    found = ENDPOINT.fullmatch(endpoint)
    if endpoint and not (found and _is_place(found)):
        raise ValueError("its endpoint is not a host and a port")
    return fields.octets("public", KEY), endpoint


def _address(url: str) -> str:
    if not is_address(url):
        raise ValueError(
            "its address is not a scheme and a host in lower case, with a port if it is not the usual one"
        )
    return url


def is_address(url: str) -> bool:
    """Return whether this is the canonical address of a portal, such as https://weir.example.org."""
    found = ADDRESS.fullmatch(url)
    return found is not None and found["port"] != USUAL_PORTS[found["scheme"]] and _is_place(found)


def _is_place(found: re.Match[str]) -> bool:
    """Return whether the port is one, and the host a name or an IP address in its usual form."""
    host, port = found["host"], found["port"]
    if port and int(port) > 65_535:
        return False
    if host.startswith("["):
        return _is_written_so(host[1:-1], ipaddress.IPv6Address)
    ends_as_a_number = re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2])
    return not ends_as_a_number or _is_written_so(host, ipaddress.IPv4Address)


def _is_written_so(text: str, kind: Callable[[str], object]) -> bool:
    try:
        return str(kind(text)) == text
    except ValueError:
        return False


def _word(value: Any) -> str:
    if not isinstance(value, str) or not WORD.fullmatch(value):
        raise ValueError("a protocol or a role is not a word")
    return value


def _signable(content: Mapping[str, Any]) -> bytes:
    return b"weir/card/1\n" + documents.canonical(content)


def _is_signed(public: bytes, signature: bytes, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True
