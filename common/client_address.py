"""Who is at the other end of the wire: the one place that reads X-Forwarded-For."""

import ipaddress
from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NOWHERE = "0.0.0.0"  # noqa: S104 -- the unspecified address: the connection came by a Unix socket
MOST_HOPS = 20


def client_address(request: HttpRequest) -> str:
    """Where a request that Django works on comes from."""
    return address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of(peer: str, written: str) -> str:
    """The nearest address on the way to the client that is not one of our own proxies (WEIR_PROXIES).

    Each proxy appends the address it was called from, so the header (`written`) is read from its end, and only as far
    as those who wrote it are ours. What a client puts into it stands further left and is never reached.
    """
    at = parse(peer)
    if at is None:
        return NOWHERE
    for entry in reversed(written.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        if not _is_ours(at, settings.PROXIES):
            break
        before = parse(entry)
        if before is None:
            break  # nobody can tell who called this proxy: the tries count as its own
        at = before
    return str(at)


def parse(text: str) -> Address | None:
    """An address, with or without its port and brackets; IPv4 within IPv6 as IPv4."""
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
