"""The client imports nothing of the portal, so it writes parts of a budget by itself: in the same words."""

import pytest

from privacy import shares as portal
from weir import shares

SHARES = [0, 1e-9, 1e-4, 0.00949, 0.0095, 0.0994, 0.0995, 0.5, 1, 1.01, 1.049, 1.05, 9.94, 9.95, 322.27, 1e9]


@pytest.mark.parametrize("share", SHARES)
def test_both_write_the_same(share: float):
    assert shares.percent(share) == portal.percent(share)
    assert shares.of_budget(share) == portal.of_budget(share).replace("your", "the")
