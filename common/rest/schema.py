"""The OpenAPI description of the API, made from what operations say of themselves."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, Literal

from django.conf import settings
from django_filters import FilterSet
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from common.rest.bodies import Body, Item
from common.rest.problems import CODES, MEDIA_TYPE

LIMITS = {"limit": "How many, at most 200.", "cursor": "Where to continue: part of the path in `next`."}
PROBLEM = "Problem"
NEVER = {
    "get": frozenset({402, 413, 415, 423, 428, 460}),
    "post": frozenset({428}),
    "delete": frozenset({402, 428, 460}),
    "patch": frozenset({402}),
}
"""Statuses that operations of these methods do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What an operation takes and returns. `of_get`: it returns what GET of the same address does. `takes`: the media
    type of a body that is not JSON. `headers`: those that it reads besides."""

    answer: type[Item] | None = None
    body: type[Body] | None = None
    status: int = HTTPStatus.OK
    is_list: bool = False
    filters: type[FilterSet] | None = None
    parameters: tuple[str, ...] = ()
    media_types: Sequence[str] = ()
    takes: str = ""
    headers: tuple[str, ...] = ()
    takes_key: bool = False
    matches: bool = False
    waits: bool = False
    of_get: bool = False


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

    def get_filter_backends(self) -> list[Any]:
        return []

    def get_response_serializers(self) -> Any:
        described = self.described
        if described.of_get:
            described = self.view.get.described  # type: ignore[attr-defined]
        if described.media_types:
            return {(200, media): OpenApiTypes.BINARY for media in described.media_types}
        if described.answer is None:
            return {204: OpenApiResponse(description="Done.")}
        if not described.is_list:
            return {int(described.status): described.answer, **self._waiting()}
        return _page_of(described.answer)

    def _waiting(self) -> dict[int, Any]:
        """Return the answers of a call that makes what one can wait for: not ready yet, or ready after a wait."""
        described = self.described
        waits = described.waits and self.method == "POST"
        return dict.fromkeys((201, 202), described.answer) if waits else {}

    def get_override_parameters(self) -> list[Any]:
        described = self.described
        found = [OpenApiParameter(name, str, description="") for name in described.parameters]
        if described.is_list:
            found += [OpenApiParameter("limit", int, description=LIMITS["limit"])]
            found += [OpenApiParameter("cursor", str, description=LIMITS["cursor"])]
        found += _of_filters(described.filters)
        found += [_header(name, "As the protocol of uploads, tus 1.0, says.") for name in described.headers]
        if described.takes_key:
            found.append(_header("Idempotency-Key", "A UUID. The same call with the same key acts once."))
        if described.matches:
            found.append(_header("If-Match", "The ETag of what was read.", required=True))
        if described.waits:
            found.append(_header("Prefer", "wait=20: answer when it is ready, or after 20 s at the latest."))
        return found


@cache
def _page_of(answer: type[Item]) -> Any:
    """Return the serializer of a page: one for each kind of item, whichever lists have it."""
    fields = {
        "items": answer(many=True),
        "next": serializers.CharField(allow_null=True, help_text="The path of the next page."),
    }
    return inline_serializer(f"{answer.__name__}List", fields)


def _header(name: str, description: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, required=required)


def _of_filters(filters: type[FilterSet] | None) -> list[OpenApiParameter]:
    found = []
    for name, item in (filters.base_filters if filters else {}).items():
        choices = [value for value, _ in item.extra.get("choices", [])]
        found.append(
            OpenApiParameter(
                name, str, description=str(item.extra.get("help_text", "")), enum=choices or None
            )
        )
    return found


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: FBT001
    """Add the problem answers to every operation, and what a problem looks like. drf-spectacular calls this."""
    result["components"].setdefault("schemas", {})[PROBLEM] = _problem()
    answer = {"$ref": f"#/components/schemas/{PROBLEM}"}
    for status in sorted({status for status, _ in CODES.values()}):
        titles = [title for code, title in CODES.values() if code == status]
        result["components"].setdefault("responses", {})[f"Problem{status}"] = {
            "description": "; ".join(titles) + ".",
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
