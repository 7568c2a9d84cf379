"""Documents that an entry of the log commits to without showing them.

The entry holds ``sha256(salt || utf8(text))`` in lower-case hex, with a salt of 32 random bytes. Whoever has the text
and the salt can check that the entry is about this text. Whoever reads the log alone learns nothing of it, even if the
text could be guessed: the salt cannot.
"""

import hashlib
import secrets
from collections.abc import Mapping

from audit import chain


def new_salt() -> str:
    """Return a salt: 32 random bytes as 64 hex digits."""
    return secrets.token_hex(32)


def text(content: Mapping[str, object]) -> str:
    """Return the canonical text of a document, which is written as that of an entry is.

    Content that the database has stored has to be read again first: it may write a number in another way.
    """
    return chain.payload(content)


def is_of(expected: object, salt: str, document: str) -> bool:
    """Return whether an entry that holds `expected` is about this document."""
    try:
        return sha256(salt, document) == expected
    except ValueError:
        return False


def sha256(salt: str, document: str) -> str:
    """Return what an entry holds of a document: 64 hex digits. Raises ValueError unless `salt` is hex digits."""
    return hashlib.sha256(bytes.fromhex(salt) + document.encode()).hexdigest()
