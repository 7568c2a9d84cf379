"""A person who calls the API with an access token."""

from typing import Any
from uuid import UUID

from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.rest import bearer


class Caller:
    """A person with one access token. Addresses are given by name and id."""

    def __init__(self, person: User, *scopes: str, **fields: Any) -> None:
        self.person = person
        self._client, self._headers = Client(), bearer(person, *scopes, **fields)

    def get(self, name: str, *args: object, query: str = "", **headers: str) -> Any:
        return self._client.get(f"{reverse(name, args=args)}{query}", headers=self._with(headers))

    def post(
        self, name: str, *args: object, body: Any = None, key: UUID | str | None = None, **headers: str
    ) -> Any:
        keyed = {"Idempotency-Key": str(key)} if key else {}
        given = {} if body is None else body
        return self._client.post(
            reverse(name, args=args),
            given,
            content_type="application/json",
            headers=self._with(headers) | keyed,
        )

    def patch(self, name: str, *args: object, body: Any, etag: str = "*") -> Any:
        matching = {"If-Match": etag} if etag else {}
        return self._client.patch(
            reverse(name, args=args), body, content_type="application/json", headers=self._headers | matching
        )

    def _with(self, headers: dict[str, str]) -> dict[str, str]:
        return self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
