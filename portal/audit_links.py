"""Where an entry of the audit log leads: the page of the object that it is about."""

from uuid import UUID

from django.urls import reverse

from accounts.models import User
from audit.models import Entry

PAGES = {
    "answer": "privacy:answer",
    "budget": "privacy:budget",
    "codeenvironment": "requests:environment",
    "coderequest": "requests:detail",
    "dataset": "datasets:detail",
    "release": "requests:check",
    "run": "requests:run",
    "topup": "privacy:top_up",
    "version": "requests:review",
}
"""Page of the object, for everybody who may read the entry."""
OF_RUN = frozenset({"output"})
OF_DATASET = frozenset({"datasetreviewer", "grant", "revision", "table", "terms"})
FOR_OVERSEERS = {
    "identity": "network:list",
    "invitation": "accounts:invitations",
    "worker": "requests:workers",
    "pause": "requests:workers",
}
"""Pages without an id, which only admins and auditors may open."""
OF_OVERSEERS = {"peer": "network:peer", "user": "accounts:person"}
"""Page of the object, which only admins and auditors may open."""


def address(entry: Entry, reader: User) -> str:
    """Return the address of the page that shows the object of an entry, or ""."""
    kind = entry.object_type
    if kind == "accessrequest":
        # What people write in it is for its author and the owner.
        return "" if reader.oversees else _page("datasets:access", entry.object_id)
    if kind == "answer" and reader.oversees and not reader.is_auditor:
        return ""  # figures are not for admins; the budget's own entries lead to its page
    if kind in PAGES:
        return _page(PAGES[kind], entry.object_id)
    if kind in OF_RUN:
        return _page("requests:run", str(entry.detail.get("run", "")))
    if kind in OF_DATASET:
        return _page("datasets:detail", entry.dataset_id)
    if kind == "promise":
        return _page("privacy:dataset", entry.dataset_id)
    if kind in OF_OVERSEERS and reader.oversees:
        return _page(OF_OVERSEERS[kind], entry.object_id)
    return reverse(FOR_OVERSEERS[kind]) if kind in FOR_OVERSEERS and reader.oversees else ""


def _page(name: str, pk: str) -> str:
    """Return the address of an object's page; "" if the entry, which may be old, names it otherwise."""
    try:
        return reverse(name, args=[UUID(pk)])
    except ValueError:
        return ""
