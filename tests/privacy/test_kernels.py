"""Counts in one compiled pass are those of the reference, whatever is filtered, missing, clipped or left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine.contributions import ONE, SUM, contribute
from privacy.engine.evaluate import EVERYWHERE
from privacy.engine.kernels import add_counts

CELLS = 4


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), filtered=st.booleans(), missing=st.booleans(), partly=st.booleans())
def test_counts_by_group_are_those_of_the_reference(share, seed, filtered, missing, partly):
    draw = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(draw.integers(0, 7, 12))]).astype(np.int64)
    rows, people = int(offsets[-1]), len(offsets) - 1
    codes = draw.integers(0, CELLS, rows).astype(np.int8)
    keep = draw.random(rows) < 0.5 if filtered else EVERYWHERE
    coded = draw.random(rows) < 0.5 if missing else EVERYWHERE
    active = draw.random(people) < 0.5 if partly else EVERYWHERE
    weight = round(share * ONE)
    total, squares = np.zeros((CELLS, 1), dtype=np.int64), np.empty(people, dtype=np.int64)
    add_counts(offsets, keep, codes, coded, weight, active, total, squares)

    there = np.logical_and.reduce([np.ones(rows, bool), *(flags for flags in (keep, coded) if len(flags))])
    expected = contribute(
        offsets,
        np.where(there, codes, -1).astype(np.int32),
        np.full((rows, 1), weight, dtype=np.int64),
        size=CELLS,
        mode=SUM,
        active=active if partly else None,
    )
    assert total.tolist() == expected.total.tolist()
    assert squares.tolist() == expected.squares.tolist()
