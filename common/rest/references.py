"""References to other objects, the same everywhere in the API: in an answer an object with the `id` and what it is
called; in a body or a filter, under the same name, the id alone."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.rest.bodies import Item


class Reference(Item):
    """An object by its id alone. Takes the object or its id."""

    id = serializers.UUIDField()

    def to_representation(self, found: Any) -> dict[str, Any]:
        return {"id": str(found)} if isinstance(found, UUID) else super().to_representation(found)
