"""ETags: a keyed hash of the bytes that a person gets, which tells them whether an object has changed for them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework.response import Response

from common import fingerprints
from common.rest.bodies import CompactJSONRenderer
from common.rest.grants import Call


def of(content: bytes) -> str:
    """Return the ETag of the content of an answer."""
    return f'"{fingerprints.keyed("rest.etag", content.decode())}"'


def given(header: str) -> list[str]:
    """Return the ETags in a header, weak or strong."""
    return [etag.strip().removeprefix("W/") for etag in header.split(",")]


def tag(call: Call, rendered: Response, *, keep: bool) -> Response:
    """Give an answer its ETag. Without `keep`, a caller who has the same already gets 304 and no content."""
    etag = rendered["ETag"] = of(rendered.content)
    if not keep and etag in given(call.headers.get("If-None-Match", "")):
        rendered.status_code = HTTPStatus.NOT_MODIFIED
        rendered.content = b""
        del rendered["Content-Type"]
    return rendered


def now(view: Any, call: Call, kwargs: Mapping[str, Any]) -> str:
    """Return the ETag that GET of the same address would have now."""
    return of(CompactJSONRenderer().render(view.get(call, **kwargs).data))


def lock_of(path: str) -> UUID:
    """Return the name of the lock for changes of an address."""
    return UUID(fingerprints.keyed("rest.lock", path)[:32])
