"""The OpenAPI description of the API, made from what operations say of themselves."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, Literal

from django.conf import settings
from django_filters import CharFilter, DateFilter, FilterSet, IsoDateTimeFilter, UUIDFilter
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from common.errors import CODES
from common.rest.bodies import Body, Item, Parameters
from common.rest.lists import LARGEST_LIMIT, LIMIT
from common.rest.problems import MEDIA_TYPE

UNCHANGED = "It has still the ETag that was sent as If-None-Match."
CURSOR = "Where to continue: part of the path in `next`."
OF_TUS = "As the protocol of uploads, tus 1.0, says."
NUMBER_OF_ITEMS = {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": LIMIT}
TEXT: dict[str, Any] = {"type": "string"}
ETAG = {**TEXT, "minLength": 1}
OF_FILTER = {
    UUIDFilter: {**TEXT, "format": "uuid"},
    DateFilter: {**TEXT, "format": "date"},
    IsoDateTimeFilter: {**TEXT, "format": "date-time"},
}
"""What a filter takes, by its class. Others take text."""
FILES = {"application/json": OpenApiTypes.OBJECT}
"""What a file of a media type is; of others, bytes."""
PROBLEM = "Problem"
AGAIN = {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer"}}}
HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": TEXT}},
    429: AGAIN,
    503: AGAIN,
}
"""What problems of a status come with."""
NEVER = {
    "get": frozenset({402, 413, 415, 423, 428, 460}),
    "post": frozenset({428}),
    "delete": frozenset({402, 428, 460}),
    "patch": frozenset({402}),
}
"""Statuses that operations of these methods do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header of a call must look like."""

    pattern: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What an operation takes and returns. `of_get`: it returns what GET of the same address does. `takes`: the media
    type of a body that is not JSON. `headers`: those that it reads besides. `is_open`: nobody has to be signed in."""

    answer: type[Item] | None = None
    body: type[Body] | None = None
    status: int = HTTPStatus.OK
    is_list: bool = False
    filters: type[FilterSet] | None = None
    parameters: type[Parameters] | None = None
    media_types: Sequence[str] = ()
    takes: str = ""
    headers: Mapping[str, Header] = field(default_factory=dict)
    takes_key: bool = False
    matches: bool = False
    waits: bool = False
    of_get: bool = False
    is_open: bool = False


class OperationSchema(AutoSchema):
    """Reads the description of an operation instead of guessing from serializers and querysets."""

    @property
    def described(self) -> Described:
        return getattr(getattr(self.view, self.method.lower()), "described", Described())

    def get_operation_id(self) -> str:
        name = self.view.__class__.__name__
        return f"{'list' if self.described.is_list else self.method.lower()}{name}"

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix(settings.API).split("/")[0] or "portal"]

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        return inspect.getdoc(getattr(self.view, self.method.lower())) or ""

    def get_request_serializer(self) -> Any:
        described = self.described
        return {described.takes: OpenApiTypes.BINARY} if described.takes else described.body

    def _get_request_body(self, direction: Literal["request", "response"] = "request") -> Any:
        if self.method != "DELETE" or self.described.body is None:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # as drf-spectacular has it
        reference = self.resolve_serializer(self.described.body(), direction).ref
        return {"content": {"application/json": {"schema": reference}}, "required": True}

    def get_auth(self) -> list[Any]:
        auth: list[Any] = super().get_auth()
        return [] if self.described.is_open else auth

    def _map_basic_serializer(self, serializer: Any, direction: Literal["request", "response"]) -> Any:
        """Say of a body that it takes no other fields: a field that is not known is refused."""
        found = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]  # as above
        return {**found, "additionalProperties": False} if isinstance(serializer, Body) else found

    def get_filter_backends(self) -> list[Any]:
        return []

    def get_response_serializers(self) -> Any:
        described = self.described
        if described.of_get:
            described = self.view.get.described  # type: ignore[attr-defined]
        if described.media_types:
            return {(200, media): FILES.get(media, OpenApiTypes.BINARY) for media in described.media_types}
        if described.answer is None:
            return {204: OpenApiResponse(description="Done.")}
        answer = _page_of(described.answer) if described.is_list else described.answer
        unchanged = {304: OpenApiResponse(description=UNCHANGED)} if self.method == "GET" else {}
        return {int(described.status): answer, **self._waiting(), **unchanged}

    def _waiting(self) -> dict[int, Any]:
        """Return the answers of a call that makes what one can wait for: not ready yet, or ready after a wait."""
        described = self.described
        waits = described.waits and self.method == "POST"
        return dict.fromkeys((201, 202), described.answer) if waits else {}

    def get_override_parameters(self) -> list[Any]:
        described = self.described
        found: list[Any] = [described.parameters] if described.parameters else []
        if described.is_list:
            found += [OpenApiParameter("limit", NUMBER_OF_ITEMS, description="How many.")]
            found += [OpenApiParameter("cursor", str, description=CURSOR)]
        found += _of_filters(described.filters)
        found += [
            _header(name, OF_TUS, {**TEXT, "pattern": header.pattern}, required=header.required)
            for name, header in described.headers.items()
        ]
        if described.takes_key:
            key = "A UUID. The same call with the same key acts once."
            found.append(_header("Idempotency-Key", key, OF_FILTER[UUIDFilter]))
        if described.matches:
            found.append(_header("If-Match", "The ETag of what was read.", ETAG, required=True))
        if described.waits:
            found.append(_header("Prefer", "wait=20: answer when it is ready, or after 20 s at the latest."))
        return [*found, *self._headers_of_answers()]

    def _headers_of_answers(self) -> list[OpenApiParameter]:
        described = self.described
        found = []
        if self.method == "GET" and described.answer is not None:
            found.append(_header("ETag", "Changes when the answer does.", required=True, response=[200]))
        if described.takes_key:
            replayed = "true: an earlier call with this key has done it."
            found.append(_header("Idempotent-Replayed", replayed, response=[200, 201, 202]))
        return found


@cache
def _page_of(answer: type[Item]) -> Any:
    """Return the serializer of a page: one for each kind of item, whichever lists have it."""
    fields = {
        "items": answer(many=True),
        "next": serializers.CharField(allow_null=True, help_text="The path of the next page."),
    }
    return inline_serializer(f"{answer.__name__}List", fields)


def _header(name: str, description: str, takes: dict[str, Any] = TEXT, **options: Any) -> OpenApiParameter:
    return OpenApiParameter(name, takes, OpenApiParameter.HEADER, description=description, **options)


def _of_filters(filters: type[FilterSet] | None) -> list[OpenApiParameter]:
    found = []
    for name, item in (filters.base_filters if filters else {}).items():
        choices = [value for value, _ in item.extra.get("choices", [])]
        help_text = str(item.extra.get("help_text", ""))
        found.append(OpenApiParameter(name, _taken(item), description=help_text, enum=choices or None))
    return found


def _taken(item: Any) -> dict[str, Any]:
    """Return what a filter takes."""
    longest = item.extra.get("max_length") if isinstance(item, CharFilter) else None
    return {**TEXT, "maxLength": longest} if longest else OF_FILTER.get(type(item), TEXT)


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: FBT001
    """Add the problem answers to every operation, and what a problem looks like. drf-spectacular calls this."""
    result["components"].setdefault("schemas", {})[PROBLEM] = _problem()
    answer = {"$ref": f"#/components/schemas/{PROBLEM}"}
    for status in sorted({status for status, _ in CODES.values()}):
        titles = [title for code, title in CODES.values() if code == status]
        result["components"].setdefault("responses", {})[f"Problem{status}"] = {
            "description": "; ".join(titles) + ".",
            **({"headers": HEADERS[status]} if status in HEADERS else {}),
            "content": {MEDIA_TYPE: {"schema": answer}},
        }
    for path in result["paths"].values():
        for method, operation in path.items():
            for status in {status for status, _ in CODES.values()} - NEVER.get(method, frozenset()):
                operation["responses"].setdefault(
                    str(status), {"$ref": f"#/components/responses/Problem{status}"}
                )
    return result


def drop_enum_ids(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: FBT001
    """Remove the ids by which drf-spectacular would give enumerations names: here they stay where they are used.

    Many resources have a `state` of their own, so the names would collide.
    """
    waiting: list[Any] = [result]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            node.pop("x-spec-enum-id", None)
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return result


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "Why a call was refused or failed (RFC 9457).",
        "required": ["type", "title", "status", "code", "detail", "request_id"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": sorted(CODES)},
            "detail": text,
            "fields": {"type": "object", "additionalProperties": {"type": "array", "items": text}},
            "place": text,
            "costs": {"type": "number"},
            "left": {"type": "number"},
            "offset": {"type": "integer"},
            "request_id": text,
        },
    }
