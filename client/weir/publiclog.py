"""The log that a portal publishes: its key, its newest checkpoint, and proofs that it only grows.

Nobody signs in for it, and nothing of it is believed: a checkpoint counts once the pinned key has signed it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from weir import notes, strict
from weir.checks import Check, fails, holds, remark
from weir.errors import NotFound
from weir.logtree import LONGEST_PROOF, verify_consistency
from weir.notes import MAX_NOTE, Checkpoint, Key
from weir.pins import Pins
from weir.receipts import Receipt
from weir.strict import Malformed
from weir.transport import Transport, is_this_machine

PATH = "/log/1/"
MOST_KEY = 1_000
MOST_PROOF = 100_000
"""Bytes that are read of a key, and of a proof."""


class PublicLog:
    """The log of the portal at an address. Close it, or use it in a `with` statement."""

    def __init__(self, address: str) -> None:
        self._transport = Transport(address)

    def __enter__(self) -> PublicLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def key(self) -> Key:
        """Return the key that the portal says is the log's. Compare its fingerprint with people whom you trust."""
        return notes.key(self._transport.text(f"{PATH}key", most=MOST_KEY).rstrip("\n"))

    def checkpoint(self) -> str:
        """Return the newest public checkpoint, a signed note. Raises NotFound before there is one."""
        return self._transport.text(f"{PATH}checkpoint", most=4 * MAX_NOTE)

    def pins(self) -> tuple[Pins, list[Check]]:
        """Return the pins of a log that is trusted from now on, and what was looked at."""
        found = Pins(self.key())
        try:
            newest, checks = found.opened(self.checkpoint())
        except NotFound:
            return found, [remark("The log has no public checkpoint yet. It signs one each hour.")]
        return (found if newest is None else found.having_seen(newest)), checks

    def checked(self, pins: Pins, receipts: Sequence[Receipt] = ()) -> tuple[Pins, list[Check]]:
        """Check that the log still holds what was seen of it, and the checkpoints of receipts.

        Returns pins with its newest checkpoint, to be kept if all checks hold.
        """
        newest, checks = pins.opened(self.checkpoint())
        if newest is None:
            return pins, checks
        if pins.seen is not None and pins.seen.size != newest.size:
            checks.append(self._after_seen(pins.seen, newest))
        checks += self._after_receipts(pins, receipts, newest)
        return pins.having_seen(newest), checks

    def _after_seen(self, seen: Checkpoint, newest: Checkpoint) -> Check:
        if seen.size < newest.size:
            return self._follows(seen, newest, f"what you have seen, {seen.size:,} leaves")
        return fails(
            f"The log shows {newest.size:,} leaves, fewer than the {seen.size:,} that you have seen. Ask for it "
            "again in an hour: unless an old copy answered, its end was cut off.",
        )

    def _after_receipts(self, pins: Pins, receipts: Sequence[Receipt], newest: Checkpoint) -> Iterator[Check]:
        for number, receipt in enumerate(receipts, 1):
            what = f"the checkpoint of receipt {number}"
            signed, checks = pins.opened(receipt.checkpoint)
            if signed is None:
                yield from (each for each in checks if each.ok is False)
            elif signed.size > newest.size:
                yield remark(f"The log has not published {what} yet. Check again after the next full hour.")
            else:
                yield self._follows(signed, newest, what)

    def _follows(self, old: Checkpoint, newest: Checkpoint, what: str) -> Check:
        proof = self._proof(old.size, newest.size) if old.size < newest.size else []
        if verify_consistency(old.size, old.root, newest.size, newest.root, proof):
            return holds(f"The log of {newest.size:,} leaves begins with {what}: nothing was changed.")
        return fails(
            f"The log of {newest.size:,} leaves does not show that it begins with {what}. Keep all files, and "
            "ask the portal's auditors.",
        )

    def _proof(self, old: int, new: int) -> list[bytes]:
        text = self._transport.text(f"{PATH}consistency/{old}/{new}", most=MOST_PROOF)
        found = strict.fields(strict.parsed(text, "The proof"), {"proof"}, "The proof")
        steps = strict.several(found["proof"], LONGEST_PROOF, "The proof")
        return [strict.hash_of_base64(each, "A step of the proof") for each in steps]


def address_of(pins: Pins) -> str:
    """Return the address of the portal that a pinned log names. Raises Malformed if it names none."""
    place, slash, path = pins.log.name.partition("/")
    with contextlib.suppress(ValueError):
        host = urlsplit(f"//{place}").hostname
        if host and slash + path + "/" == PATH:
            return f"{'http' if is_this_machine(host) else 'https'}://{place}"
    raise Malformed(f"{strict.shown(pins.log.name)} is not the address of a log. Name the portal: --portal.")
