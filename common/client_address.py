"""The client's IP address: the one place that reads X-Forwarded-For."""

import ipaddress
from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NOWHERE = "0.0.0.0"  # noqa: S104 -- the unspecified address: the connection came by a Unix socket
MOST_HOPS = 20
PREFIX = 64
"""A subscriber has at least all IPv6 addresses with the same first 64 bits."""


def client_address(request: HttpRequest) -> str:
    """Return the IP address that a Django request comes from."""
    return address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of(peer: str, written: str) -> str:
    """Return the nearest address on the way to the client that is not one of our own proxies (WEIR_PROXIES).

    Each proxy appends the address it was called from, so the header (`written`) is read from its end, and only as long
    as our own proxies wrote it. What a client puts into it is further left and is never reached.
    """
    at = parse(peer)
    if at is None:
        return NOWHERE
    for entry in reversed(written.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        if not _is_ours(at, settings.PROXIES):
            break
        before = parse(entry)
        if before is None:
            break  # unknown who called this proxy: its requests count as its own
        at = before
    return str(at)


def network_of(address: str) -> str:
    """Return by what strangers are counted: an IPv4 address, or the network (/64) of an IPv6 address."""
    at = parse(address)
    if isinstance(at, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(at), PREFIX), strict=False))
    return NOWHERE if at is None else str(at)


def parse(text: str) -> Address | None:
    """Parse an address with or without port and brackets, IPv4 within IPv6 as IPv4. None if it is not an address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_ours(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
