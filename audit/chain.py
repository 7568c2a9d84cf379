"""The arithmetic of the hash chain, in one place for the writer, the database's trigger and the verifier.

Each link hashes the link before it together with the entry's text:
``hash_n = sha256(hash_{n-1} || utf8(payload_n))`` in lower-case hex; ``hash_0`` is GENESIS.
Changing, removing or moving an entry therefore changes every later hash
(Haber and Stornetta, How to time-stamp a digital document, J. Cryptology 3, 1991, section 5).
"""

import hashlib
import json
from collections.abc import Mapping

GENESIS = "0" * 64


def payload(fields: Mapping[str, object]) -> str:
    """Return the canonical text of an entry: JSON with sorted keys, without spaces, with Unicode unescaped."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def link(previous: str, text: str) -> str:
    """Return the hash (64 hex digits) of an entry's text, chained to the link before it."""
    return hashlib.sha256((previous + text).encode()).hexdigest()
