"""Tell open pages that something changed: never what, so that content is authorised in one place, the page."""

from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from common import commit


def group(key: str) -> str:
    """The channel layer's name for a key such as `run:<uuid>`."""
    return key.replace(":", ".")


def changed(kind: str, pk: UUID | str) -> None:
    """After commit, tell those who watch `kind:pk`."""
    commit.after(_send, f"{kind}:{pk}", {"type": "object.changed"})


def close_sockets(user_pk: UUID | str) -> None:
    """After commit, end every socket of this person."""
    commit.after(_send, f"user:{user_pk}", {"type": "session.ended"})


def _send(key: str, message: dict[str, str]) -> None:
    layer = get_channel_layer()
    if layer is not None:
        async_to_sync(layer.group_send)(group(key), {**message, "key": key})
