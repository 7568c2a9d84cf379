"""Where access tokens are kept: in the system's keyring if it works, otherwise in a file that only you can read.

A token is kept for the origin that it was made for, and never sent anywhere else. `WEIR_TOKEN`, for `WEIR_PORTAL`
alone, is looked at before anything else.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

from weir.errors import NotSignedIn, WeirError
from weir.private_files import folder, save
from weir.transport import origin_of

SERVICE = "weir"
PROBE_SECONDS = 5.0
"""Without a desktop some keyrings wait for ever."""


def token_for(origin: str) -> str | None:
    """Return the token for a portal: that of the environment, otherwise the one that is kept, otherwise None."""
    portal, token = os.environ.get("WEIR_PORTAL", ""), os.environ.get("WEIR_TOKEN", "").strip()
    if token and portal and origin_of(portal) == origin:
        return token
    return Store().read(origin)


def known_portals() -> list[str]:
    """Return the portals that can be meant without naming one: that of the environment, or those with a kept token."""
    given = os.environ.get("WEIR_PORTAL", "").strip()
    return [given] if given else Store().origins()


class Store:
    """The kept tokens, by origin."""

    def __init__(self, path: Path | None = None, keyring: Any = None) -> None:
        self.path = path or folder() / "tokens.json"
        self._keyring = keyring

    def origins(self) -> list[str]:
        """Return the portals that a token is kept for."""
        return sorted(self._entries())

    def read(self, origin: str) -> str | None:
        """Return the token of a portal, or None."""
        entry = self._entries().get(origin)
        if not isinstance(entry, dict):
            return None
        if entry.get("kept") != "keyring":
            return str(entry["token"]) if entry.get("token") else None
        ring = self._ring()
        found = _within(PROBE_SECONDS, lambda: ring.get_password(SERVICE, origin)) if ring else None
        if found is None:
            raise NotSignedIn(
                f"The keyring does not give the token for {origin}. Unlock it, or sign in again: weir login."
            )
        return str(found)

    def write(self, origin: str, token: str) -> str:
        """Keep a token, and return where it is kept, as words."""
        if self._keep_in_ring(origin, token):
            save(self.path, {**self._entries(), origin: {"kept": "keyring"}})
            return "the keyring of this system"
        save(self.path, {**self._entries(), origin: {"kept": "file", "token": token}})
        return f"{self.path}, which only you can read"

    def remove(self, origin: str) -> bool:
        """Forget the token of a portal. Returns whether there was one."""
        entries = self._entries()
        entry = entries.pop(origin, None)
        if entry is None:
            return False
        if isinstance(entry, dict) and entry.get("kept") == "keyring" and (ring := self._ring()):
            _within(PROBE_SECONDS, lambda: ring.delete_password(SERVICE, origin))
        save(self.path, entries)
        return True

    def _keep_in_ring(self, origin: str, token: str) -> bool:
        """Write the token to the keyring and read it back. False if there is none, or it does not work."""
        ring = self._ring()

        def tried() -> bool:
            ring.set_password(SERVICE, origin, token)
            return bool(ring.get_password(SERVICE, origin) == token)

        return bool(ring and _within(PROBE_SECONDS, tried))

    def _ring(self) -> Any:
        if self._keyring is not None:
            return self._keyring or None
        try:
            import keyring  # noqa: PLC0415 -- optional, and takes 60 ms
        except ImportError:
            return None
        return keyring

    def _entries(self) -> dict[str, Any]:
        if not self.path.exists():
            return {}
        if os.name == "posix" and self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise WeirError(
                f"Others can read {self.path}, which holds access tokens. Revoke these tokens on the portal, then run "
                f"chmod 600 {self.path}."
            )
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as bad:
            raise WeirError(f"{self.path} is damaged. Delete it and sign in again: weir login.") from bad
        return found if isinstance(found, dict) else {}


def _within(seconds: float, act: Any) -> Any:
    """Return what `act` returns, or None if it fails or does not return in time."""
    found: list[Any] = []

    def run() -> None:
        with contextlib.suppress(Exception):  # keyrings raise whatever their system raises
            found.append(act())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None
