"""Receipts from a portal, waited for until its log is signed again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from weir.errors import NotOffered
from weir.transport import Transport

if TYPE_CHECKING:
    from weir.receipts import Receipt

PAUSE = 5.0
"""Seconds between two looks. A log is signed within a minute if somebody asks for a receipt."""
LONGEST = 3600.0


def receipt(transport: Transport, path: str, wait: float) -> Receipt:
    """Return the receipt of what is at a path, such as answers/ID/. `wait`: for at most so many seconds.

    Raises NotOffered if it is not there by then.
    """
    from weir.receipts import Receipt  # noqa: PLC0415 -- few need it

    if not 0 <= wait <= LONGEST:
        raise NotOffered(f"Wait between 0 and {LONGEST:.0f} seconds for a receipt.")
    found = transport.get(f"{path}receipt/")
    for _ in range(math.ceil(wait / PAUSE)):
        if found["ready"]:
            break
        transport.sleep(PAUSE)
        found = transport.get(f"{path}receipt/")
    if found["ready"]:
        return Receipt(found["receipt"])
    raise NotOffered(f"The receipt is not there yet. It is due at {found['due']}: ask again then.")
