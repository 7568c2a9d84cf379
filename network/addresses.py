"""Addresses of other portals: how they are written, and which IP addresses may be connected to."""

import ipaddress
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from urllib.parse import urlsplit

from django.conf import settings

from common.errors import Refused
from network import cards

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
LEADING_ELSEWHERE = [
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10", "::/96")
]
"""IPv6 networks that count as public and lead to IPv4 addresses, or into a site."""
AT_ONCE = 32
"""Names that are looked up at a time. One whose resolver does not answer takes a place until the system gives up."""
LOOKING_UP = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look-up")
LOOK_UP_SECONDS = 5.0
EXAMPLE = "Write it as https://weir.example.org."


def exact(typed: str) -> str:
    """Return the canonical address of a portal, such as https://weir.example.org, from what somebody typed.

    Raises Refused for what is no address of a portal, and for http outside private networks and the demo.
    """
    url = _canonical(typed.strip())
    if not cards.is_address(url) or len(url) > 200:
        raise Refused(f"This is not the address of a portal. {EXAMPLE}")
    if url.startswith("http:") and not _may_be_plain(urlsplit(url).hostname or ""):
        raise Refused("Other portals are called over https:// only. Begin the address with https://.")
    return url


def resolve(url: str, *, seconds: float = LOOK_UP_SECONDS) -> str:
    """Return the one IP address to connect to for a canonical address.

    Raises Refused if the name is unknown, or if any of its addresses is neither public nor in WEIR_NETWORK_PRIVATE.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    found = [ipaddress.ip_address(text) for text in _looked_up(host, seconds)]
    for each in found:
        if not _may_be_called(each):
            raise Refused(
                f"{host} has the address {each}, which is not public. If this portal may call it, its host has to add "
                "the network to WEIR_NETWORK_PRIVATE."
            )
    return str(found[0])


def _canonical(typed: str) -> str:
    try:
        parts = urlsplit(typed if "://" in typed else f"https://{typed}")
        port = parts.port
        host = (
            ipaddress.ip_address(parts.hostname or "").compressed
            if _is_literal(parts.netloc)
            else parts.hostname
        )
    except ValueError:
        return ""
    if (
        parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or typed.endswith(("?", "#"))
    ):
        return ""
    shown = f"[{host}]" if ":" in (host or "") else host
    usual = port is None or str(port) == cards.USUAL_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{shown}" if usual else f"{parts.scheme}://{shown}:{port}"


def _is_literal(netloc: str) -> bool:
    return netloc.startswith("[")


def _may_be_plain(host: str) -> bool:
    if settings.DEMO and host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _private())


def _may_be_called(address: Address) -> bool:
    return _is_public(address) or any(address in network for network in _private())


def _private() -> Iterator[Network]:
    yield from settings.NETWORK_PRIVATE
    if settings.DEMO:
        yield from LOOPBACK


def _is_public(address: Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special and not any(address in network for network in LEADING_ELSEWHERE)


def _looked_up(host: str, seconds: float) -> list[str]:
    """Return all addresses of a host, within so many seconds: the resolver itself has no limit."""
    looking = LOOKING_UP.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    try:
        found = looking.result(seconds)
    except TooSlow:
        looking.cancel()
        raise Refused(f"The address of {host} could not be looked up in time. Try again later.") from None
    except (OSError, UnicodeError):
        raise Refused(f"There is no address for {host}. Check how it is written.") from None
    return [_plain(str(each[4][0])) for each in found]


def _plain(text: str) -> str:
    """Return an address without its zone, and IPv4 within IPv6 as IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)
