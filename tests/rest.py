"""Calls of the API in tests: the header of a new access token, and what a problem looks like."""

import json
from typing import Any

from accounts.models import User
from accounts.services import tokens
from common.errors import CODES


def bearer(person: User, *scopes: str, **fields: Any) -> dict[str, str]:
    """Make an access token (with `read` unless scopes are named) and return the header that sends it."""
    _, secret = tokens.make(by=person, name="a test", scopes=scopes or ["read"], **fields)
    return {"Authorization": f"Bearer {secret}"}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that the answer is this problem, and return it."""
    content: dict[str, Any] = json.loads(answer.content)
    assert (answer.status_code, content.get("code")) == (status, code), content
    assert answer["Content-Type"] == "application/problem+json"
    assert content["status"] == status == CODES[code][0]
    assert content["request_id"]
    return content
