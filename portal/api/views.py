"""What the API says of the portal itself, to anybody."""

from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework import serializers

from common.rest.bodies import BODY_LIMIT, Item
from common.rest.endpoints import Endpoint, reads, sends
from common.rest.grants import Call
from common.rest.rates import RATES


class ClientItem(Item):
    """Which versions of the Python client go with this portal."""

    minimum = serializers.CharField()
    latest = serializers.CharField()


class LimitsItem(Item):
    """Limits that a program should know."""

    body_bytes = serializers.IntegerField()
    upload_bytes = serializers.IntegerField()
    chunk_bytes = serializers.IntegerField()
    calls_per_minute = serializers.DictField(child=serializers.IntegerField())


class PortalItem(Item):
    """The portal, its versions, and what it offers."""

    name = serializers.CharField()
    version = serializers.CharField()
    api = serializers.CharField()
    client = ClientItem()
    features = serializers.ListField(child=serializers.CharField())
    limits = LimitsItem()


FEATURES = ["answers", "batches", "events", "idempotency", "review", "tokens", "uploads", "wait"]


class Portal(Endpoint):
    """The portal itself."""

    @reads(PortalItem, is_open=True)
    def get(self, call: Call) -> dict[str, Any]:
        """What this portal is and offers. Nobody has to be signed in."""
        return {
            "name": "Weir",
            "version": settings.VERSION,
            "api": "v1",
            "client": {"minimum": ".".join(map(str, settings.CLIENT_MINIMUM)), "latest": settings.VERSION},
            "features": FEATURES,
            "limits": {
                "body_bytes": BODY_LIMIT,
                "upload_bytes": settings.UPLOAD_LIMIT,
                "chunk_bytes": settings.UPLOAD_CHUNK,
                "calls_per_minute": RATES,
            },
        }


OPENAPI = Path(__file__).with_name("openapi.json")
"""The description of the API. `manage.py openapi` writes it, and a test compares it with the code."""


@cache
def description() -> bytes:
    return OPENAPI.read_bytes()


class Description(Endpoint):
    """The description of the API."""

    @sends("application/json", is_open=True)
    def get(self, call: Call) -> HttpResponse:
        """Download the OpenAPI 3.1 description of this API. Nobody has to be signed in."""
        return HttpResponse(description(), content_type="application/json")


@login_not_required
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show every operation, and let people who are signed in try them."""
    return render(request, "api/docs.html")


class Nothing(Endpoint):
    """Every address of the API that does not exist."""

    schema = None  # type: ignore[assignment]  # not part of the description

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise Http404
