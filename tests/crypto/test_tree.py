"""The tree of the log against published vectors and the recursive definitions of RFC 9162, in both implementations."""

import hashlib
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import tree
from tests.crypto.making import Log, digest, vectors
from weir import logtree

CT = vectors("ct")
LEAVES = [hashlib.sha256(b"\x00" + bytes.fromhex(each)).digest() for each in CT["leaves"]]
ROOTS = [bytes.fromhex(each) for each in CT["roots"]]
MANY = [digest(f"leaf {number}") for number in range(70_000)]
LARGE = Log(MANY)

both = pytest.mark.parametrize("verifier", [tree, logtree], ids=["portal", "client"])


def steps(case: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(each) for each in case["proof"]]


def largest_power_below(many: int) -> int:
    power = 1
    while power * 2 < many:
        power *= 2
    return power


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1.1, over leaves that are hashed."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    at = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:at]) + naive_root(leaves[at:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    at = largest_power_below(len(leaves))
    if index < at:
        return [*naive_path(index, leaves[:at]), naive_root(leaves[at:])]
    return [*naive_path(index - at, leaves[at:]), naive_root(leaves[:at])]


def naive_subproof(old: int, leaves: list[bytes], *, is_whole: bool = True) -> list[bytes]:
    """SUBPROOF of section 2.1.4.1."""
    if old == len(leaves):
        return [] if is_whole else [naive_root(leaves)]
    at = largest_power_below(len(leaves))
    if old <= at:
        return [*naive_subproof(old, leaves[:at], is_whole=is_whole), naive_root(leaves[at:])]
    return [*naive_subproof(old - at, leaves[at:], is_whole=False), naive_root(leaves[:at])]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_certificate_transparency(size: int):
    expected = ROOTS[size - 1] if size else bytes.fromhex(CT["empty"])
    assert Log(LEAVES).root(size) == expected == Log(LEAVES[:size]).root()


@both
@pytest.mark.parametrize("case", CT["inclusion"], ids=lambda case: f"{case['index']} of {case['size']}")
def test_proofs_of_inclusion_are_the_published_ones(verifier: ModuleType, case: dict[str, Any]):
    index, size, proof = case["index"], case["size"], steps(case)
    assert Log(LEAVES).inclusion(index, size) == proof
    assert verifier.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])


@both
@pytest.mark.parametrize("case", CT["consistency"], ids=lambda case: f"{case['old']} to {case['new']}")
def test_proofs_of_consistency_are_the_published_ones(verifier: ModuleType, case: dict[str, Any]):
    old, new, proof = case["old"], case["new"], steps(case)
    assert Log(LEAVES).consistency(old, new) == proof
    assert verifier.verify_consistency(old, ROOTS[old - 1], new, ROOTS[new - 1], proof)


def test_a_leaf_hashes_its_salt_before_the_entry():
    expected = "22335ae8401c9f222789ccc1661c71d3a2ca9bfbf16a8e7d6d11d382f1244a4f"
    found = tree.leaf_hash(b"\x01" * 32, b"entry")
    assert (
        found
        == logtree.leaf_hash(b"\x01" * 32, b"entry")
        == hashlib.sha256(b"\0" + b"\1" * 32 + b"entry").digest()
    )
    assert found.hex() == expected


@both
@pytest.mark.parametrize("salt", [b"", b"\x00" * 31, b"\x00" * 33])
def test_a_salt_has_32_bytes_so_that_no_entry_begins_inside_it(verifier: ModuleType, salt: bytes):
    with pytest.raises(ValueError, match="A salt has 32 bytes"):
        verifier.leaf_hash(salt, b"entry")


@pytest.mark.parametrize("size", [*range(1, 18), 255, 256, 257, 300, 511, 513])
def test_roots_and_proofs_are_those_of_the_definitions(size: int):
    leaves = MANY[:size]
    assert LARGE.root(size) == naive_root(leaves)
    for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        assert LARGE.inclusion(index, size) == naive_path(index, leaves)
    for old in {1, 2, size // 2, size // 2 + 1, size - 1, size} & set(range(1, size + 1)):
        assert LARGE.consistency(old, size) == naive_subproof(old, leaves)


@given(st.data())
def test_each_proof_holds_and_no_other_place_or_size_does(data: st.DataObject):
    size = data.draw(st.integers(1, 70_000))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    other = data.draw(st.integers(0, 70_000))
    inclusion, consistency = LARGE.inclusion(index, size), LARGE.consistency(old, size)
    roots = LARGE.root(size), LARGE.root(old)
    for verifier in (tree, logtree):
        assert verifier.verify_inclusion(MANY[index], index, size, inclusion, roots[0])
        assert verifier.verify_consistency(old, roots[1], size, roots[0], consistency)
        assert verifier.verify_inclusion(MANY[index], other, size, inclusion, roots[0]) == (other == index)
        assert verifier.verify_consistency(other, roots[1], size, roots[0], consistency) == (other == old)
        assert not verifier.verify_inclusion(MANY[other % 70_000], index, size, inclusion, roots[0]) or (
            other % 70_000 == index
        )


@given(st.lists(st.integers(0, 300), max_size=6))
def test_it_does_not_matter_in_how_many_steps_a_log_grows(steps: list[int]):
    log = Log()
    for many in steps:
        log.add(MANY[log.size : log.size + many])
    assert log.tiles == Log(MANY[: log.size]).tiles
    assert log.root() == LARGE.root(log.size)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (256, {(0, 0): 256, (1, 0): 1}),
        (70_000, {(0, 273): 112, (1, 0): 256, (1, 1): 17, (2, 0): 1}),
    ],
)
def test_tiles_are_those_of_the_examples_of_tlog_tiles(size: int, expected: dict[tuple[int, int], int]):
    tiles = {place: len(data) // 32 for place, data in Log(MANY[:size]).tiles.items()}
    assert {place: tiles.get(place) for place in expected} == expected
    assert len(tiles) == sum(-(-(size // 256**level) // 256) for level in range(3))
    assert all(many == 256 for place, many in tiles.items() if place not in expected)


@both
def test_every_changed_bit_of_a_proof_is_refused(verifier: ModuleType):
    size, index, old = 11, 6, 7
    log = Log(MANY[:size])
    inclusion, consistency = log.inclusion(index), log.consistency(old)
    root, old_root = log.root(), log.root(old)

    def includes(parts: list[bytes]) -> bool:
        return verifier.verify_inclusion(parts[0], index, size, parts[2:], parts[1])

    def follows(parts: list[bytes]) -> bool:
        return verifier.verify_consistency(old, parts[0], size, parts[1], parts[2:])

    for holds, parts in (
        (includes, [MANY[index], root, *inclusion]),
        (follows, [old_root, root, *consistency]),
    ):
        assert holds(parts)
        for place, part in enumerate(parts):
            for bit in range(256):
                changed = (int.from_bytes(part, "big") ^ 1 << bit).to_bytes(32, "big")
                assert not holds([*parts[:place], changed, *parts[place + 1 :]])


@both
def test_proofs_of_another_length_are_refused(verifier: ModuleType):
    for size in range(1, 20):
        for number in range(size):
            proof, root = LARGE.inclusion(number, size), LARGE.root(size)
            old, grown, old_root = number + 1, LARGE.consistency(number + 1, size), LARGE.root(number + 1)
            for extra in (b"\x00" * 32, root, MANY[0]):
                for longer in ([*proof, extra], [extra, *proof]):
                    assert not verifier.verify_inclusion(MANY[number], number, size, longer, root)
                for longer in ([*grown, extra], [extra, *grown]):
                    assert not verifier.verify_consistency(old, old_root, size, root, longer)
            for at in range(len(proof)):
                shorter = proof[:at] + proof[at + 1 :]
                assert not verifier.verify_inclusion(MANY[number], number, size, shorter, root)
            for at in range(len(grown)):
                assert not verifier.verify_consistency(
                    old, old_root, size, root, grown[:at] + grown[at + 1 :]
                )


@both
def test_what_cannot_be_a_proof_is_refused(verifier: ModuleType):
    root = LARGE.root(8)
    leaf, proof, grown = MANY[5], LARGE.inclusion(5, 8), LARGE.consistency(5, 8)
    for index, size in ((5, 0), (8, 8), (9, 8), (-1, 8), (-3, -2), (5, 2**62 + 1)):
        assert not verifier.verify_inclusion(leaf, index, size, proof, root)
    for old, new in ((0, 8), (-5, 8), (5, 4), (0, 0), (5, 2**62 + 1)):
        assert not verifier.verify_consistency(old, LARGE.root(5), new, root, grown)
    for odd in (b"", b"\x00" * 31, b"\x00" * 33):
        assert not verifier.verify_inclusion(odd, 5, 8, proof, root)
        assert not verifier.verify_inclusion(leaf, 5, 8, [odd, *proof[1:]], root)
        assert not verifier.verify_inclusion(leaf, 5, 8, proof, odd)
        assert not verifier.verify_consistency(5, odd, 8, root, grown)
    assert not verifier.verify_inclusion(leaf, 5, 8, [root] * 200, root)
    assert not verifier.verify_consistency(3, LARGE.root(3), 8, root, [])
    assert not verifier.verify_consistency(8, root, 8, root, [root])
    assert not verifier.verify_consistency(8, LARGE.root(7), 8, root, [])


@both
def test_a_node_is_no_leaf(verifier: ModuleType):
    """Otherwise somebody could say that a node's hash is that of an entry, in a smaller tree with the same root."""
    left, right = LARGE.root(2), verifier.node_hash(*MANY[2:4])
    assert verifier.verify_inclusion(left, 0, 2, [right], LARGE.root(4))  # so sizes are signed with roots
    assert not verifier.verify_inclusion(left, 0, 4, [right], LARGE.root(4))
    assert verifier.leaf_hash(MANY[0], MANY[1]) != verifier.node_hash(MANY[0], MANY[1])


@both
def test_the_largest_log_has_proofs_too(verifier: ModuleType):
    """All its leaves are alike, so that each level has one hash."""
    proof = [MANY[0]]
    for _ in range(61):
        proof.append(verifier.node_hash(proof[-1], proof[-1]))
    root = verifier.node_hash(proof[-1], proof[-1])
    for index in (0, 1, 2**61, 2**62 - 1):
        assert verifier.verify_inclusion(MANY[0], index, 2**62, proof, root)
    assert not verifier.verify_inclusion(MANY[0], 0, 2**62, proof[:-1], root)


def test_a_log_that_has_lost_or_changed_hashes_says_so():
    log = Log(MANY[:300])
    for index, size in ((300, 300), (-1, 300), (0, 0)):
        with pytest.raises(ValueError, match="is not among"):
            log.inclusion(index, size)
    for old, new in ((0, 5), (6, 5)):
        with pytest.raises(ValueError, match="does not follow"):
            log.consistency(old, new)
    with pytest.raises(ValueError, match="A leaf is a hash of 32 bytes"):
        log.add([b"entry"])
    good = log.inclusion(7)
    log.tiles[0, 0] = bytes([log.tiles[0, 0][0] ^ 1]) + log.tiles[0, 0][1:]
    assert not tree.verify_inclusion(MANY[7], 7, 300, log.inclusion(7), LARGE.root(300))
    assert log.inclusion(7) != good
    log.tiles[0, 1] = log.tiles[0, 1][:-32]
    with pytest.raises(ValueError, match="Tile 1 of level 0 has lost hashes"):
        log.root()
    with pytest.raises(ValueError, match="Tile 1 of level 0 has lost hashes"):
        log.add(MANY[300:301])


def test_hashes_behind_the_size_are_not_read():
    """Those of a transaction that was rolled back, or of a larger tree."""
    log = Log(MANY[:300])
    log.size = 290
    log.add(MANY[1000:1010])
    assert log.root() == Log([*MANY[:290], *MANY[1000:1010]]).root()
