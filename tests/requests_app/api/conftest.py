"""What tests of the review lane's API share."""

import pytest

from common.rest import rates


@pytest.fixture(autouse=True)
def _fresh_minute():
    rates.counts.clear()
