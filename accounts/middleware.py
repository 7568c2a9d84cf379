"""Middleware for the signed-in person: their time zone, and the notifications that a visit answers."""

import zoneinfo
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import services, time_zones


class TimeZoneMiddleware:
    """Show dates in the person's own zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", "UTC")
        known = name if name in time_zones.known() else "UTC"
        with timezone.override(zoneinfo.ZoneInfo(known)):
            return self.get_response(request)


class VisitMiddleware:
    """Mark a person's notifications about a thing as read once they open its page.

    A page without anything in its address, such as the list of datasets, is about no one thing: to open it says
    nothing. Nor does a part that an open page fetches again by itself: nobody may be looking.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        place = request.resolver_match
        is_page = response.status_code == HTTPStatus.OK and response["Content-Type"].startswith("text/html")
        is_opened = request.method == "GET" and "HX-Request" not in request.headers
        if is_opened and is_page and place and place.kwargs and request.user.is_authenticated:
            services.read_notifications_of(request.path, by=request.user)
        return response
