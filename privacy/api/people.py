"""People, as other objects name them."""

from rest_framework import serializers

from common.rest.bodies import Item


class ScientistItem(Item):
    """The scientist to whom something belongs."""

    id = serializers.UUIDField()
    name = serializers.CharField()
