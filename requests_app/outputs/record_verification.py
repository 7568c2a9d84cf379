"""Verification of releases: every record is the one that the audit log committed to when it was released."""

from collections.abc import Iterator

from django.db.models import QuerySet

from audit import documents
from audit.models import Entry
from requests_app.models import Release
from requests_app.outputs import release_record

BATCH = 200


def faults() -> Iterator[str]:
    """Yield releases that differ from the audit log, that it does not know, or that are missing.

    Of what an earlier version released, it knows the decision alone.
    """
    decided = set(_entries("release.release").values_list("object_id", flat=True))
    logged: dict[str, str] = {}
    for pk, detail in _entries("release.recorded").values_list("object_id", "detail"):
        logged.setdefault(pk, detail.get("document_sha256", ""))
    for release in Release.objects.exclude(record={}).order_by("pk").iterator(chunk_size=BATCH):
        pk = str(release.pk)
        expected = logged.pop(pk, None)
        if pk not in decided:
            yield f"Release {pk} has a record, but the audit log does not say that it was released."
        elif expected is None and not release.document_salt:
            continue
        elif not documents.is_of(expected, release.document_salt, release_record.document(release.record)):
            yield f"The record of release {pk} differs from what the audit log says was released."
    for pk in logged:
        yield f"Release {pk} was recorded, as the audit log says, but its record is missing."


def _entries(action: str) -> QuerySet[Entry]:
    return Entry.objects.filter(action=action, object_type="release").order_by("id")
