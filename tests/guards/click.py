"""A click: one form, as somebody sends it."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.test import Client
from django.urls import reverse

from accounts.models import User


@dataclass(frozen=True)
class Click:
    """One form, as somebody sends it."""

    by: User
    pk: UUID | None = None
    data: dict[str, Any] = field(default_factory=dict)
    body: str = "multipart"
    method: str = "post"
    headers: dict[str, str] = field(default_factory=dict)
    done: frozenset[int] = frozenset({302})

    def sent(self, client: Client, name: str) -> Any:
        client.force_login(self.by, backend="django.contrib.auth.backends.ModelBackend")
        path = reverse(name.partition(" ")[0], args=[self.pk] if self.pk else [])
        extra: dict[str, Any] = {"headers": self.headers}
        if self.body == "json":
            return client.post(path, json.dumps(self.data), content_type="application/json", **extra)
        if self.method != "post":
            return client.generic(self.method.upper(), path, self.data["chunk"], self.body, **extra)
        return client.post(path, self.data, **extra)
