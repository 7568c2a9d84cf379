"""The cache in Valkey. Values are JSON, signed with the portal's key.

Somebody who can write to that server must not be able to run code in this process or mislead it. A value without a
valid signature counts as absent.
"""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.core import signing
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.utils.functional import cached_property
from redis.exceptions import ResponseError

from common import plain_json

Key = str | bytes | memoryview
ABSENT = object()
LONGEST_VALUE = 100_000


class Serializer:
    """Serializes values as signed JSON."""

    @cached_property
    def _signer(self) -> signing.Signer:
        return signing.Signer(salt="weir.cache")

    def dumps(self, obj: Any) -> bytes:
        text = json.dumps(obj, allow_nan=False, separators=(",", ":"))
        if json.loads(text) != obj:
            raise TypeError(
                f"{type(obj).__name__} does not survive JSON: the cache would return a different value."
            )
        return self._signer.sign(text).encode()

    def loads(self, data: Any) -> Any:
        """Return the value, or ABSENT unless this portal wrote it."""
        if len(data) > LONGEST_VALUE:
            return ABSENT
        try:
            return plain_json.loads(self._signer.unsign(data.decode()))
        except (signing.BadSignature, ValueError):
            return ABSENT


class Client(RedisCacheClient):
    """Django's client, except that unreadable values count as absent."""

    def get(self, key: Key, default: Any) -> Any:
        try:
            value = super().get(key, ABSENT)
        except ResponseError as bad:
            if not str(bad).startswith("WRONGTYPE"):
                raise
            return default
        return default if value is ABSENT else value

    def get_many(self, keys: Iterable[Key]) -> dict[Key, Any]:
        return {key: value for key, value in super().get_many(list(keys)).items() if value is not ABSENT}

    def incr(self, key: Key, delta: int) -> int:
        raise NotImplementedError("The cache cannot increment: its values are signed.")


class Cache(RedisCache):
    """A cache with one connection pool per process. Django would create one per context."""

    _servers: list[str]
    _options: dict[str, Any]

    @cached_property
    def _cache(self) -> Client:
        return _client(tuple(self._servers), tuple(self._options.items()))


@cache
def _client(servers: tuple[str, ...], options: tuple[tuple[str, Any], ...]) -> Client:
    return Client(list(servers), serializer=Serializer, **dict(options))
