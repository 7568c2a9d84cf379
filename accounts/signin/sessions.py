"""Database sessions with the person as a column, so that a suspension can end all of them."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession

from accounts.models import Session


class SessionStore(db.SessionStore):
    """Django's database store whose rows also name the person, their device and the time of sign-in."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        return _described(super().create_model_instance(data), data)

    async def acreate_model_instance(self, data: dict[str, Any]) -> Session:
        return _described(await super().acreate_model_instance(data), data)


def _described(row: AbstractBaseSession, data: dict[str, Any]) -> Session:
    """Fill in the person, device and time from the session's data."""
    if not isinstance(row, Session):  # get_model_class rules this out
        raise TypeError(f"{row!r} is not an accounts.Session.")
    row.user_id = data.get(SESSION_KEY)
    row.device = data.get("device", "")
    row.signed_in_at = data.get("signed_in_at")
    row.client = data.get("client")
    return row
