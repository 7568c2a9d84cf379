"""The secrets of access tokens: `weir_`, 43 random characters, and 6 that tell a mistyped secret from a wrong one."""

import hashlib
import re
import secrets
import zlib

PREFIX = "weir_"
SHAPE = re.compile(rf"{PREFIX}([A-Za-z0-9_-]{{43}})([0-9a-z]{{6}})")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def new() -> str:
    """Return a new secret with 256 random bits."""
    body = secrets.token_urlsafe(32)
    return f"{PREFIX}{body}{_checksum(body)}"


def is_well_formed(text: str) -> bool:
    """Return whether the text can be a secret: a scanner or a typing mistake is told from it without a query."""
    match = SHAPE.fullmatch(text)
    return match is not None and match[2] == _checksum(match[1])


def digest(secret: str) -> str:
    """Return the hash under which a secret is stored. With 256 random bits it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text
