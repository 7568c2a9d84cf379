"""Sessions in the database that know whose they are, so that a suspension can end them all."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession

from accounts.models import Session


class SessionStore(db.SessionStore):
    """Django's own store; each row also names the person, their device and when they signed in."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        return _described(super().create_model_instance(data), data)

    async def acreate_model_instance(self, data: dict[str, Any]) -> Session:
        return _described(await super().acreate_model_instance(data), data)


def _described(row: AbstractBaseSession, data: dict[str, Any]) -> Session:
    """`row` is one of ours: get_model_class says so."""
    if not isinstance(row, Session):
        raise TypeError(f"{row!r} is not a session that knows its person.")
    row.user_id = data.get(SESSION_KEY)
    row.device = data.get("device", "")
    row.signed_in_at = data.get("signed_in_at")
    row.client = data.get("client")
    return row
