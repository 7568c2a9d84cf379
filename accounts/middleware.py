"""Middleware that activates the signed-in person's time zone."""

import zoneinfo
from collections.abc import Callable
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

# Cached: it opens every file of the time zone database.
known_zones = cache(zoneinfo.available_timezones)


class TimeZoneMiddleware:
    """Show dates in the person's own zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", "UTC")
        known = name if name in known_zones() else "UTC"
        with timezone.override(zoneinfo.ZoneInfo(known)):
            return self.get_response(request)
