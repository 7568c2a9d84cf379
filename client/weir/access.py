"""Access to a dataset: who asks for it, and who has it."""

from __future__ import annotations

from weir.things import Thing


class AccessRequest(Thing):
    """A request for access.

    for asked in dataset.access_requests: asked.grant(days=90)
    """

    path = "access/"
    shown = ("state", "scientist", "dataset", "purpose", "outputs", "terms", "created_at")

    @property
    def scientist(self) -> str:
        return str(self.details["scientist"]["name"])

    @property
    def purpose(self) -> str:
        return str(self.details["purpose"])

    def grant(self, *, days: int | None = None, note: str = "") -> AccessRequest:
        """Give access, for a number of days or until it is revoked."""
        return self._act("decide", {"grant": True, "note": note, "days": days})

    def decline(self, note: str) -> AccessRequest:
        """Decline it. The scientist reads the note."""
        return self._act("decide", {"grant": False, "note": note})

    def withdraw(self) -> AccessRequest:
        """Withdraw your own request."""
        return self._act("withdraw")

    def __repr__(self) -> str:
        return f"AccessRequest: {self.scientist}, {self.state}"


class Grant(Thing):
    """Access of one person to a dataset."""

    path = "grants/"
    shown = ("person", "dataset", "granted_by", "created_at", "expires_at", "revoked_at", "revoke_reason")

    @property
    def person(self) -> str:
        return str(self.details["person"]["name"])

    @property
    def person_id(self) -> str:
        return str(self.details["person"]["id"])

    def revoke(self, reason: str) -> Grant:
        """End it, and cancel the person's work in progress. They read the reason."""
        self._transport.call("DELETE", self._address, body={"reason": reason})
        return self.refresh()

    def __repr__(self) -> str:
        ended = " (revoked)" if self.details.get("revoked_at") else ""
        return f"Grant: {self.person}{ended}"
