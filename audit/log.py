"""The one writer of the audit log."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from audit import chain
from audit.actions import ACTIONS
from audit.models import Entry


@runtime_checkable
class Actor(Protocol):
    """Who performs an action: a person, or the system."""

    pk: UUID
    email: str


def record(  # noqa: PLR0913 -- an entry has this many parts, each named at the call
    action: str,
    *,
    by: Actor,
    on: models.Model,
    dataset_id: UUID | str = "",
    person_id: UUID | str = "",
    changes: Mapping[str, tuple[object, object]] | None = None,
    at: datetime | None = None,
    **detail: object,
) -> Entry:
    """Write one entry in the caller's transaction.

    `changes` maps a field to (old, new). `detail` must be something that auditors may read: ids, counts and names,
    never private rows. A model whose text they may not read has an `audit_label`. `at`: when it happened, if the moment
    at which it is written depends on private rows.
    Raises RuntimeError outside a transaction: an unlogged change must not be possible. Raises ValueError for an action
    that `audit.actions` does not list.
    """
    if action not in ACTIONS:
        raise ValueError(f"Add {action!r} to audit/actions.py, and say who receives something by it.")
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("audit.log.record() must run inside the transaction it documents.")
    now = (at or timezone.now()).astimezone(UTC)
    fields = {
        "action": action,
        "actor_id": str(by.pk),
        "actor": by.email,
        "object_type": on._meta.model_name or "",
        "object_id": str(on.pk),
        "object_label": str(getattr(on, "audit_label", on))[:300],
        "dataset_id": str(dataset_id),
        "person_id": str(person_id),
        "changes": {name: [_plain(old), _plain(new)] for name, (old, new) in (changes or {}).items()},
        "detail": {name: _plain(value) for name, value in detail.items()},
    }
    return Entry.objects.create(at=now, payload=chain.payload({"at": now.isoformat(), **fields}), **fields)


def _plain(value: object) -> object:
    """Convert a value to the JSON that the database will return."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)
