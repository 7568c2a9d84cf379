"""Channel layer over Valkey that synchronous code can publish to.

Channels would start an event loop, connect, publish and disconnect for every message. This layer keeps a few
connections per process and sends a batch of messages at once.
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

from common.live import LATELY

logger = logging.getLogger(__name__)

DEAF_SECONDS = 5.0
"""How long publishing is skipped after a timeout, so that not every change waits for a server that hangs."""

CONNECTIONS = 8
TYPES = {"object.changed", "session.ended"}
"""The message types of this portal. Other publishers must not be able to call other methods of a consumer."""
IGNORED = {"type": "message.ignored"}


class ChannelLayer(RedisPubSubChannelLayer):
    """Valkey's publish/subscribe with a synchronous publish()."""

    def __init__(self, *args: Any, address: str, prefix: str = "asgi", **options: Any) -> None:
        super().__init__(*args, hosts=[{"address": address, **options}], prefix=prefix)
        self._address, self._prefix, self._options = address, prefix, options
        self._deaf_until = 0.0

    @cached_property
    def _client(self) -> "Redis":
        # One retry: an idle connection may have been closed by the server.
        options = {**self._options, "retry": Retry(NoBackoff(), 1)}
        pool = BlockingConnectionPool.from_url(
            self._address, max_connections=CONNECTIONS, timeout=1, **options
        )
        return Redis(connection_pool=pool)

    def deserialize(self, message: bytes) -> dict[str, str]:
        """Return the message, or IGNORED if it is not ours: a foreign message must not end the socket."""
        try:
            content = super().deserialize(message)
        except (ValueError, TypeError):  # every error of msgpack is one of these
            return IGNORED
        is_ours = (
            isinstance(content, dict) and content.get("type") in TYPES and isinstance(content.get("key"), str)
        )
        return content if is_ours else IGNORED

    def publish(self, messages: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Send each message to its group, without retries later: messages are hints only."""
        if time.monotonic() < self._deaf_until:
            return
        named = [(self._channel(group), self.serialize(dict(one))) for group, one in messages]
        try:
            self._send(named)
        except failures.TimeoutError as bad:
            self._deaf_until = time.monotonic() + DEAF_SECONDS
            logger.warning("Open pages are not notified of changes for %.0f s: %s", DEAF_SECONDS, bad)
        except failures.RedisError as bad:  # such as a refused connection, which costs no time: no pause
            logger.warning("Open pages are not notified of a change: %s", bad)

    def had_message(self, groups: Iterable[str], *, within: float) -> set[str]:
        """Return the groups that had a message in the last `within` seconds, at most LATELY.

        All of them if that cannot be found out.
        """
        named = list(groups)
        pipeline = self._client.pipeline(transaction=False)
        for group in named:
            pipeline.pttl(self._mark(self._channel(group)))
        try:
            left = pipeline.execute()
        except failures.RedisError as bad:
            logger.warning("Pages are fetched again, because recent changes are not known: %s", bad)
            return set(named)
        # A mark lives for LATELY seconds, so what is left of its life tells when it was made, by one clock.
        return {
            group for group, life in zip(named, left, strict=True) if life / 1000 >= max(0.0, LATELY - within)
        }

    def _channel(self, group: str) -> str:
        return f"{self._prefix}__group__{group}"

    @staticmethod
    def _mark(channel: str) -> str:
        return f"{channel}:lately"

    def _send(self, named: list[tuple[str, bytes]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for channel, body in named:
            # Marked first: who starts to listen after the message finds the mark.
            pipeline.set(self._mark(channel), b"", ex=LATELY)
            pipeline.publish(channel, body)
        pipeline.execute()
