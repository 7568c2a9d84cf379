"""Calls of the REST API that another portal passes on: run here as the guest, within a closed list."""

import io
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404, HttpResponseBase
from rest_framework import authentication
from rest_framework.request import Request

from accounts.models import User
from common.errors import TooLarge
from common.rest.grants import TokenScope
from datasets.models import AccessRequest, Grant
from network import documents, guest_documents
from network.guest_documents import ANSWERED_HEADERS, MOST_BYTES, SCOPES
from network.models import Peer
from network.services import guests


@dataclass(frozen=True, slots=True)
class GuestGrant:
    """What a call in the name of a guest allows: what their token at home does, on datasets that they asked for."""

    scopes: frozenset[str]
    dataset_ids: Collection[UUID]
    is_token = True
    token_id = None

    def confirm(self, step: str) -> None:
        raise TokenScope(f"{step}: guests of another portal cannot do this.")


class GuestAuthentication(authentication.BaseAuthentication):
    """Signs in a guest. It is made for one call by `run` alone: nothing in a request can choose it."""

    def __init__(self, guest: User, grant: GuestGrant) -> None:
        self.guest, self.grant = guest, grant

    def authenticate(self, request: Request) -> tuple[User, GuestGrant]:
        return self.guest, self.grant


def answer(peer: Peer, asked: dict[str, Any]) -> dict[str, Any]:
    """Run a call of the REST API as a guest of this portal; return its status, headers and content.

    Raises Http404 for somebody who is no guest or no longer one, and for what guests cannot reach.
    """
    guest = guests.find(peer, asked["person"])
    if guest is None or not guest.takes_part:
        raise Http404
    match = guest_documents.place_of(asked["method"], asked["path"], asked["query"], asked["headers"])
    grant = GuestGrant(frozenset(asked["scopes"]) & frozenset(SCOPES), datasets_of(guest))
    return _told(_run(guest, grant, match.func, _request(asked), match.kwargs))


def datasets_of(guest: User) -> list[UUID]:
    """Return the datasets that a guest reaches: those that they asked for, whatever became of it."""
    asked = AccessRequest.objects.filter(scientist=guest).order_by().values_list("dataset", flat=True)
    granted = Grant.objects.filter(user=guest).order_by().values_list("dataset", flat=True)
    return sorted({*asked, *granted})


def _run(
    guest: User, grant: GuestGrant, view: Callable[..., Any], request: WSGIRequest, kwargs: dict[str, Any]
) -> HttpResponseBase:
    """Call the endpoint with an authentication of its own, in place of tokens and sessions."""
    endpoint = view.cls.as_view(  # type: ignore[attr-defined]  # REST framework's views have it
        authentication_classes=[partial(GuestAuthentication, guest, grant)]
    )
    response: HttpResponseBase = endpoint(request, **kwargs)
    render = getattr(response, "render", None)
    return render() if callable(render) else response


def _request(asked: dict[str, Any]) -> WSGIRequest:
    """Return a request of Django made of what was passed on, and of nothing of the call that brought it."""
    base = urlsplit(settings.BASE_URL)
    content: bytes = asked["body"] or b""
    environ = {
        "REQUEST_METHOD": asked["method"],
        "PATH_INFO": asked["path"],
        "QUERY_STRING": asked["query"],
        "SERVER_NAME": base.hostname or "",
        "SERVER_PORT": str(base.port or {"http": 80}.get(base.scheme, 443)),
        "HTTP_HOST": base.netloc,
        "HTTP_ACCEPT": "*/*",
        "REMOTE_ADDR": "",
        "wsgi.input": io.BytesIO(content),
        "wsgi.url_scheme": base.scheme,
        **{f"HTTP_{name.upper().replace('-', '_')}": text for name, text in asked["headers"].items()},
    }
    if asked["body"] is not None:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(content))}
    return WSGIRequest(environ)


def _told(response: HttpResponseBase) -> dict[str, Any]:
    content = _content(response)
    return {
        "status": response.status_code,
        "headers": {name: response[name] for name in ANSWERED_HEADERS if response.has_header(name)},
        "content": documents.encoded(content),
    }


def _content(response: HttpResponseBase) -> bytes:
    """Return the whole content. Raises TooLarge for more than a portal passes on."""
    if not response.streaming:
        content = bytes(response.content)  # type: ignore[attr-defined]  # every other response has it
    else:
        file = getattr(response, "file_to_stream", None)
        try:
            content = file.read(MOST_BYTES + 1) if file is not None else _joined(response)
        finally:
            if file is not None:
                file.close()
    if len(content) > MOST_BYTES:
        raise TooLarge(
            f"This is larger than the {MOST_BYTES // 10**6} MB that one portal passes on to another. Ask the owner for "
            "another way."
        )
    return content


def _joined(response: HttpResponseBase) -> bytes:
    content = b""
    for chunk in islice(response.streaming_content, MOST_BYTES):  # type: ignore[attr-defined]  # it is streaming
        content += chunk
        if len(content) > MOST_BYTES:
            break
    return content
