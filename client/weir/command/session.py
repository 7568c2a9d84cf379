"""Signing in and out, and what waits for a person."""

from __future__ import annotations

import sys
from typing import Any

from weir import signin
from weir.command.printed import Printed, UsageError, facts, table
from weir.errors import NotSignedIn
from weir.portal import Portal
from weir.tokens import Store, known_portals
from weir.transport import origin_of

LONGEST_TOKEN = 200


def portal_of(options: Any) -> Portal:
    """Return the portal that the command is about."""
    return signin.login(address_of(options.portal), quiet=options.quiet)


def address_of(given: str | None) -> str:
    """Return the address that was given, that of the environment, or the only one that a token is kept for."""
    known = [given] if given else known_portals()
    if len(known) == 1:
        return known[0]
    if known:
        raise UsageError(
            f"You are signed in to several portals. Name one: --portal {known[0]}. Or set WEIR_PORTAL."
        )
    raise UsageError("Which portal? Sign in first: weir login https://portal.example.")


def login(options: Any) -> Printed:
    """Sign in, and keep the token."""
    origin = origin_of(address_of(options.url or options.portal))
    if options.token_stdin:
        token = sys.stdin.read(LONGEST_TOKEN).strip()
        portal = signin.login(origin, token, quiet=True)
        where = Store().write(origin, token)
        return _signed_in(portal, f"The token is kept in {where}.")
    if options.device:
        Store().remove(origin)
    try:
        portal = signin.login(origin, quiet=options.quiet)
    except NotSignedIn:
        if not Store().remove(origin):
            raise
        portal = signin.login(origin, quiet=options.quiet)
    return _signed_in(portal, "")


def _signed_in(portal: Portal, more: str) -> Printed:
    with portal:
        return Printed(
            portal.me, f"Signed in to {portal.transport.origin} as {portal.me['name']}. {more}".strip()
        )


def logout(options: Any) -> Printed:
    """Forget a token."""
    origin = origin_of(address_of(options.url or options.portal))
    was_there = signin.logout(origin)
    words = f"The token for {origin} is forgotten. It is valid until you revoke it there."
    return Printed(
        {"portal": origin, "forgotten": was_there}, words if was_there else f"There is no token for {origin}."
    )


def whoami(options: Any) -> Printed:
    """Say who one is."""
    with portal_of(options) as portal:
        me = portal.me
        pairs = [(name, me.get(name)) for name in ("name", "email", "affiliation")]
        lists = [(name, ", ".join(me.get(name) or [])) for name in ("roles", "scopes")]
        return Printed(me, facts([("portal", portal.transport.origin), *pairs, *lists]))


def inbox(options: Any) -> Printed:
    """List what waits."""
    with portal_of(options) as portal:
        items = [each.details for each in portal.inbox]
        shown = ("kind", "title", "dataset", "who", "since")
        text = table(shown, ([each[name] for name in shown] for each in items))
        return Printed(items, text if items else "Nothing waits for you.")
