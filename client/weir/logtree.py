"""What a proof from the signed log shows: the verifying half of RFC 9162, section 2.1, with salted leaves.

The portal has code of its own for this. Both pass the same test vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from weir.strict import HASH

MAX_LEAVES = 2**62
LONGEST_PROOF = 2 * 62
"""Hashes of a proof in the largest log."""


def leaf_hash(salt: bytes, entry: bytes) -> bytes:
    """Return the hash of a leaf. Raises ValueError for a salt that has not 32 bytes: its length is not hashed."""
    if len(salt) != HASH:
        raise ValueError(f"A salt has {HASH} bytes, not {len(salt)}.")
    return hashlib.sha256(b"\x00" + salt + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> bool:
    """Return whether the proof shows that `leaf` is number `index` of the `size` leaves under a root (2.1.3.2)."""
    if not 0 <= index < size <= MAX_LEAVES or not _are_hashes([leaf, root_hash, *proof]):
        return False
    number, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(step, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, step)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root_hash


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that a tree only grew from the old root to the new one (2.1.4.2)."""
    if not 0 < old <= new <= MAX_LEAVES or not _are_hashes([old_root, new_root, *proof]):
        return False
    if old == new:
        return not proof and old_root == new_root
    steps = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not steps:
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    return _grown(steps, number, last) == (old_root, new_root)


def _grown(steps: Sequence[bytes], number: int, last: int) -> tuple[bytes, bytes] | None:
    """Return the old and the new root to which the steps lead; None if their number is wrong."""
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if number & 1 or number == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, step)
        number, last = number >> 1, last >> 1
    return (first, second) if last == 0 else None


def _are_hashes(given: Sequence[bytes]) -> bool:
    return len(given) <= 3 + LONGEST_PROOF and all(len(each) == HASH for each in given)
