"""Notify open pages that something changed, never what: so content is authorised in one place, the page."""

from uuid import UUID

from channels.layers import get_channel_layer

from common import commit

LATELY = 10
"""Seconds for which a change is remembered, so that a page younger than that is fetched again only if it must be."""
ENDED = "session.ended"
"""The type of a message that some of a person's access has ended: of a session, a token or the account."""


def group(key: str) -> str:
    """Return the channel layer's name for a key such as `run:<uuid>`."""
    return key.replace(":", ".")


def changed(kind: str, *pks: UUID | str) -> None:
    """Notify, after commit, all pages that watch one of the `kind:pk`."""
    if pks:
        commit.after(_send, [f"{kind}:{pk}" for pk in pks], "object.changed")


def close_sockets(user_pk: UUID | str) -> None:
    """Close, after commit, every WebSocket of this person. Their streams and waiting calls check their access again."""
    commit.after(_send, [f"user:{user_pk}"], ENDED)


def _send(keys: list[str], kind: str) -> None:
    get_channel_layer().publish((group(key), {"type": kind, "key": key}) for key in keys)
