"""Exports of the audit log, which are audited themselves."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from audit import export, log, queries

if TYPE_CHECKING:
    from accounts.models import User


def export_csv(
    wanted: queries.Search, *, by: "User", dataset_ids: Collection[UUID] | None = None
) -> Iterator[str]:
    """Return the matching entries that this person may read, as pieces of CSV. The export itself is recorded first.

    With `dataset_ids`, only the entries about these datasets.
    """
    with transaction.atomic():
        log.record("audit.export", by=by, on=by, dataset_id=wanted.dataset, search=wanted.shown())
    found = queries.search(queries.readable(by), wanted)
    if dataset_ids is not None:
        found = found.filter(dataset_id__in=[str(pk) for pk in dataset_ids])
    return export.pieces(found)
