"""Access to the audit log for tests."""

from audit.models import Entry


def actions() -> list[str]:
    return list(Entry.objects.order_by("id").values_list("action", flat=True))


def last_changes() -> dict[str, list[object]]:
    return Entry.objects.order_by("-id").values_list("changes", flat=True)[0]
