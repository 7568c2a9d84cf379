"""Sealed secrets: what the database holds and only this portal opens, with a key derived from its secret key.

AES-256-GCM, by HKDF-SHA256 of SECRET_KEY with the purpose as its info. A sealed text is the nonce (12 bytes), the
ciphertext and the tag. The purpose is authenticated too, so that what was sealed for one cannot be used for another.
"""

import secrets
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY, NONCE = 32, 12
"""Bytes of each."""


class Row(Protocol):
    """A row of the database with something that is sealed."""

    sealed: Any

    def save(self, *, update_fields: list[str]) -> None: ...


class CannotOpen(Exception):
    """What is sealed was sealed with another secret key, or was changed."""


def seal(content: bytes, purpose: str) -> bytes:
    """Seal with the present secret key."""
    nonce = secrets.token_bytes(NONCE)
    return nonce + _cipher(settings.SECRET_KEY, purpose).encrypt(nonce, content, purpose.encode())


def unseal(sealed: bytes, purpose: str) -> bytes:
    """Open with the present secret key, or one of SECRET_KEY_FALLBACKS. Raises CannotOpen."""
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if (content := _opened(sealed, purpose, secret)) is not None:
            return content
    raise CannotOpen(f"What is sealed as {purpose} cannot be opened with this secret key.")


def is_sealed_now(sealed: bytes, purpose: str) -> bool:
    """Return whether the present secret key opens it; if only an earlier one does, seal it again."""
    return _opened(sealed, purpose, settings.SECRET_KEY) is not None


def opened(row: Row, purpose: str) -> bytes:
    """Return what is in the column `sealed` of a row. Raises CannotOpen.

    What an earlier secret key has sealed is sealed again with the present one, and the row is saved.
    """
    sealed = bytes(row.sealed)
    content = unseal(sealed, purpose)
    if not is_sealed_now(sealed, purpose):
        row.sealed = seal(content, purpose)
        row.save(update_fields=["sealed"])
    return content


def _opened(sealed: bytes, purpose: str, secret: str) -> bytes | None:
    try:
        return _cipher(secret, purpose).decrypt(sealed[:NONCE], sealed[NONCE:], purpose.encode())
    except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
        return None


def _cipher(secret: str, purpose: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY, salt=None, info=purpose.encode()).derive(secret.encode()))
