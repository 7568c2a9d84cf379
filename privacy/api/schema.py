"""The wire form of questions in the description of the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from privacy.engine.language import json_schema

PLACE = "#/components/schemas/Question."
"""Where the description has the parts of a question, such as `Question.expression`."""


@extend_schema_field({"oneOf": [{"$ref": f"{PLACE}query"}, {"$ref": f"{PLACE}code_question"}]})
class AskedField(serializers.JSONField):
    """What an answer is about, in its wire form: a question, or a question with code."""


@extend_schema_field({"$ref": f"{PLACE}code_question"})
class CodeQuestionField(serializers.JSONField):
    """A question with code in its wire form."""


BODY = "QuestionBodyRequest"
FORMS = ("sql", "query")
"""The forms of a question. A body has exactly one of them."""
PRICES = ("error", "epsilon", "share")
"""The ways to price a question. A body gives exactly one of them; null counts as not given."""


@extend_schema_field({"$ref": f"{PLACE}query"})
class QueryField(serializers.JSONField):
    """A question in its wire form."""


def add_questions(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: FBT001
    """Add the schemas of questions, and what their bodies need besides fields. drf-spectacular calls this."""
    name = PLACE.removeprefix("#/components/schemas/")
    parts = json_schema.definitions(PLACE).items()
    result["components"].setdefault("schemas", {}).update({f"{name}{kind}": part for kind, part in parts})
    result["components"]["schemas"][BODY]["allOf"] = [
        {"oneOf": [{"required": [form]} for form in FORMS]},
        {"oneOf": [_is_number(price) for price in PRICES]},
    ]
    return result


def _is_number(price: str) -> dict[str, Any]:
    return {"required": [price], "properties": {price: {"type": "number"}}}
