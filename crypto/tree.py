"""The Merkle tree over the log: appending, proofs, and their verification.

Hashes, proofs and verification are those of RFC 9162, Certificate Transparency 2.0, section 2.1. One thing is added:
a leaf hashes 32 random bytes before the entry. Texts of entries can be guessed, and without this salt a proof for one
entry, which holds the hash of its neighbour, would confirm a guess of what the neighbour says.

The tree is stored in tiles, as in C2SP tlog-tiles: tile n of level k holds the roots of the 256 subtrees with 256^k
leaves each that begin at leaf n * 256^(k + 1), side by side; the last one of each level may hold fewer. Only whole
subtrees are stored, so a hash that is stored never changes.
"""

import hashlib
from collections.abc import Callable, Sequence

HASH = 32
"""Bytes of a hash, and of a salt."""
WIDTH = 256
"""Hashes in a full tile."""
BITS = 8
EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""
MAX_LEAVES = 2**62
Place = tuple[int, int]
"""The level of a tile, and its number in the level."""
Read = Callable[[int, int], bytes]
"""Returns a tile: its hashes side by side, `HASH` bytes each. b"" if nothing is stored there."""


def leaf_hash(salt: bytes, entry: bytes) -> bytes:
    """Return the hash of a leaf. Raises ValueError for a salt that has not 32 bytes: its length is not hashed."""
    if len(salt) != HASH:
        raise ValueError(f"A salt has {HASH} bytes, not {len(salt)}.")
    return hashlib.sha256(b"\x00" + salt + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append(read: Read, size: int, leaves: Sequence[bytes]) -> dict[Place, bytes]:
    """Return the tiles that change, whole, when the hashes of these leaves follow the first `size` leaves.

    Raises ValueError for a leaf that is no hash, and if the tiles before it are not all there.
    """
    if any(len(each) != HASH for each in leaves):
        raise ValueError(f"A leaf is a hash of {HASH} bytes.")
    changed: dict[Place, bytes] = {}
    level, first, fresh = 0, size, list(leaves)
    while fresh:
        filled = []
        for number in range(first // WIDTH, (first + len(fresh) - 1) // WIDTH + 1):
            begin = number * WIDTH
            kept = read(level, number)[: (first - begin) * HASH] if begin < first else b""
            if len(kept) != max(0, first - begin) * HASH:
                raise ValueError(f"Tile {number} of level {level} has lost hashes.")
            data = kept + b"".join(fresh[max(0, begin - first) : begin + WIDTH - first])
            changed[level, number] = data
            if len(data) == WIDTH * HASH:
                filled.append(_fold(_hashes(data)))
        level, first, fresh = level + 1, first // WIDTH, filled
    return changed


def root(read: Read, size: int) -> bytes:
    """Return the root over the first `size` leaves."""
    return _subtree(read, 0, size) if size else EMPTY


def inclusion(read: Read, index: int, size: int) -> list[bytes]:
    """Return the proof that leaf `index` is among the first `size` leaves (RFC 9162, 2.1.3.1), from the leaf up.

    Raises ValueError for an index that is not among them.
    """
    if not 0 <= index < size:
        raise ValueError(f"Leaf {index} is not among {size} leaves.")
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_subtree(read, middle, end))
            end = middle
        else:
            path.append(_subtree(read, begin, middle))
            begin = middle
    return path[::-1]


def consistency(read: Read, old: int, new: int) -> list[bytes]:
    """Return the proof that the first `new` leaves begin with the first `old` ones (RFC 9162, 2.1.4.1).

    Empty if the sizes are equal. Raises ValueError unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError(f"A tree of {new} leaves does not follow one of {old}.")
    begin, end, path, whole = 0, new, [], True
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_subtree(read, middle, end))
            end = middle
        else:
            path.append(_subtree(read, begin, middle))
            begin, whole = middle, False
    if not whole:
        path.append(_subtree(read, begin, end))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> bool:
    """Return whether the proof shows that `leaf` is number `index` of the `size` leaves under a root (2.1.3.2)."""
    if not 0 <= index < size <= MAX_LEAVES or not _are_hashes([leaf, root_hash, *proof]):
        return False
    sides = _sides(index, size - 1, len(proof))
    if sides is None:
        return False
    found = leaf
    for step, is_left in zip(proof, sides, strict=True):
        found = node_hash(step, found) if is_left else node_hash(found, step)
    return found == root_hash


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that a tree only grew from the old root to the new one (2.1.4.2)."""
    if not 0 < old <= new <= MAX_LEAVES or not _are_hashes([old_root, new_root, *proof]):
        return False
    if old == new:
        return not proof and old_root == new_root
    steps = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    ends = (old & -old).bit_length() - 1  # the level of the old tree's last whole subtree: the first step
    sides = _sides((old - 1) >> ends, (new - 1) >> ends, len(steps) - 1)
    if sides is None:
        return False
    first = second = steps[0]
    for step, is_left in zip(steps[1:], sides, strict=True):
        first = node_hash(step, first) if is_left else first
        second = node_hash(step, second) if is_left else node_hash(second, step)
    return (first, second) == (old_root, new_root)


def _sides(place: int, last: int, steps: int) -> list[bool] | None:
    """Return for each step from a node to the root whether the other node is on its left.

    `place`: the node's number in its level, of which `last` is the last one. None if another number of steps is right.
    """
    sides = []
    while last:
        if place % 2 or place < last:
            sides.append(place % 2 == 1)
        place, last = place >> 1, last >> 1
    return sides if len(sides) == steps else None


def _are_hashes(given: Sequence[bytes]) -> bool:
    return len(given) <= 3 + 2 * 62 and all(len(each) == HASH for each in given)


def _split(leaves: int) -> int:
    """Return the largest power of two below a number of leaves."""
    return 1 << (leaves - 1).bit_length() - 1


def _subtree(read: Read, begin: int, end: int) -> bytes:
    """Return the root over leaves from `begin` to before `end`, of which the whole tree has one node."""
    leaves = end - begin
    if leaves & (leaves - 1) == 0:
        return _whole(read, begin, leaves)
    middle = begin + _split(leaves)
    return node_hash(_subtree(read, begin, middle), _subtree(read, middle, end))


def _whole(read: Read, begin: int, leaves: int) -> bytes:
    """Return the root over a whole subtree, from the tile that holds its hash or the hashes right below it."""
    level = (leaves.bit_length() - 1) // BITS
    first, many = begin >> BITS * level, leaves >> BITS * level
    number, place = divmod(first, WIDTH)
    found = _hashes(read(level, number)[place * HASH : (place + many) * HASH])
    if len(found) != many:
        raise ValueError(f"Tile {number} of level {level} has lost hashes.")
    return _fold(found)


def _hashes(data: bytes) -> list[bytes]:
    return [data[at : at + HASH] for at in range(0, len(data), HASH)]


def _fold(hashes: list[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]
