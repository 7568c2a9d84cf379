"""Cards for tests, with keys that are the same each time."""

import hashlib
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from network import cards
from network.cards import Card, CardKey, Voucher

NOON = 1_800_000_000
URL = "https://b.example.org"


def private_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public_key(name: str) -> bytes:
    return private_key(name).public_key().public_bytes_raw()


def voucher(name: str, *, by: str, epoch: int = 1, url: str = URL) -> Voucher:
    signature = private_key(by).sign(cards.voucher_text(public_key(name), epoch, url))
    return Voucher(public_key(name), public_key(by), signature, epoch)


def card(*names: str, **changes: Any) -> Card:
    """A card whose last key is the present one."""
    *earlier, present = names or ("first",)
    whole = Card(
        name="Hospital B",
        url=URL,
        keys=(
            CardKey(public_key(present), NOON - 1000, None),
            *(CardKey(public_key(name), NOON - 5000, NOON + 1000) for name in earlier),
        ),
        recovery=public_key("recovery"),
        epoch=1,
        sequence=7,
        expires=NOON + cards.CARD_SECONDS,
        protocols=("weir-net/1",),
        log_origin="b.example.org/log/1",
        log_key="",
        wireguard_public=None,
        wireguard_endpoint="",
        roles=(),
        vouchers=(),
    )
    return replace(whole, **changes)
