"""Bodies of calls: strict JSON, in which an unknown field is an error and not a silent nothing."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import serializers
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from common import plain_json
from common.errors import Refused

BODY_LIMIT = 150_000
"""Bytes of a body, unless the operation says otherwise."""
INTEGER_DIGITS = 100


class TooLarge(Refused):
    """The body, or a part of it, is too long."""

    status = 413
    code = "too_large"


class CompactJSONRenderer(JSONRenderer):
    """JSON without spaces, whatever the Accept header asks for, so that the same content has the same bytes."""

    def get_indent(self, accepted_media_type: str, renderer_context: Mapping[str, Any]) -> None:
        return None


class PlainJSONParser(BaseParser):
    """Reads JSON that Postgres can store: no NaN, no infinity, no NUL, no key twice, not too deep."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = parser_context or {}
        request, limit = context["request"], getattr(context["view"], "body_limit", BODY_LIMIT)
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise UnsupportedMediaType("", detail="Send the body without compression.")
        text = stream.read(limit + 1)
        if len(text) > limit:
            raise TooLarge(f"The body of this request is longer than {limit:,} bytes. Send less.")
        return loads(text)


def loads(text: bytes) -> Any:
    """Parse a JSON text strictly. Raises ParseError."""
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_once, parse_int=_integer, parse_constant=_no_constant
        )
        plain_json.check(value)
    except UnicodeDecodeError as bad:
        raise ParseError("The body of this request is not JSON in UTF-8.") from bad
    except RecursionError as deep:
        raise ParseError(f"The body of this request has more than {plain_json.DEPTH} levels.") from deep
    except ValueError as bad:
        raise ParseError(f"The body of this request is not JSON that the portal reads: {bad}.") from bad
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > INTEGER_DIGITS:
        raise ValueError(f"a number has more than {INTEGER_DIGITS} digits")
    return int(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


class Body(serializers.Serializer[Any]):
    """The fields of a body. A field that it does not name is refused, so that a typo does not go unnoticed."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (extra := sorted(set(data) - set(self.fields))):
            known = ", ".join(sorted(name for name, field in self.fields.items() if not field.read_only))
            reason = f"This is not a field here. The fields are: {known or 'none'}."
            raise serializers.ValidationError({name[:100]: [reason] for name in extra[:20]})
        return super().to_internal_value(data)


class Item(serializers.Serializer[Any]):
    """The fields of an answer, listed one by one: what a serializer does not name is never sent."""
