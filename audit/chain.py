"""The arithmetic of the hash chain, in one place for the writer, the database's trigger and the verifier.

Link n hashes the link before it together with the entry's text:
``hash_n = sha256(hash_{n-1} || utf8(payload_n))`` in lower-case hex, the first link standing on GENESIS.
Changing, removing or moving an entry therefore changes every later hash
(Haber and Stornetta, How to time-stamp a digital document, J. Cryptology 3, 1991, section 5).
"""

import hashlib
import json
from collections.abc import Mapping

GENESIS = "0" * 64


def payload(fields: Mapping[str, object]) -> str:
    """One canonical text for an entry: sorted keys, no spaces, unicode as itself."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def link(previous: str, text: str) -> str:
    """The hash of an entry's text on top of the link before it."""
    return hashlib.sha256((previous + text).encode()).hexdigest()
