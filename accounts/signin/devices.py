"""Known devices: a browser in which a person has signed in before has its own count of wrong passwords.

Strangers who guess passwords lock out strangers, not the person at their own computer. The cookie grants no access: it
only selects the count that an attempt belongs to. OWASP calls these device cookies.
"""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "weir_device"
SALT = "accounts.device"
DAYS = 180
PEOPLE = 5
"""How many people one browser remembers, most recent first."""
PROVED = "weir.proved"
LONGEST = 4000


def known(request: HttpRequest, address: str) -> str | None:
    """Return the device name of this browser for the person with this address; None if they never signed in here."""
    return next((name for whose, name in _remembered(request) if whose == address), None)


def proved(request: HttpRequest, address: str) -> None:
    """Mark that this request proved to come from the person with this address. The middleware then sets the cookie."""
    request.META[PROVED] = address


def _remembered(request: HttpRequest) -> list[tuple[str, str]]:
    given = request.COOKIES.get(COOKIE, "")
    if not given or len(given) > LONGEST:
        return []
    try:
        pairs = signing.loads(given, salt=SALT, max_age=DAYS * 24 * 3600)
    except signing.BadSignature:
        return []
    return [(str(whose), str(name)) for whose, name in pairs]


class KnownDeviceMiddleware:
    """Sets the device cookie after a sign-in or a password reset by mail."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if address := request.META.get(PROVED):
            others = [pair for pair in _remembered(request) if pair[0] != address]
            pairs = [(address, secrets.token_urlsafe(16)), *others][:PEOPLE]
            answer.set_cookie(
                COOKIE,
                signing.dumps(pairs, salt=SALT),
                max_age=DAYS * 24 * 3600,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return answer
