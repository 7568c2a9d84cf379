"""Exports of the audit log, which are audited themselves."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.db import transaction

from audit import export, log, queries

if TYPE_CHECKING:
    from accounts.models import User


def export_csv(wanted: queries.Search, *, by: "User") -> Iterator[str]:
    """Return the matching entries that this person may read, as pieces of CSV. The export itself is recorded first."""
    with transaction.atomic():
        log.record("audit.export", by=by, on=by, dataset_id=wanted.dataset, search=wanted.shown())
    return export.pieces(queries.search(by, wanted))
