"""Secrets of access tokens (`weir_`, 43 random characters, and 6 that reveal a mistyped one), and codes of devices."""

import hashlib
import re
import secrets
import zlib

PREFIX = "weir_"
SHAPE = re.compile(rf"{PREFIX}([A-Za-z0-9_-]{{43}})([0-9a-z]{{6}})")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters of user codes: no vowels, so that they spell no word, and none that is taken for another or for a digit."""
CODE_LENGTH = 8


def new() -> str:
    """Return a new secret with 256 random bits."""
    body = secrets.token_urlsafe(32)
    return f"{PREFIX}{body}{_checksum(body)}"


def new_device_code() -> str:
    """Return the secret by which a program asks whether it was signed in: 256 random bits."""
    return secrets.token_urlsafe(32)


def new_user_code() -> str:
    """Return the code that a person types to sign in a program, without its hyphen: 34 random bits."""
    return "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))


def shown(user_code: str) -> str:
    """Return a user code as people see it: XXXX-XXXX."""
    return f"{user_code[:4]}-{user_code[4:]}"


def typed(text: str) -> str:
    """Return what somebody typed as a user code in the form in which codes are stored, or "" if it can be none."""
    code = re.sub(r"[\s-]", "", text[:40]).upper()
    return code if len(code) == CODE_LENGTH and set(code) <= set(LETTERS) else ""


def is_well_formed(text: str) -> bool:
    """Return whether the checksum fits: a mistyped secret, or a scanner's guess, is refused without a query."""
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
