"""What people do with the log: export it, which is recorded itself, and ask for its signature."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from audit import export, log, queries, signing
from audit.models import Link
from common.errors import Denied

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


def ask_for_checkpoint(*, by: "User") -> None:
    """Have the log signed with the next tick. Raises Denied for those who do not oversee."""
    if not by.oversees:
        raise Denied("Only admins and auditors have the log signed between the hours.")
    with transaction.atomic():
        log.record("checkpoint.ask", by=by, on=by)
    newest = Link.objects.last()
    signing.want(newest.position if newest else 0)
