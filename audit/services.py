"""What people do with the log: take a copy of a part of it, which is itself written down."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.db import transaction

from audit import export, log, queries

if TYPE_CHECKING:
    from accounts.models import User


def export_csv(wanted: queries.Search, *, by: "User") -> Iterator[str]:
    """The readable entries that fit, as pieces of CSV. That somebody took them is recorded first."""
    with transaction.atomic():
        log.record("audit.export", by=by, on=by, dataset_id=wanted.dataset, search=wanted.shown())
    return export.pieces(queries.search(by, wanted))
