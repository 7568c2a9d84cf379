"""Whom you trust to verify receipts: the key of a log, its witnesses, and the newest checkpoint that you have seen."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from weir import notes, strict
from weir.checks import Check, all_hold, fails, holds, remark
from weir.logtree import MAX_LEAVES
from weir.notes import Checkpoint, Key
from weir.strict import Malformed, shown

FORMAT = "weir-pins/1"
FIELDS = {"format", "log", "witnesses", "may_cheat", "threshold", "seen"}
MOST_BYTES = 64 * 2**10
MOST_WITNESSES = 32
LAST_SECOND = 253_402_300_799
"""The last one of the year 9999."""


@dataclass(frozen=True)
class Pins:
    """The contents of a file of pins.

    `threshold`: how many of the `witnesses` must have signed a checkpoint. `may_cheat`: how many of them may sign two
    histories without your noticing. `seen`: the newest checkpoint that you have seen of the log.
    """

    log: Key
    witnesses: tuple[Key, ...] = ()
    may_cheat: int = 0
    threshold: int = 0
    seen: Checkpoint | None = None

    def __post_init__(self) -> None:
        """Raises Malformed for keys of a wrong kind or twice, and for a threshold that two histories could both reach.

        Two histories, each signed by t of n witnesses, share at least 2t - n of them. One of these is honest if they
        are more than those that may cheat, and an honest witness signs one history alone.
        """
        if self.log.kind != notes.SIGNATURE:
            raise Malformed("The key of the log is a witness's key.")
        if any(each.kind != notes.COSIGNATURE for each in self.witnesses):
            raise Malformed("The key of a witness is not a witness's key.")
        publics = {self.log.public, *(each.public for each in self.witnesses)}
        if len(publics) != 1 + len(self.witnesses):
            raise Malformed("A key is pinned twice, so that one signature would count as two.")
        many = len(self.witnesses)
        if self.threshold > many or self.may_cheat > many:
            raise Malformed(f"{many} witnesses are pinned, so threshold and may_cheat cannot be more.")
        if many and 2 * self.threshold <= many + self.may_cheat:
            least = (many + self.may_cheat) // 2 + 1
            raise Malformed(
                f"A threshold of {self.threshold} among {many} witnesses, of which {self.may_cheat} may cheat, does "
                f"not exclude two histories: it has to be at least {least}."
                if least <= many
                else f"{many} witnesses, of which {self.may_cheat} may cheat, cannot exclude two histories. Pin more."
            )

    @property
    def text(self) -> str:
        """The contents of the file."""
        seen = self.seen and {"size": self.seen.size, "root": strict.encoded(self.seen.root)}
        found = {
            "format": FORMAT, "log": self.log.text, "witnesses": [each.text for each in self.witnesses],
            "may_cheat": self.may_cheat, "threshold": self.threshold, "seen": seen,
        }  # fmt: skip
        return json.dumps(found, indent=1, ensure_ascii=False) + "\n"

    def save_new(self, to: Path) -> None:
        """Write a file that is not there yet. Raises FileExistsError: trust is not replaced in passing."""
        with to.open("x", encoding="utf-8") as file:
            file.write(self.text)

    def save_over(self, to: Path) -> None:
        """Replace a file, at once or not at all."""
        part = to.with_name(f"{to.name}.{secrets.token_hex(4)}.part")
        try:
            part.write_text(self.text, encoding="utf-8")
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)

    def having_seen(self, newest: Checkpoint) -> Pins:
        """Return the same pins with a newer checkpoint. An empty one is not kept: any log follows it."""
        return replace(self, seen=newest if newest.size else None)

    def opened(self, note: str) -> tuple[Checkpoint | None, list[Check]]:
        """Return the checkpoint of a note, if the log that is pinned has signed it, and what was looked at.

        None if it has not, or not enough witnesses have.
        """
        try:
            signed = notes.signed_by(note, [self.log, *self.witnesses])
            found = notes.checkpoint(notes.opened(note)[0])
        except Malformed as bad:
            return None, [fails(f"The checkpoint is not accepted: {bad}")]
        if self.log not in signed:
            why = f"The checkpoint is not signed by the pinned key of {self._name}."
            return None, [fails(f"{why} If the portal has begun a new key, pin that one into another file.")]
        if found.origin != self.log.name:
            return None, [fails(f"The checkpoint is of {shown(found.origin)}, not of {self._name}.")]
        checks = [
            holds(f"The pinned key of {self._name} has signed the checkpoint of {found.size:,} leaves."),
            self._witnessed({each: at for each, at in signed.items() if at is not None}),
        ]
        if self.seen is not None and self.seen.size == found.size:
            checks.append(self._same(found))
        return (found if all_hold(checks) else None), checks

    def _witnessed(self, times: Mapping[Key, int]) -> Check:
        if not self.witnesses:
            return remark(
                "No witness is pinned: whoever operates the log could show other people another history. "
                "Compare the checkpoint with theirs.",
            )
        many = f"{len(times)} of {len(self.witnesses)} pinned witnesses have signed"
        if len(times) < self.threshold:
            return fails(f"{many} the checkpoint; {self.threshold} are required.")
        return holds(f"{many} the checkpoint, the first at {moment(min(times.values()))}.")

    def _same(self, found: Checkpoint) -> Check:
        if self.seen is not None and self.seen.root == found.root:
            return holds("It is the checkpoint that you have seen of the log.")
        return fails(
            f"The log has signed two histories of {found.size:,} leaves: this one and the one that you have seen. "
            "Keep both files; they prove it.",
        )

    @property
    def _name(self) -> str:
        return shown(self.log.name)


def read(path: Path) -> Pins:
    """Return the pins in a file. Raises Malformed, also for a threshold with which two histories would pass."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Malformed(f"{shown(path)} is too long for a file of pins.")
    return of(strict.parsed(content, shown(path)))


def of(details: Any) -> Pins:
    """Return the pins that the contents of a file say. Raises Malformed."""
    found = strict.fields(details, FIELDS, "The file of pins")
    if found["format"] != FORMAT:
        raise Malformed(f"The file of pins is not of the format {FORMAT}, which this version reads.")
    log = notes.key(strict.text(found["log"], "log"))
    witnesses = strict.several(found["witnesses"], MOST_WITNESSES, "witnesses")
    return Pins(
        log,
        tuple(notes.key(strict.text(each, "witnesses")) for each in witnesses),
        strict.whole(found["may_cheat"], MOST_WITNESSES, "may_cheat"),
        strict.whole(found["threshold"], MOST_WITNESSES, "threshold"),
        _seen(found["seen"], log.name),
    )


def _seen(found: Any, origin: str) -> Checkpoint | None:
    if found is None:
        return None
    parts = strict.fields(found, {"size", "root"}, "seen")
    return Checkpoint(
        origin, strict.whole(parts["size"], MAX_LEAVES, "size"), strict.hash_of_base64(parts["root"], "root")
    )


def moment(seconds: int) -> str:
    """Return a time (seconds since 1970) in words."""
    if seconds > LAST_SECOND:
        return f"second {seconds} since 1970"
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
