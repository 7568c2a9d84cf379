"""The channel layer, with a way to publish for code that runs outside an event loop.

Channels would have such code start a loop, connect to Valkey, publish and hang up for each single message. Here a
process keeps a few connections, and sends what belongs together at once.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer
from django.utils.functional import cached_property
from redis import BlockingConnectionPool, Redis
from redis import exceptions as failures
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

DEAF_SECONDS = 5.0
"""So long nothing is said to a server that hangs: who changes things must not wait for it each time."""


CONNECTIONS = 8
SAID = {"object.changed", "session.ended"}
"""What this portal says. Whoever else can publish must not call other methods of whoever listens."""
IGNORED = {"type": "message.ignored"}


class ChannelLayer(RedisPubSubChannelLayer):
    """Valkey's publish and subscribe."""

    def __init__(self, *args: Any, address: str, prefix: str = "asgi", **options: Any) -> None:
        super().__init__(*args, hosts=[{"address": address, **options}], prefix=prefix)
        self._address, self._prefix, self._options = address, prefix, options
        self._deaf_until = 0.0

    @cached_property
    def _client(self) -> "Redis":
        # One retry: a connection that the server has closed meanwhile is no reason to lose a message.
        options = {**self._options, "retry": Retry(NoBackoff(), 1)}
        pool = BlockingConnectionPool.from_url(
            self._address, max_connections=CONNECTIONS, timeout=1, **options
        )
        return Redis(connection_pool=pool)

    def deserialize(self, message: bytes) -> dict[str, str]:
        """What was said, or IGNORED: a foreign message must not end the socket that hears it."""
        try:
            said = super().deserialize(message)
        except (ValueError, TypeError):  # all that msgpack raises is one of these
            return IGNORED
        is_ours = isinstance(said, dict) and said.get("type") in SAID and isinstance(said.get("key"), str)
        return said if is_ours else IGNORED

    def publish(self, messages: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Send each message to its group. They are hints: what cannot be sent now is not sent later."""
        if time.monotonic() < self._deaf_until:
            return
        named = [(f"{self._prefix}__group__{group}", self.serialize(dict(one))) for group, one in messages]
        try:
            self._send(named)
        except failures.TimeoutError as bad:
            self._deaf_until = time.monotonic() + DEAF_SECONDS
            logger.warning("Open pages are not told of changes for %.0f s: %s", DEAF_SECONDS, bad)
        except (
            failures.RedisError
        ) as bad:  # it is not there: that is known at once, and so will be that it is back
            logger.warning("Open pages are not told of a change: %s", bad)

    def _send(self, named: list[tuple[str, bytes]]) -> None:
        if len(named) == 1:  # the usual case, at a third of the price
            self._client.publish(*named[0])
            return
        pipeline = self._client.pipeline(transaction=False)
        for channel, body in named:
            pipeline.publish(channel, body)
        pipeline.execute()
