"""Calls of the API by one person with a new access token."""

from typing import Any
from uuid import UUID, uuid4

from django.test import Client

from accounts.models import User
from tests.rest import bearer

ROOT = "/api/v1"
LANE = ("read", "work", "review")


class As:
    """One person's calls. Without scopes, the token has all that the review lane knows."""

    def __init__(self, person: User, *scopes: str, **token: Any) -> None:
        self.client, self.headers = Client(), bearer(person, *(scopes or LANE), **token)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(ROOT + path, headers={**self.headers, **headers})

    def read(self, path: str) -> Any:
        """Return what a GET that succeeds returns."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def post(self, path: str, body: Any = None, *, key: UUID | None = None, **headers: str) -> Any:
        more = {"Idempotency-Key": str(key)} if key else {}
        sent = {} if body is None else body
        return self.client.post(
            ROOT + path, sent, content_type="application/json", headers={**self.headers, **more, **headers}
        )

    def act(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Return what a POST that succeeds returns."""
        answer = self.post(path, body)
        assert answer.status_code == status, answer.content
        return answer.json()

    def patch(self, path: str, body: Any, *, match: str = "*") -> Any:
        return self.client.patch(
            ROOT + path, body, content_type="application/json", headers={**self.headers, "If-Match": match}
        )

    def delete(self, path: str) -> Any:
        return self.client.delete(ROOT + path, headers=self.headers)


def ids(page: Any) -> list[str]:
    """Return the ids of a page of a list."""
    return [item["id"] for item in page["items"]]


def replayed(caller: As, path: str, body: Any = None) -> Any:
    """Send the same call with one key twice, assert that it acted once, and return the first answer."""
    key = uuid4()
    first, second = caller.post(path, body, key=key), caller.post(path, body, key=key)
    assert first.status_code in {201, 202}, first.content
    assert (second.status_code, second.json()["id"]) == (first.status_code, first.json()["id"])
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    return first
