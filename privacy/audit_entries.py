"""Entries of the audit log about a budget: each names the dataset and the scientist."""

from typing import Any

from django.db.models import Model

from accounts.models import User
from audit import log
from privacy.models import Budget


def record(action: str, budget: Budget, *, by: User, on: Model, **detail: Any) -> None:
    """Write an entry about `on`, which belongs to `budget`."""
    log.record(
        action,
        by=by,
        on=on,
        dataset_id=budget.promise.dataset_id,
        person_id=budget.scientist_id,
        **detail,
    )
