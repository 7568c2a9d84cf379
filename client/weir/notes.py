"""Signed notes, checkpoints and cosignatures of C2SP (signed-note, tlog-checkpoint, tlog-cosignature), to verify them.

The portal has code of its own for this. Both pass the same test vectors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from weir.errors import NotOffered
from weir.logtree import MAX_LEAVES
from weir.strict import HASH, Malformed, decoded, encoded, shown

SIGNATURE, COSIGNATURE = 1, 4
"""Kinds of keys: of a log, and of a witness."""
MAX_NOTE = 131_072
"""Characters of a note that is read."""
MAX_SIGNATURES = 64
MAX_SECONDS = 2**63 - 1
NAME = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")
NOT_IN_NOTES = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
SIGNED = re.compile(r"— ([^ ]+) ([^ ]+)")


@dataclass(frozen=True)
class Key:
    """A public key by which notes are verified. `public`: 32 bytes of Ed25519."""

    name: str
    kind: int
    public: bytes

    @property
    def hash(self) -> bytes:
        """Its first four bytes identify the key. They prove nothing."""
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as it is written in a file of pins."""
        return f"{self.name}+{self.hash.hex()}+{encoded(bytes([self.kind]) + self.public)}"

    @property
    def fingerprint(self) -> str:
        """What two people compare: the SHA-256 of the key's text, in groups of four hex digits."""
        digits = hashlib.sha256(self.text.encode()).hexdigest()
        return " ".join(digits[at : at + 4] for at in range(0, 64, 4))


@dataclass(frozen=True)
class Checkpoint:
    """What a log says about itself: its origin, how many leaves it has, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes


def key(text: str) -> Key:
    """Read a public key. Raises Malformed."""
    name, _, rest = text.partition("+")
    digits, _, body = rest.partition("+")
    data = decoded(body)
    if not NAME.fullmatch(name) or len(data) != 1 + HASH or data[0] not in {SIGNATURE, COSIGNATURE}:
        raise Malformed("This is not the text of a key: NAME+HASH+KEY.")
    found = Key(name, data[0], data[1:])
    if found.hash.hex() != digits:
        raise Malformed(f"The key of {shown(name)} is damaged: its hash does not fit.")
    return found


def opened(note: str) -> tuple[str, list[str]]:
    """Split a note into its text and its signature lines. Raises Malformed for what is no note."""
    if len(note) > MAX_NOTE or NOT_IN_NOTES.search(note):
        raise Malformed("This is not a signed note: it is too long, or has control characters.")
    text, gap, signatures = note.rpartition("\n\n")
    *lines, end = signatures.split("\n")
    if not gap or not lines or end or len(lines) > MAX_SIGNATURES:
        raise Malformed("This is not a signed note: a text, an empty line, and a line for each signature.")
    return f"{text}\n", lines


def checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint. Raises Malformed. Lines after the third are allowed, and signed like the rest."""
    *lines, end = text.split("\n")
    if len(lines) < 3 or end or not all(lines):
        raise Malformed("This is not a checkpoint: origin, size and root are missing.")
    root = decoded(lines[2])
    if not NAME.fullmatch(lines[0]) or not SIZE.fullmatch(lines[1]) or len(root) != HASH:
        raise Malformed("This is not a checkpoint: its origin, size or root cannot be read.")
    size = int(lines[1])
    if size > MAX_LEAVES:
        raise Malformed(f"A log of {size} entries is not read.")
    return Checkpoint(lines[0], size, root)


def signed_by(note: str, keys: Iterable[Key]) -> dict[Key, int | None]:
    """Return which of these keys have signed a note, and when a witness did (seconds since 1970; None for others).

    Raises Malformed for what is no note, and for a signature that names one of the keys and is not its own.
    """
    text, lines = opened(note)
    wanted = {(each.name, each.hash): each for each in keys}
    found: dict[Key, int | None] = {}
    for line in lines:
        parts = SIGNED.fullmatch(line)
        data = decoded(parts[2]) if parts else b""
        if not parts or not NAME.fullmatch(parts[1]) or len(data) < 5:
            raise Malformed("A line under the text is not a signature.")
        known = wanted.get((parts[1], data[:4]))
        if known is not None:
            found[known] = _signed_at(known, text, data[4:])
    return found


def _signed_at(known: Key, text: str, data: bytes) -> int | None:
    """Return when a witness signed; None for a log. Raises Malformed for a signature that is not the key's."""
    if known.kind == SIGNATURE:
        _verify(known, data, text)
        return None
    seconds = int.from_bytes(data[:8], "big")
    if seconds > MAX_SECONDS:
        raise Malformed(f"{shown(known.name)} has signed a time that does not exist.")
    _verify(known, data[8:], f"cosignature/v1\ntime {seconds}\n{text}")
    return seconds


def _verify(known: Key, signature: bytes, message: str) -> None:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- optional
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 -- optional
            Ed25519PublicKey,
        )
    except ImportError as missing:
        raise NotOffered(
            "Signatures are verified with the package cryptography, which is not installed. Install it: "
            'pip install "cryptography>=42".'
        ) from missing
    try:
        Ed25519PublicKey.from_public_bytes(known.public).verify(signature, message.encode())
    except (InvalidSignature, ValueError):
        raise Malformed(f"The signature of {shown(known.name)} is not valid.") from None
