"""WireGuard between portals: addresses that follow from keys, and configuration in which nothing of a card is text.

A portal's address in the tunnel is `PREFIX` followed by the first 80 bits of the SHA-256 of its public key. So nobody
hands out addresses, and an address belongs to one key. Cards come from other portals: their keys are written again
from 32 bytes, their endpoints from a host and a port, so that no card can add a line to a file that root reads.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

PREFIX = IPv6Network("fd77:6569:7200::/48")
KEY = 32
"""Bytes of a key of X25519."""
KEEPALIVE = 25
"""Seconds. Shorter than routers and firewalls keep the way back open."""
HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
PATH = re.compile(r"/[A-Za-z0-9._/-]{1,200}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a portal's WireGuard listens. The text of it is what WireGuard reads."""

    host: str | IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if isinstance(self.host, IPv6Address) else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Member:
    """A portal in the tunnel. `endpoint`: None if only the other side can open the connection."""

    public: bytes
    endpoint: Endpoint | None

    @property
    def address(self) -> IPv6Address:
        return address(self.public)


def key(text: str) -> bytes:
    """Return the 32 bytes of a public key in base64, as WireGuard writes it. Raises ValueError."""
    try:
        public = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        public = b""
    if len(public) != KEY or encoded(public) != text:
        raise ValueError("This is not a public key of WireGuard: 44 characters, as `wg pubkey` prints them.")
    return public


def encoded(public: bytes) -> str:
    """Write a key as WireGuard does."""
    return base64.b64encode(public).decode("ascii")


def address(public: bytes) -> IPv6Address:
    """Return the address in the tunnel that belongs to a public key."""
    return IPv6Address(PREFIX.network_address.packed[:6] + hashlib.sha256(public).digest()[:10])


def endpoint(text: str) -> Endpoint:
    """Read “host:port”. The host is a name in lower case, an IPv4 address, or an IPv6 address in brackets.

    Raises ValueError.
    """
    wrong = ValueError("This is not the address of a WireGuard server, such as vpn.example.org:51820.")
    host, _, digits = text.rpartition(":")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", digits) or int(digits) > 65_535:
        raise wrong
    in_brackets = re.fullmatch(r"\[([0-9a-fA-F:.]+)\]", host)
    try:
        if in_brackets:
            return Endpoint(IPv6Address(in_brackets[1]), int(digits))
        if host[-1:].isdigit():  # no name ends with a digit: the last label of a name is a word
            return Endpoint(IPv4Address(host), int(digits))
    except ValueError:
        raise wrong from None
    if not HOST.fullmatch(host):
        raise wrong
    return Endpoint(host, int(digits))


def distinct(own: bytes | None, members: Iterable[Member]) -> tuple[list[Member], list[Member]]:
    """Return (members, left out): a key that two portals or this one claim belongs to none of the others."""
    every = list(members)
    counts: dict[bytes, int] = {}
    for each in every:
        counts[each.public] = counts.get(each.public, 0) + 1
    good = [each for each in every if counts[each.public] == 1 and each.public != own]
    return sorted(good, key=lambda each: each.address), [each for each in every if each not in good]


def peers_file(members: Sequence[Member]) -> str:
    """Return the part of the configuration that changes when portals come and go: a section for each member."""
    return "\n".join(
        "[Peer]\n"
        f"PublicKey = {encoded(each.public)}\n"
        f"AllowedIPs = {each.address}/128\n"
        + (f"Endpoint = {each.endpoint}\n" if each.endpoint else "")
        + f"PersistentKeepalive = {KEEPALIVE}\n"
        for each in members
    )


def quick_file(own: bytes, port: int, key_file: str, members: Sequence[Member]) -> str:
    """Return a whole file for `wg-quick`. The private key stays in a file that only root reads.

    The interface gets the whole range as its network, so members that come later need no routes of their own.
    Raises ValueError for a path of the key file that a shell would read otherwise.
    """
    if not PATH.fullmatch(key_file):
        raise ValueError("The path of the key file may have letters, digits, and ._/- only.")
    interface = (
        "[Interface]\n"
        f"Address = {address(own)}/{PREFIX.prefixlen}\n"
        f"ListenPort = {port}\n"
        f"PostUp = wg set %i private-key {key_file}\n"
    )
    return f"{interface}\n{peers_file(members)}" if members else interface
