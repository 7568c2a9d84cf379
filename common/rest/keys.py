"""Idempotency keys: a call that is sent again, because its answer was lost, acts once."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model
from django.http import Http404

from common.errors import Refused
from common.models import IdempotencyKey
from common.rest.grants import Call
from common.rest.problems import Invalid, KeyReused


def key_of(call: Call) -> UUID | None:
    """Return the key that the call gives, or None. Raises Invalid if it is not a UUID, or empty."""
    text = call.headers.get("Idempotency-Key")
    try:
        return None if text is None else UUID(text)
    except ValueError as bad:
        raise Invalid("The Idempotency-Key must be a UUID.") from bad


def once(call: Call, key: UUID, content: bytes, act: Callable[[], Model]) -> tuple[Model | None, UUID | None]:
    """Act in one transaction with the key's row. Return (object, None), or (None, its id) if this was done before.

    The row is written first, so a second call with the same key waits for the first one to end.
    """
    with transaction.atomic():
        row, is_new = _row(call, key, content)
        if not is_new:
            return None, row.object_id
        made = act()
        row.object_id = made.pk
        row.save(update_fields=["object_id"])
    return made, None


def handed(call: Call, key: UUID, content: bytes, act: Callable[[], Any]) -> tuple[Any, UUID | None]:
    """As `once`, for services that open durable transactions or take a lock, and so cannot run in another transaction.

    If a first call has died in between, or runs at the same moment, `act` is called again: the service gets the key, or
    has a rule against doing the same twice. What was refused leaves no key.
    """
    with transaction.atomic():
        row, _ = _row(call, key, content)
    if row.object_id is not None:
        return None, row.object_id
    try:
        made = act()
    except (Refused, Http404):
        IdempotencyKey.objects.filter(pk=row.pk, object_id=None).delete()
        raise
    IdempotencyKey.objects.filter(pk=row.pk).update(object_id=made.pk)
    return made, None


def _row(call: Call, key: UUID, content: bytes) -> tuple[IdempotencyKey, bool]:
    place = f"{call.method} {call.path}"[:200]
    fields: dict[str, Any] = {"place": place, "body_sha256": hashlib.sha256(content).hexdigest()}
    wanted = IdempotencyKey(person_id=call.user.pk, key=key, **fields)
    IdempotencyKey.objects.bulk_create([wanted], ignore_conflicts=True)
    row = IdempotencyKey.objects.select_for_update().get(person_id=call.user.pk, key=key)
    if (row.place, row.body_sha256) != (fields["place"], fields["body_sha256"]):
        raise KeyReused("This Idempotency-Key was used for another call. Use a new key for a new call.")
    return row, row.pk == wanted.pk
