"""Idempotency keys: a step that is sent twice with the same key is taken once."""

from typing import TypeVar

from common.errors import Conflict
from requests_app.models import CodeRequest, Run, Version

Made = TypeVar("Made", Run, Version)


def of_same_request(made: Made, item: CodeRequest) -> Made:
    """Return what a key has already made. Raises Conflict if that belongs to another request."""
    if made.request_id != item.pk:
        raise Conflict("This idempotency key belongs to another request. Reload the page and try again.")
    return made
