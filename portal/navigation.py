"""The main menu, by role."""

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User

Item = dict[str, object]


def items(request: HttpRequest) -> list[Item]:
    """Return this person's menu entries as dicts of label, url, icon and active."""
    user = getattr(request, "user", None)  # absent if a request is refused before authentication
    if not isinstance(user, User):
        return []
    entries = [
        ("Inbox", "inbox", "inbox", True),
        ("Datasets", "datasets:list", "database", True),
        ("Requests", "requests:list", "file-code", True),
        ("Answers", "privacy:index", "message-question", True),
        ("Studies", "studies:list", "topology-star-3", True),
        ("People", "accounts:people", "users", user.oversees),
        ("Network", "network:list" if user.oversees else "network:find", "affiliate", True),
        ("Workers", "requests:workers", "server", user.oversees),
        ("Audit", "audit:list", "history", True),
    ]
    shown_items = [(label, reverse(name), icon) for label, name, icon, shown in entries if shown]
    # All pages of the network belong to its one entry, which leads people to what they may do there.
    path = request.path
    if path.startswith("/network/"):
        path = next(url for label, url, _icon in shown_items if label == "Network")
    here = _here(path, [url for _label, url, _icon in shown_items])
    return [
        {"label": label, "url": url, "icon": icon, "active": url == here} for label, url, icon in shown_items
    ]


def _here(path: str, urls: list[str]) -> str:
    """Return the URL of the entry that the page belongs to (the longest prefix), or "" for personal pages."""
    personal = ("accounts:profile", "accounts:notifications", "accounts:tokens", "accounts:device")
    own = [reverse(name) for name in personal]
    best = max((url for url in [*urls, *own] if path.startswith(url)), key=len, default="")
    return "" if best in own else best
