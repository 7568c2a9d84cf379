"""The cache in Valkey. Values are JSON, signed with the portal's key.

Whoever can write to that server must not run code in this one, nor confuse it. What this portal has not written counts
as absent.
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
    """Signed JSON, to and from bytes."""

    @cached_property
    def _signer(self) -> signing.Signer:
        return signing.Signer(salt="weir.cache")

    def dumps(self, obj: Any) -> bytes:
        text = json.dumps(obj, allow_nan=False, separators=(",", ":"))
        if json.loads(text) != obj:
            raise TypeError(f"{type(obj).__name__} would not come out of the cache as it went in.")
        return self._signer.sign(text).encode()

    def loads(self, data: Any) -> Any:
        """The value, or ABSENT when this portal has not written it."""
        if len(data) > LONGEST_VALUE:
            return ABSENT
        try:
            return plain_json.loads(self._signer.unsign(data.decode()))
        except (signing.BadSignature, ValueError):
            return ABSENT


class Client(RedisCacheClient):
    """Django's own client, for which a value that cannot be read is no value."""

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
        raise NotImplementedError("The cache does not count: its values are signed.")


class Cache(RedisCache):
    """One pool of connections for the process. Django would make one for each context in which it is used."""

    _servers: list[str]
    _options: dict[str, Any]

    @cached_property
    def _cache(self) -> Client:
        return _client(tuple(self._servers), tuple(self._options.items()))


@cache
def _client(servers: tuple[str, ...], options: tuple[tuple[str, Any], ...]) -> Client:
    return Client(list(servers), serializer=Serializer, **dict(options))
