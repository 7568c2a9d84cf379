"""Receipts of releases: what was released, with the proof that the log holds it."""

from typing import Any

from accounts.models import User
from audit import receipts
from audit.models import Entry
from common.access import require
from requests_app import visibility
from requests_app.models import Release
from requests_app.outputs import release_record


def of_release(release: Release, *, by: User) -> dict[str, Any] | None:
    """Return the receipt of a release, also once it is recalled; None while its entry is under no signed checkpoint.

    Raises Denied.
    """
    require(visibility.may_have_receipt, by, release)
    entry = Entry.objects.filter(
        action="release.recorded", object_type="release", object_id=str(release.pk)
    ).earliest("id")
    return receipts.for_entries(
        [entry],
        kind="release",
        document=release_record.document(release.record),
        salt=release.document_salt,
    )
