"""Template context that every page needs."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string


def page(request: HttpRequest) -> dict[str, object]:
    """Return the main menu, the number of unread notifications, and whether this is the demo."""
    return {
        "navigation": import_string(settings.NAVIGATION)(request),
        "unread": SimpleLazyObject(lambda: _unread(request)),
        "demo": settings.DEMO,
        "demo_people": import_string(settings.DEMO_PEOPLE) if settings.DEMO else [],
        "registration": settings.REGISTRATION,
        "portal_version": settings.VERSION,
    }


def _unread(request: HttpRequest) -> int:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return 0
    return int(user.notifications.filter(read_at=None).count())
