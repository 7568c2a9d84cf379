"""Celery's transport over Valkey, for which a restart of the server is no reason to end a worker.

kombu keeps what was delivered and not yet acknowledged with the channel it came by. When that connection has been cut,
it asks the closed connection for the server's address and fails with an AttributeError; Celery takes this for
unrecoverable and ends the worker with all that it runs. Here such a message is let go: the server delivers it again
after its timeout, and every task can bear that.

A worker whose hands are full does not listen, and notices a server that is gone by an acknowledgement that fails. kombu
would count that message as still in hand, and the worker would never listen again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.worker import consumer
from kombu.transport import TRANSPORT_ALIASES, redis, virtual


class QoS(redis.QoS):
    """What was delivered over one channel."""

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
    """A channel with our bookkeeping."""

    QoS = QoS


class Transport(redis.Transport):
    """Valkey or Redis, by TCP or by socket."""

    Channel = Channel


class Consumer(consumer.Consumer):
    """A worker that hears its queues and nothing else: no gossip, no events, no orders from other workers."""

    def __init__(self, *args: Any, **options: Any) -> None:
        silent = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        super().__init__(*args, **{**options, **silent, "task_events": False})


@contextmanager
def mutex(client: Any, name: str, expire: int) -> Iterator[None]:
    """kombu's own is given back by a script, and the portal's users of Valkey may not run any."""
    if not client.set(name, "held", nx=True, ex=expire):
        raise redis.MutexHeld
    try:
        yield
    finally:
        client.delete(name)


def install() -> None:
    """Have kombu use it for the addresses of Valkey and Redis."""
    redis.Mutex = mutex
    for scheme in ("redis", "rediss", "redis+socket"):
        TRANSPORT_ALIASES[scheme] = "portal.broker:Transport"
