"""Counts in the cache that all processes share: calls in a minute, and nonces that were used."""

import hashlib
import time
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache
from redis.exceptions import RedisError

from common.admission import Busy

T = TypeVar("T")
MINUTE = 60
KEPT = 2 * MINUTE
AT_ONCE = 32
"""Calls that can arrive together without one of them being refused although there is still room."""
NONCES_KEPT = 300
"""Seconds. A call counts for one minute, and clocks may differ by another."""


def take(who: str, most: int) -> bool:
    """Take one of `most` places of this minute. Raises Busy if the cache cannot be asked.

    The cache cannot increment, because its values are signed. So each place is a key that only one process can add.
    """
    minute = f"network:{who}:{int(time.time() // MINUTE)}"
    first = int(_asked(lambda: cache.get(minute, 0)))
    for place in range(first, min(first + AT_ONCE, most)):
        if _is_first(f"{minute}:{place}", KEPT):
            _asked(lambda next_one=place + 1: cache.set(minute, next_one, KEPT))  # type: ignore[misc]
            return True
    return False


def is_new(nonce: str) -> bool:
    """Return whether nobody has shown this nonce before, to any process. Raises Busy if the cache cannot be asked."""
    return _is_first(f"network:nonce:{hashlib.sha256(nonce.encode()).hexdigest()}", NONCES_KEPT)


def _is_first(key: str, seconds: int) -> bool:
    return bool(_asked(lambda: cache.add(key, 1, seconds)))


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except RedisError as lost:
        raise Busy("The portal is busy at the moment.") from lost
