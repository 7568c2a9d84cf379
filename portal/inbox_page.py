"""The inbox page: what is waiting, since when, and for whom."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from common.http import UserRequest
from common.pages import show
from portal.inbox import Inbox, InboxItem
from portal.inbox import inbox as items_for

KINDS = {
    "review": ("Code to review", "eye-code"),
    "check": ("Outputs to check", "file-search"),
    "access": ("Access to decide on", "key"),
    "top_up": ("Budgets to decide on", "trending-up"),
    "registration": ("People who ask for an account", "user-plus"),
    "portal": ("Other portals to decide on", "affiliate"),
    "guest": ("People of other portals who ask for access", "user-plus"),
    "study": ("Studies to join or decline", "affiliate"),
    "changes": ("Your requests that need changes", "pencil"),
    "output_changes": ("Your outputs that need changes", "pencil"),
    "released": ("Released to you and not opened yet", "download"),
    "answer": ("New answers", "message-question"),
    "joint_answer": ("New joint answers", "topology-star-3"),
    "run": ("Approved and ready to run", "player-play"),
    "expired": ("Approvals that have expired", "clock-off"),
    "draft": ("Your drafts", "file-code"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """The items of one kind, oldest first. KINDS lists the most urgent kinds first."""

    label: str
    icon: str
    items: list[InboxItem]
    total: int


@require_safe
def inbox(request: UserRequest) -> HttpResponse:
    found = items_for(request.user)
    return show(request, "requests/inbox", {"groups": list(_groups(found))}, parts={"inbox-items"})


def _groups(found: Inbox) -> Iterator[Group]:
    for kind, (label, icon) in KINDS.items():
        items = [item for item in found if item.kind == kind]
        if items:
            yield Group(label, icon, items, found.totals[kind])
