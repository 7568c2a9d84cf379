"""Signed notes and checkpoints: a text with signatures under it, as in the C2SP documents of these names.

    signed-note: a text, an empty line, and a line for each signature: “— NAME BASE64(key hash || signature)”
    tlog-checkpoint: the text is the log's origin, the number of leaves and the root in base64, a line each
    tlog-cosignature: how a witness signs a checkpoint, with the time

A key is written “NAME+HASH+BASE64(kind || public key)”. The hash (4 bytes) finds a key; it proves nothing.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.tree import HASH, MAX_LEAVES

SIGNATURE, COSIGNATURE = 1, 4
"""Kinds of keys: of who wrote a note, and of a witness."""
MAX_NOTE = 131_072
"""Characters of a note that is read. Sixteen signatures that resist quantum computers would fit."""
MAX_SIGNATURES = 64
MAX_SECONDS = 2**63 - 1
NAME = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")
NOT_IN_NOTES = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
"""Control characters but for line breaks, and what is no UTF-8."""
SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Key:
    """A public key by which notes are verified. `public`: 32 bytes of Ed25519."""

    name: str
    kind: int
    public: bytes

    @property
    def hash(self) -> bytes:
        """Its first four bytes identify the key."""
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as it is written in a file of pins."""
        return f"{self.name}+{self.hash.hex()}+{_encoded(bytes([self.kind]) + self.public)}"

    @property
    def fingerprint(self) -> str:
        """What two people compare: the SHA-256 of the key's text, in groups of four hex digits."""
        digits = hashlib.sha256(self.text.encode()).hexdigest()
        return " ".join(digits[at : at + 4] for at in range(0, 64, 4))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says about itself: its origin, how many leaves it has, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_encoded(self.root)}\n"


def key(text: str) -> Key:
    """Read a public key. Raises ValueError."""
    name, _, rest = text.partition("+")
    digits, _, body = rest.partition("+")
    data = _decoded(body)
    if not NAME.fullmatch(name) or len(data) != 1 + HASH or data[0] not in {SIGNATURE, COSIGNATURE}:
        raise ValueError("This is not the text of a key: NAME+HASH+KEY.")
    found = Key(name, data[0], data[1:])
    if found.hash.hex() != digits:
        raise ValueError(f"The key of {name} is damaged: its hash does not fit.")
    return found


def public_key(name: str, private: Ed25519PrivateKey, kind: int = SIGNATURE) -> Key:
    """Return the public key that belongs to a private one. Raises ValueError for a name with spaces or “+”."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a key.")
    return Key(name, kind, private.public_key().public_bytes_raw())


def sign(text: str, name: str, private: Ed25519PrivateKey) -> str:
    """Return the signature line, with its line break, of who wrote a text.

    Raises ValueError for a text that no note can hold: it ends with a line break, and has no control characters.
    """
    return _line(public_key(name, private), private.sign(_signable(text).encode()))


def cosign(text: str, name: str, private: Ed25519PrivateKey, seconds: int) -> str:
    """Return the signature line of a witness. `seconds`: when, since 1970. Raises ValueError as `sign` does."""
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"{seconds} is not a time that a witness can sign.")
    signature = private.sign(_cosigned(_signable(text), seconds))
    return _line(public_key(name, private, COSIGNATURE), seconds.to_bytes(8, "big") + signature)


def opened(note: str) -> tuple[str, list[str]]:
    """Split a note into its text and its signature lines. Raises ValueError for what is no note."""
    if len(note) > MAX_NOTE or NOT_IN_NOTES.search(note):
        raise ValueError("This is not a signed note: it is too long, or has control characters.")
    text, gap, signatures = note.rpartition("\n\n")
    *lines, end = signatures.split("\n")
    if not gap or not lines or end or len(lines) > MAX_SIGNATURES:
        raise ValueError("This is not a signed note: a text, an empty line, and a line for each signature.")
    return text + "\n", lines


def checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint. Raises ValueError. Lines after the third are allowed, and signed like the rest."""
    *lines, end = text.split("\n")
    if len(lines) < 3 or end or not all(lines):
        raise ValueError("This is not a checkpoint: origin, size and root are missing.")
    root_hash = _decoded(lines[2])
    if not NAME.fullmatch(lines[0]) or len(root_hash) != HASH or not SIZE.fullmatch(lines[1]):
        raise ValueError("This is not a checkpoint: its origin, size or root cannot be read.")
    size = int(lines[1])
    if size > MAX_LEAVES:
        raise ValueError(f"A log of {size} entries is not read.")
    return Checkpoint(lines[0], size, root_hash)


def signed_by(note: str, keys: Iterable[Key]) -> dict[Key, int | None]:
    """Return which of these keys have signed a note, and when a witness did (seconds since 1970; None for others).

    Raises ValueError for what is no note, and for a signature that names one of the keys and is not its own.
    """
    text, lines = opened(note)
    wanted = {(each.name, each.hash): each for each in keys}
    found: dict[Key, int | None] = {}
    for line in lines:
        name, data = _read(line)
        known = wanted.get((name, data[:4]))
        if known is not None:
            found[known] = _verified(known, text, data[4:])
    return found


def _verified(known: Key, text: str, data: bytes) -> int | None:
    """Return when a witness signed; None for who wrote it. Raises ValueError for a wrong signature."""
    seconds = int.from_bytes(data[:8], "big") if known.kind == COSIGNATURE else None
    if seconds is not None and seconds > MAX_SECONDS:
        raise ValueError(f"{known.name} has signed a time that does not exist.")
    message = text.encode() if seconds is None else _cosigned(text, seconds)
    try:
        Ed25519PublicKey.from_public_bytes(known.public).verify(
            data if seconds is None else data[8:], message
        )
    except InvalidSignature:
        raise ValueError(f"The signature of {known.name} is not valid.") from None
    return seconds


def _signable(text: str) -> str:
    """Return a text that a note can hold. Raises ValueError for any other."""
    if not text.endswith("\n") or NOT_IN_NOTES.search(text):
        raise ValueError("A note ends with a line break, and has no control characters.")
    return text


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _line(known: Key, signature: bytes) -> str:
    return f"— {known.name} {_encoded(known.hash + signature)}\n"


def _read(line: str) -> tuple[str, bytes]:
    """Return the name in a signature line, and what is signed with it. Raises ValueError."""
    begin, _, rest = line.partition("— ")
    name, _, body = rest.partition(" ")
    data = _decoded(body)
    if begin or not NAME.fullmatch(name) or len(data) < 5:
        raise ValueError("A line under the text is not a signature.")
    return name, data


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decoded(text: str) -> bytes:
    """Return the bytes of a base64 text; b"" for what is none, or is written in another way than we would."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if _encoded(data) == text else b""
