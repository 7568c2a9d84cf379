"""What every page needs around its content."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string


def page(request: HttpRequest) -> dict[str, object]:
    """The main menu, and whether this is the demo."""
    return {"navigation": import_string(settings.NAVIGATION)(request), "demo": settings.DEMO}
