"""Blocks of people for automatic code: who is in which, from each person's own keyed digest alone."""

from typing import Any

import numpy as np
import numpy.typing as npt

from privacy.engine.measure.contributions import Integers

MOST = 2**31


def block_numbers(digests: npt.NDArray[np.uint8], blocks: int) -> Integers:
    """Return the block of each person, from 0 to blocks - 1: floor(D blocks / 2**64), exactly. Shape (people,).

    `digests` (people, 16): the keyed digest of each person, of which D is the first 8 bytes, big-endian. The block
    depends on nobody else, so whoever comes or leaves changes no other person's block. Blocks of equal size, cut from a
    sorted list, would not do: one person more moves the ends of all later blocks, and so people between them, and the
    answers of many blocks change instead of one. Raises ValueError for another shape, or for blocks outside 1 to 2**31.
    """
    if digests.dtype != np.uint8 or digests.ndim != 2 or digests.shape[1] < 8:
        raise ValueError("A digest has at least 8 bytes.")
    if not 1 <= blocks <= MOST:
        raise ValueError(f"There can be 1 to {MOST:,} blocks, not {blocks}.")
    first = np.ascontiguousarray(digests[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    # floor((h 2**32 + l) k / 2**64) = floor((h k + floor(l k / 2**32)) / 2**32), in which every product fits 63 bits.
    many, half = np.uint64(blocks), np.uint64(32)
    high, low = first >> half, first & np.uint64(2**32 - 1)
    found: npt.NDArray[Any] = (high * many + (low * many >> half)) >> half
    return found.astype(np.int64)
