"""Sign in a program that has no browser, as RFC 8628 describes it."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers

from accounts import secrets
from accounts.api.me import TokenItem
from accounts.services import programs
from accounts.services.tokens import NAME_LIMIT
from common.client_address import client_address
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts
from common.rest.grants import Call


class DeviceStart(Body):
    """What a program calls itself, and what it wants to do."""

    client = serializers.CharField(max_length=NAME_LIMIT, help_text="Shown to the person who decides.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(programs.ALLOWED), min_length=1, max_length=len(programs.ALLOWED)
    )


class DeviceItem(Item):
    """The codes of a sign-in that has begun."""

    device_code = serializers.CharField(help_text="The program's secret, for polling.")
    user_code = serializers.CharField(help_text="Show it to the person, who types it.")
    verification_uri = serializers.CharField(help_text="Where the person types it.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    interval = serializers.IntegerField(
        help_text="Seconds between two polls; five more after each slow_down."
    )


class DevicePoll(Body):
    """The program's secret."""

    device_code = serializers.CharField(max_length=100)


class DeviceTokenItem(Item):
    """The token of a program that was signed in."""

    access_token = serializers.CharField()
    token_type = serializers.CharField()
    token = TokenItem()


class Device(Endpoint):
    """The beginning of the sign-in of a program."""

    authentication_classes = ()

    @acts(DeviceItem, body=DeviceStart, is_open=True, rate="sign_in")
    def post(self, call: Call, fields: dict[str, Any]) -> dict[str, object]:
        """Begin to sign in a program. Show the person the code and the address, and poll meanwhile."""
        item, code = programs.begin(
            name=fields["client"], scopes=fields["scopes"], address=client_address(call)
        )
        return {
            "device_code": code,
            "user_code": secrets.shown(item.user_code),
            "verification_uri": f"{settings.BASE_URL}{reverse('accounts:device')}",
            "expires_in": programs.SECONDS,
            "interval": item.interval,
        }


class DeviceToken(Endpoint):
    """The end of the sign-in of a program."""

    authentication_classes = ()

    @acts(DeviceTokenItem, body=DevicePoll, is_open=True, rate="polls")
    def post(self, call: Call, fields: dict[str, Any]) -> dict[str, object]:
        """Ask whether the person has decided; return the token once they have allowed it."""
        token, secret = programs.poll(fields["device_code"])
        return {"access_token": secret, "token_type": "Bearer", "token": token}
