"""People with an account, as auditors and admins see them. Accounts and roles are changed in the browser."""

from __future__ import annotations

from weir.things import Thing


class Person(Thing):
    """Somebody with an account.

    for person in portal.people.where(role="owner"): print(person.name, person.roles)
    """

    path = "people/"
    shown = ("email", "affiliation", "state_reason", "created_at")

    @property
    def name(self) -> str:
        return str(self.details["name"])

    @property
    def email(self) -> str:
        return str(self.details["email"])

    @property
    def roles(self) -> list[str]:
        """Of admin, owner, scientist and auditor, those that they have."""
        return list(self.details["roles"])

    @property
    def _facts(self) -> list[tuple[str, object]]:
        return [("roles", ", ".join(self.roles) or "none"), *super()._facts]
