"""The portal's own account, as it appears in the log: the actor of steps that no person takes."""

from dataclasses import dataclass
from uuid import UUID

SYSTEM_DOMAIN = "@weir.invalid"
"""The ending of its address: a domain that cannot send e-mail."""


@dataclass(slots=True)
class Portal:
    """The portal as an actor."""

    pk: UUID
    email: str


SYSTEM = Portal(UUID(int=1), f"system{SYSTEM_DOMAIN}")
