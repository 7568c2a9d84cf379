"""JSON calls of the API in tests: as somebody with a token, or with a session that has just signed in."""

import time
from typing import Any
from uuid import uuid4

from django.test import Client

from accounts.models import User
from tests.rest import bearer

ROOT = "/api/v1/"


class Caller:
    """Calls the API as one person, by a new token with these scopes."""

    def __init__(self, person: User, *scopes: str, **fields: Any) -> None:
        self.client, self.headers = Client(), bearer(person, *scopes, **fields)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(ROOT + path, headers={**self.headers, **headers})

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Send JSON, or nothing. Words of a header are joined with `_`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        content = {"data": b"" if body is None else body, "content_type": "application/json"}
        return getattr(self.client, method)(ROOT + path, headers={**self.headers, **given}, **content)

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        return self.send("post", path, body, **headers)

    def delete(self, path: str, body: object = None) -> Any:
        return self.send("delete", path, body)

    def patch(self, path: str, body: object, etag: str | None = None) -> Any:
        """Read the object and change it; with `etag`, as if that had been read."""
        return self.send("patch", path, body, If_Match=etag or self.get(path)["ETag"])


class Session(Caller):
    """Calls the API as one person in a browser, who signed in so many seconds ago."""

    def __init__(self, person: User, *, seconds: float = 0) -> None:
        self.client, self.headers = Client(), {}
        self.client.force_login(person)
        session = self.client.session
        records = session["account_authentication_methods"]
        session["account_authentication_methods"] = [
            {**each, "at": time.time() - seconds} for each in records
        ]
        session.save()


def refuses_forms(caller: Caller, path: str) -> None:
    """Assert that a form is not read where JSON is expected."""
    answer = caller.client.post(ROOT + path, {"name": "x"}, headers=caller.headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def acts_once(caller: Caller, path: str, body: object, other: object) -> Any:
    """Assert that a key makes one object of two equal calls, and refuses another body. Return the first answer."""
    refuses_forms(caller, path)
    key = str(uuid4())
    first = caller.post(path, body, Idempotency_Key=key)
    assert first.status_code == 201, first.content
    again = caller.post(path, body, Idempotency_Key=key)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert again["Idempotent-Replayed"] == "true"
    different = caller.post(path, other, Idempotency_Key=key)
    assert (different.status_code, different.json()["code"]) == (409, "key_reused")
    return first
