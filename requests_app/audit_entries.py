"""Entries of the audit log about a request: each names the dataset, the author and the request."""

from typing import Any

from django.db.models import Model

from accounts.models import User
from audit import log
from requests_app.models import CodeRequest


def record(action: str, item: CodeRequest, *, by: User, on: Model, **detail: Any) -> None:
    """Write an entry about `on`, which belongs to the request `item`."""
    log.record(
        action,
        by=by,
        on=on,
        dataset_id=item.dataset_id,
        person_id=item.author_id,
        request=str(item.pk),
        **detail,
    )
