"""Blocks of people: exact, and nobody's block depends on anybody else."""

import numpy as np
import pytest

from privacy.engine.measure.blocks import MOST, block_numbers


def digests(firsts):
    """Digests with these first 8 bytes, as whole numbers."""
    return np.array(
        [list(first.to_bytes(8, "big")) + [k % 256] * 8 for k, first in enumerate(firsts)], np.uint8
    )


def drawn(people, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (people, 16), dtype=np.uint8)


@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 20, 454, 1999, 2000, MOST - 1, MOST])
def test_a_block_is_that_of_exact_whole_numbers(blocks):
    edges = [-(-b * 2**64 // blocks) for b in (*range(1, min(blocks, 50)), blocks - 1) if b]
    firsts = [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, *edges, *(edge - 1 for edge in edges)]
    firsts += [int.from_bytes(bytes(row[:8]), "big") for row in drawn(500)]
    found = block_numbers(digests(firsts), blocks)
    assert found.dtype == np.int64
    assert found.tolist() == [first * blocks // 2**64 for first in firsts]
    assert 0 <= found.min() <= found.max() < blocks


def changed_blocks(number):
    """How many blocks hold other people once one person has left, at most over some persons. `number`: as above."""
    people = drawn(3000)
    people = people[np.lexsort(people.T[::-1])]  # as they are stored

    def members(rows):
        blocks = number(rows, 100)
        return [frozenset(map(bytes, rows[blocks == b])) for b in range(100)]

    before = members(people)
    gone = [members(np.delete(people, leaves, axis=0)) for leaves in (0, 1500, 2999)]
    return max(sum(a != b for a, b in zip(before, after, strict=True)) for after in gone)


def test_a_persons_removal_changes_no_other_persons_block():
    assert changed_blocks(block_numbers) == 1


def test_blocks_of_equal_size_would_let_a_person_change_most_of_them():
    assert changed_blocks(lambda rows, blocks: np.arange(len(rows)) * blocks // len(rows)) > 50


def test_blocks_are_about_equally_large_and_any_memory_will_do():
    rows = drawn(20_000)
    found = block_numbers(rows, 20)
    assert np.bincount(found, minlength=20).min() > 850
    wide = np.zeros((20_000, 33), np.uint8)
    wide[:, 3:19] = rows
    assert (block_numbers(wide[:, 3:19], 20) == found).all()
    assert (block_numbers(np.asfortranarray(rows), 20) == found).all()
    assert block_numbers(np.empty((0, 16), np.uint8), 20).shape == (0,)


def test_what_is_no_digest_is_an_error():
    for rows in (np.zeros((3, 7), np.uint8), np.zeros((3, 16)), np.zeros(16, np.uint8)):
        with pytest.raises(ValueError, match="at least 8 bytes"):
            block_numbers(rows, 20)
    for blocks in (0, -1, MOST + 1):
        with pytest.raises(ValueError, match="blocks, not"):
            block_numbers(drawn(3), blocks)
