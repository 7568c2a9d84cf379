"""Celery transport over Valkey whose workers survive a restart of the server.

kombu keeps unacknowledged messages with the channel that delivered them. After the connection is cut, it asks the
closed connection for the server's address and fails with an AttributeError, which Celery treats as unrecoverable: it
ends the worker and everything it runs. This transport drops such messages: the server redelivers them after its
visibility timeout, and every task tolerates redelivery.

A worker at full concurrency does not read from the server and notices its loss only when an acknowledgement fails.
kombu would count that message as unacknowledged for ever, and the worker would never read again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.worker import consumer
from kombu.transport import TRANSPORT_ALIASES, redis, virtual


class QoS(redis.QoS):
    """The unacknowledged messages of one channel."""

    @property
    def _is_cut_off(self) -> bool:
        transport: Any = self.channel.connection
        return transport is None or transport.client is None

    def restore_unacked(self, client: Any = None) -> None:
        if self._is_cut_off:
            kept: Any = self._delivered
            kept.clear()
            return
        super().restore_unacked(client)

    @contextmanager
    def _forgetting_if_lost(self, delivery_tag: str) -> Iterator[None]:
        channel: Any = self.channel
        try:
            yield
        except channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def ack(self, delivery_tag: str) -> None:
        if self._is_cut_off:
            virtual.QoS.ack(self, delivery_tag)
            return
        with self._forgetting_if_lost(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 -- kombu's own
        if self._is_cut_off:
            virtual.QoS.ack(self, delivery_tag)
            return
        with self._forgetting_if_lost(delivery_tag):
            super().reject(delivery_tag, requeue)


class Channel(redis.Channel):
    """A channel that uses our QoS."""

    QoS = QoS


class Transport(redis.Transport):
    """Valkey or Redis, over TCP or a unix socket."""

    Channel = Channel


class Consumer(consumer.Consumer):
    """A worker that reads its queues only: no gossip, no events, no remote control."""

    def __init__(self, *args: Any, **options: Any) -> None:
        silent = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        super().__init__(*args, **{**options, **silent, "task_events": False})


@contextmanager
def mutex(client: Any, name: str, expire: int) -> Iterator[None]:
    """Replace kombu's mutex, which is released by a Lua script: the portal's Valkey users may not run scripts."""
    if not client.set(name, "held", nx=True, ex=expire):
        raise redis.MutexHeld
    try:
        yield
    finally:
        client.delete(name)


def install() -> None:
    """Register the transport with kombu for the URLs of Valkey and Redis."""
    redis.Mutex = mutex
    for scheme in ("redis", "rediss", "redis+socket"):
        TRANSPORT_ALIASES[scheme] = "portal.broker:Transport"
