"""Refusals and failures as problem details (RFC 9457), each with a code of a closed list."""

import json
import logging
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from common.errors import CODES, Refused

logger = logging.getLogger("django.request")

MEDIA_TYPE = "application/problem+json"
DOCS = f"{settings.API}docs/errors/"
ERRORS_SHOWN = 50


class Invalid(Refused):
    """Some fields of the body are not right; `place` is where, such as `query.where.parts[1].left`."""

    code = "invalid"

    def __init__(self, text: str, *, place: str = "", fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(text)
        self.place, self.fields = place, fields or {}


class KeyReused(Refused):
    """The idempotency key was used for something else."""

    code = "key_reused"


class Stale(Refused):
    """The object has changed since the caller read it."""

    code = "stale"


class EtagMissing(Refused):
    """A change must say which version of the object it changes."""

    code = "etag_missing"


def body(code: str, detail: str, **more: object) -> dict[str, object]:
    """Return a problem as JSON. `more` may hold `fields`, `place`, `costs`, `left`."""
    status, title = CODES[code]
    return {
        "type": f"{DOCS}#{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        **{name: value for name, value in more.items() if value not in (None, "", {}, [])},
        "request_id": request_id(),
    }


def messages(refused: Refused) -> list[dict[str, Any]]:
    """Return a refusal as ASGI messages, for calls that are answered before Django is asked."""
    content, more = _refusal(refused)
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store, private", **more}
    named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [
        {"type": "http.response.start", "status": refused.status, "headers": named},
        {"type": "http.response.body", "body": json.dumps(content).encode()},
    ]


def request_id() -> str:
    """Return the id under which the log has this request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Turn whatever a view raised into a problem. REST framework calls this."""
    content, headers = _problem(exc)
    if content["code"] == "failed":
        request = context["request"]
        logger.error("Internal Server Error: %s", request.path, exc_info=exc)
    return Response(content, status=int(str(content["status"])), headers=headers, content_type=MEDIA_TYPE)


def _problem(exc: Exception) -> tuple[dict[str, object], dict[str, str]]:
    match exc:
        case Refused():
            return _refusal(exc)
        case Http404() | exceptions.NotFound():
            return body("not_found", "There is nothing here that you can see."), {}
        case exceptions.APIException():
            return _framework(exc)
        case PermissionDenied():
            return body("denied", str(exc) or "You may not do this."), {}
        case RequestDataTooBig():
            return body("too_large", "The body of this request is too long. Send less."), {}
        case SuspiciousOperation():
            return body("refused", "This request is malformed. Send it again as the documentation says."), {}
        case _:
            return body(
                "failed", "The portal failed. Try again; if it fails again, send an admin this id."
            ), {}


def _refusal(exc: Refused) -> tuple[dict[str, object], dict[str, str]]:
    seconds = getattr(exc, "RETRY_SECONDS", None)
    headers = {"Retry-After": str(seconds)} if seconds else {}
    more = {name: getattr(exc, name, None) for name in ("fields", "place", "costs", "left", "offset")}
    return body(exc.code, str(exc), **more), headers


def _framework(exc: exceptions.APIException) -> tuple[dict[str, object], dict[str, str]]:
    """Return the problem of an exception that REST framework raised by itself."""
    match exc:
        case exceptions.ValidationError():
            fields = flat(exc.detail)
            first = next(iter(fields.items()), ("", ["This is not right."]))
            return body("invalid", f"{first[0]}: {first[1][0]}".removeprefix(": "), fields=fields), {}
        case exceptions.ParseError():
            return body("not_json", str(exc.detail)), {}
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            code = str(getattr(exc.detail, "code", "unauthenticated"))
            headers = {"WWW-Authenticate": str(getattr(exc, "auth_header", "Bearer"))}
            return body(code if code in CODES else "unauthenticated", _sign_in(exc)), headers
        case exceptions.Throttled():
            seconds = str(int(getattr(exc, "wait", 1) or 1))
            return body("too_many", f"Too many calls. Try again in {seconds} s."), {"Retry-After": seconds}
        case _:
            code = _code_of(exc.status_code)
            return body(code, str(exc.detail)), {}


def _sign_in(exc: exceptions.APIException) -> str:
    if isinstance(exc, exceptions.NotAuthenticated):
        return "Send an access token: “Authorization: Bearer weir_…”. Make one on the page Access tokens."
    return str(exc.detail)


def _code_of(status: int) -> str:
    named = {403: "denied", 405: "method_not_allowed", 406: "not_acceptable", 415: "unsupported_media_type"}
    return named.get(status, "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed")


def flat(detail: Any, place: str = "") -> dict[str, list[str]]:
    """Return {place: [sentences]} of a tree of validation errors, at most the first fifty places."""
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, Any]] = [(place, detail)]
    while waiting and len(found) < ERRORS_SHOWN:
        where, item = waiting.pop(0)
        if isinstance(item, dict):
            waiting += [(_joined(where, name), below) for name, below in item.items()]
        elif isinstance(item, list) and any(isinstance(below, dict | list) for below in item):
            waiting += [(f"{where}[{number}]", below) for number, below in enumerate(item) if below]
        else:
            found[where] = [str(text) for text in (item if isinstance(item, list) else [item])]
    return found


def _joined(place: str, name: str | int) -> str:
    if name == "non_field_errors":
        return place
    if isinstance(name, int):
        return f"{place}[{name}]"
    return f"{place}.{name}" if place else name
