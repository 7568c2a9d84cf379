"""What tests of the API of accounts share."""

import pytest
from django.core.cache import cache

from common.rest import rates


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    rates.counts.clear()
    cache.clear()
