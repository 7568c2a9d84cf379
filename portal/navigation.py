"""The main menu, by role."""

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User

Item = dict[str, object]


def items(request: HttpRequest) -> list[Item]:
    """What this person finds in the header: label, url, icon, active."""
    user = request.user
    if not isinstance(user, User):
        return []
    entries = [
        ("Inbox", "requests:inbox", "inbox", True),
        ("Datasets", "datasets:list", "database", True),
        ("Requests", "requests:list", "file-code", True),
        ("People", "accounts:people", "users", user.is_admin or user.is_auditor),
        ("Workers", "requests:workers", "server", user.is_admin or user.is_auditor),
        ("Audit", "audit:list", "history", True),
    ]
    return [
        {"label": label, "url": reverse(name), "icon": icon, "active": _is_here(request.path, reverse(name))}
        for label, name, icon, shown in entries
        if shown
    ]


def _is_here(path: str, url: str) -> bool:
    return path == url or (url != "/" and path.startswith(url) and url.count("/") <= 2)
