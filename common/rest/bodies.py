"""Bodies of calls: strict JSON, in which an unknown field is an error and not a silent nothing."""

import json
from collections.abc import Mapping
from typing import IO, Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from common import plain_json, reasons
from common.errors import TooLarge

BODY_LIMIT = 150_000
"""Bytes of a body, unless the operation says otherwise."""
INTEGER_DIGITS = 100


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
        refuse_compressed(request)
        text = stream.read(limit + 1)
        if len(text) > limit:
            raise TooLarge(f"The body of this request is longer than {limit:,} bytes. Send less.")
        return loads(text)


def refuse_compressed(request: Request) -> None:
    """Raise UnsupportedMediaType for a body that would have to be unpacked: nobody knows how large it is then."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("", detail="Send the body without compression.")


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

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Send a JSON object."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            self._refuse_unknown(data)
            self._refuse_other_types(data)
        return super().to_internal_value(data)

    def _refuse_unknown(self, data: Mapping[str, Any]) -> None:
        if extra := sorted(set(data) - set(self.fields)):
            known = ", ".join(sorted(name for name, field in self.fields.items() if not field.read_only))
            reason = f"This is not a field here. The fields are: {known or 'none'}."
            raise serializers.ValidationError({name[:100]: [reason] for name in extra[:20]})

    def _refuse_other_types(self, data: Mapping[str, Any]) -> None:
        """Refuse values of another JSON type, which REST framework would convert: "1" is not a number here."""
        wrong = {
            name: [f"This must be {wanted}."]
            for name, value in data.items()
            if (wanted := _wanted_instead(self.fields[name], value))
        }
        if wrong:
            raise serializers.ValidationError(wrong)


class WithReason(Body):
    """A reason, which the people concerned will read."""

    reason = serializers.CharField(max_length=reasons.LIMIT)


JSON_TYPES: tuple[tuple[type, tuple[type, ...], str], ...] = (
    (serializers.BooleanField, (bool,), "true or false"),
    (serializers.IntegerField, (int,), "a whole number"),
    (serializers.FloatField, (int, float), "a number"),
    (serializers.CharField, (str,), "text"),
    (serializers.UUIDField, (str,), "text"),
)
"""Which Python types a field takes, of those that JSON becomes. true is no number, so subclasses do not count."""


def _wanted_instead(field: serializers.Field[Any, Any, Any, Any], value: Any) -> str:
    """Return what the field takes if this value has another JSON type, or ""."""
    if value is None or (isinstance(field, serializers.IntegerField) and _is_whole(value)):
        return ""
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        parts = (_wanted_instead(field.child, each) for each in value)
        return next((f"a list, each part {wanted}" for wanted in parts if wanted), "")
    if isinstance(field, serializers.DictField) and isinstance(value, dict):
        parts = (_wanted_instead(field.child, each) for each in value.values())
        return next((f"an object, each value {wanted}" for wanted in parts if wanted), "")
    return next(
        (text for kind, types, text in JSON_TYPES if isinstance(field, kind) and type(value) not in types), ""
    )


def _is_whole(value: object) -> bool:
    """Return whether JSON Schema calls this an integer: it does not distinguish 2 from 2.0."""
    return isinstance(value, float) and value.is_integer()


class Parameters(serializers.Serializer[Any]):
    """The query parameters of an operation that is not a list, each with what it says."""


class Item(serializers.Serializer[Any]):
    """The fields of an answer, listed one by one: what a serializer does not name is never sent."""
