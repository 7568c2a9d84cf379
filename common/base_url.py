"""The portal's one address: its scheme and port come from WEIR_BASE_URL, not from what a request claims."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port

SCHEME = "weir.scheme"
"""A key in request.META that no client can set; SECURE_PROXY_SSL_HEADER reads it."""


class BaseUrlMiddleware:
    """Set the scheme and port of each request; has to be the first middleware.

    The proxy speaks plain HTTP with us, and may pass on whatever port a client names. Django still checks host names
    (WEIR_HOSTS).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        base = urlsplit(settings.BASE_URL)
        request.META[SCHEME] = base.scheme
        domain, _port = split_domain_port(request.META.get("HTTP_HOST", ""))
        if domain and domain.strip("[]") == base.hostname:
            request.META["HTTP_HOST"] = base.netloc
        return self.get_response(request)
