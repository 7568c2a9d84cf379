"""What the client finds of a receipt."""

from typing import Any

from tests.crypto import making
from weir import pins
from weir.checks import Check
from weir.receipts import Receipt

TRUSTED = pins.of(making.pins())


def checks(details: Any, trusted: pins.Pins = TRUSTED, files: Any = ()) -> list[Check]:
    return Receipt(details).verify(trusted, files)


def fault(details: Any, trusted: pins.Pins = TRUSTED) -> str:
    """The first sentence that fails."""
    return next(each.sentence for each in checks(details, trusted) if each.ok is False)
