"""References to other objects, the same everywhere in the API.

In an answer, a reference is an object: the `id`, and what the other object is called. In a body or a filter it is the
id alone, under the same name. A test of the description holds this.
"""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.rest.bodies import Item


class Reference(Item):
    """An object by its id alone. Takes the object, or only its id."""

    id = serializers.UUIDField()

    def to_representation(self, found: Any) -> dict[str, Any]:
        return {"id": str(found)} if isinstance(found, UUID) else super().to_representation(found)


class PersonReference(Item):
    """A person, by name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class ContactReference(PersonReference):
    """A person, to those who work with them."""

    email = serializers.CharField()


class DatasetReference(Item):
    """A dataset. `name` is its name in code."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    title = serializers.CharField()


class NumberedReference(Item):
    """What has a number within another object: a version of a request, a revision or the terms of a dataset."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
