"""Signing in: with a token that is given or kept, otherwise by a code that the person types in the portal."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from weir.errors import ClientTooOld, NotOffered, NotSignedIn, WeirError
from weir.portal import Portal
from weir.tokens import Store, known_portals, token_for
from weir.transport import Transport, origin_of
from weir.version import VERSION

SCOPES = ("read", "ask", "work")
MOST_POLLS = 1000


def login(
    address: str | None = None,
    token: str | None = None,
    *,
    scopes: Sequence[str] = SCOPES,
    quiet: bool = False,
    say: Callable[[str], object] | None = None,
) -> Portal:
    """Sign in to a portal and return it.

    The address is the one that is given, that of WEIR_PORTAL, or the only one that a token is kept for. The token is
    the one that is given, that of WEIR_TOKEN (for WEIR_PORTAL alone), or the one that was kept. Without any, you are
    shown a code to type in the portal, which works without a browser here, and the token is kept.
    """
    origin = origin_of(address or _only_portal())
    show = say or (lambda text: sys.stderr.write(f"{text}\n"))
    known = token or token_for(origin)
    if known is None:
        known = signed_in(origin, scopes, show)
        show(f"Signed in. The token is kept in {Store().write(origin, known)}.")
    transport = Transport(origin, known)
    try:
        check_version(transport.get(""))
        return Portal(transport, transport.get("me/"), quiet=quiet)
    except WeirError:
        transport.close()
        raise


def _only_portal() -> str:
    known = known_portals()
    if len(known) == 1:
        return known[0]
    if known:
        raise NotOffered(
            f"You are signed in to several portals. Name one: weir.login({known[0]!r}). Or set WEIR_PORTAL."
        )
    raise NotOffered('Which portal? Name it: weir.login("https://portal.example").')


def logout(address: str) -> bool:
    """Forget the kept token of a portal. It stays valid until you revoke it there. Returns whether there was one."""
    return Store().remove(origin_of(address))


def check_version(portal: Any) -> None:
    """Raise ClientTooOld if the portal wants a newer client."""
    minimum = str(portal.get("client", {}).get("minimum", "0"))
    if _numbers(VERSION) < _numbers(minimum):
        raise ClientTooOld(
            f"This portal needs version {minimum} of the client or newer; this is {VERSION}. Install it again."
        )


def signed_in(
    origin: str,
    scopes: Sequence[str],
    say: Callable[[str], object],
    sleep: Callable[[float], None] | None = None,
) -> str:
    """Show a code, wait until the person has typed it in the portal, and return the token."""
    transport = Transport(origin)
    name = f"Python on {socket.gethostname()}"[:60]
    try:
        begun = transport.post("device/", {"client": name, "scopes": list(scopes)}).content
        say(
            f"Open {begun['verification_uri']} and type the code {begun['user_code']}. "
            f"The portal will show that “{name}” asks. The code expires in {int(begun['expires_in']) // 60} minutes."
        )
        return _polled(transport, begun, sleep or time.sleep)
    finally:
        transport.close()


def _polled(transport: Transport, begun: Any, sleep: Callable[[float], None]) -> str:
    pause, left = float(begun["interval"]), float(begun["expires_in"])
    for _ in range(MOST_POLLS):
        sleep(pause)
        left -= pause
        try:
            return str(
                transport.post("device/token/", {"device_code": begun["device_code"]}).content["access_token"]
            )
        except WeirError as refused:
            if refused.code not in {"authorization_pending", "slow_down"}:
                raise
            pause += 5.0 if refused.code == "slow_down" else 0.0
        if left <= 0:
            break
    raise NotSignedIn("The code has expired before it was typed. Sign in again: weir.login(address).")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())
