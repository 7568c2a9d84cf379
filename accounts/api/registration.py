"""Ask for an account."""

from typing import Any

from allauth.core import ratelimit
from rest_framework import serializers
from rest_framework.exceptions import Throttled

from accounts import services
from accounts.forms import RegisterForm
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts
from common.rest.grants import Call
from common.rest.problems import Invalid

RECEIVED = "You will get an e-mail. Confirm your address in it, and an admin will decide."
WAIT_SECONDS = 3600


class Registration(Body):
    """Who asks, and what for."""

    email = serializers.CharField(max_length=254)
    name = serializers.CharField(max_length=100)
    affiliation = serializers.CharField(max_length=200)
    note = serializers.CharField(max_length=2000, help_text="Which data you need, and what for.")
    password = serializers.CharField(max_length=200, trim_whitespace=False)
    time_zone = serializers.CharField(max_length=64, default="UTC")


class RegistrationItem(Item):
    """What happens next. It is the same whether or not the address has an account."""

    detail = serializers.CharField()


class Register(Endpoint):
    """Accounts that people ask for themselves."""

    authentication_classes = ()

    @acts(RegistrationItem, body=Registration, status=202, is_open=True, rate="sign_in")
    def post(self, call: Call, fields: dict[str, Any]) -> dict[str, str]:
        """Ask for an account, if the portal lets people do that themselves."""
        form = RegisterForm({**fields, "repeated": fields["password"]})
        if not form.is_valid():
            wrong = {name: [str(text) for text in texts] for name, texts in form.errors.items()}
            name, texts = next(iter(wrong.items()))
            raise Invalid(f"{name}: {texts[0]}", fields=wrong)
        del (given := form.cleaned_data)["repeated"]
        request = call._request  # noqa: SLF001 -- allauth wants Django's request
        if not ratelimit.consume(request, action="register", key=given["email"]):
            raise Throttled(wait=WAIT_SECONDS)
        services.register(**given)
        return {"detail": RECEIVED}
