"""Masks that hide each portal's vector and cancel in the sum of all of them.

Each portal makes a key for one plan alone and sends the public half on a card, signed with its identity key. Any two
portals then share a secret (X25519). From it, the cards of all and the round's input they derive the same stream of
numbers, which the portal at the lower place adds and the other one subtracts, modulo 2^64 (Bonawitz et al., Practical
secure aggregation for privacy-preserving machine learning, CCS 2017). A portal that is missing leaves masks behind: the
sum of fewer vectors looks random.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Vector = npt.NDArray[np.uint64]
KEY = 32
"""Bytes of a key, private or public, and of a SHA-256."""
MOST_PORTALS = 1000
PRIME = 2**255 - 19
"""Public keys are numbers below it. Larger ones would be other spellings of the same key."""


def new_key() -> bytes:
    """Return a new private key of X25519, 32 bytes. It is for the rounds of one plan alone."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_of(private: bytes) -> bytes:
    """Return the public key of a private one, 32 bytes. Raises ValueError for other than 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def card_text(*, plan_sha256: str, place: int, portals: int, public: bytes) -> bytes:
    """Return the text of a card, which a portal signs with its identity key.

    `place`: the portal's place in the plan's roster, from 0. `portals`: how many there are. Raises ValueError.
    """
    if len(plan_sha256) != 2 * KEY or set(plan_sha256) - set("0123456789abcdef"):
        raise ValueError("The SHA-256 of a plan is written as 64 lower-case hex digits.")
    if not 2 <= portals <= MOST_PORTALS or not 0 <= place < portals:
        raise ValueError(f"There is no place {place} among {portals} portals.")
    _check_public(public)
    return f"weir/mask-card/1\nplan {plan_sha256}\nplace {place} of {portals}\nkey {public.hex()}\n".encode()


def transcript(cards: Sequence[bytes]) -> bytes:
    """Return the hash of all signed cards, in the order of their places. 32 bytes.

    Portals that were shown different cards get different hashes, so that their masks do not cancel.
    """
    found = hashlib.sha256(b"weir/mask-transcript/1" + len(cards).to_bytes(8, "big"))
    for card in cards:
        found.update(len(card).to_bytes(8, "big") + card)
    return found.digest()


def masked(  # noqa: PLR0913 -- what a mask is bound to, each named at the call
    vector: Vector,
    *,
    private: bytes,
    place: int,
    publics: Sequence[bytes],
    transcript: bytes,
    round_: int,
    input_sha256: bytes,
) -> Vector:
    """Return `vector` under the masks with all other portals. Shape (n,), as `vector`.

    `publics`: the keys of all portals by place, the own one among them. `input_sha256`: of what the round was given.
    Call it once for a round: two vectors under one mask tell their difference. Raises ValueError for two keys
    that are the same, a key in another spelling, an own key at another place, and a key that gives no secret.
    """
    _check(vector, private, place, publics, transcript, round_, input_sha256)
    own, total = X25519PrivateKey.from_private_bytes(private), vector.copy()
    for other, public in enumerate(publics):
        if other == place:
            continue
        low, high = sorted((place, other))
        info = f"weir/mask/1|{round_}|{input_sha256.hex()}|{low}|{high}".encode()
        try:
            secret = own.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as why:  # a point of small order: anybody could compute the secret
            raise ValueError(f"The key at place {other} gives no secret.") from why
        stream = _stream(secret, transcript, info, len(vector))
        total = total + stream if place == low else total - stream
    return total


def total(vectors: Sequence[Vector]) -> npt.NDArray[np.int64]:
    """Return the sum of the vectors of all portals modulo 2^64, read as signed numbers. Shape (n,). Raises ValueError
    for none, and for vectors of different lengths."""
    if not vectors or len({each.shape for each in vectors}) != 1:
        raise ValueError("Add up at least one vector, and vectors of one length.")
    found = np.zeros_like(_unsigned(vectors[0]))
    for each in vectors:
        found += _unsigned(each)
    return found.view(np.int64)


def _check(  # noqa: PLR0913, PLR0917 -- as `masked`
    vector: Vector,
    private: bytes,
    place: int,
    publics: Sequence[bytes],
    transcript: bytes,
    round_: int,
    input_sha256: bytes,
) -> None:
    _unsigned(vector)
    if not 2 <= len(publics) <= MOST_PORTALS or not 0 <= place < len(publics):
        raise ValueError(f"There is no place {place} among {len(publics)} portals.")
    for public in publics:
        _check_public(public)
    if len(set(publics)) < len(publics):
        raise ValueError("Two portals have the same key.")
    if publics[place] != public_of(private):
        raise ValueError("The own key is not at its place.")
    if len(transcript) != KEY or len(input_sha256) != KEY:
        raise ValueError(f"A SHA-256 has {KEY} bytes.")
    if round_ < 0:
        raise ValueError("Rounds are counted from 0.")


def _check_public(public: bytes) -> None:
    if len(public) != KEY or int.from_bytes(public, "little") >= PRIME:
        raise ValueError(f"A public key has {KEY} bytes, in its one spelling.")


def _unsigned(vector: Vector) -> Vector:
    if vector.dtype != np.uint64 or vector.ndim != 1 or not len(vector):
        raise ValueError("A vector is a row of unsigned 64-bit numbers.")
    return vector


def _stream(secret: bytes, salt: bytes, info: bytes, length: int) -> Vector:
    """Return the numbers that two portals share. The key is used for this stream alone, so its nonce may be zero."""
    key = HKDF(algorithm=SHA256(), length=KEY, salt=salt, info=info).derive(secret)
    stream = Cipher(AES(key), CTR(bytes(16))).encryptor()
    return np.frombuffer(stream.update(bytes(8 * length)), dtype="<u8").astype(np.uint64)
