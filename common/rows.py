"""Changes of a row by services: locked, validated, and with the old and the new values for the audit log."""

from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import models

from common.errors import Conflict, Refused

M = TypeVar("M", bound=models.Model)
Changes = dict[str, tuple[object, object]]


def locked(item: M) -> M:
    """Return the row as it is now, locked until the transaction ends. Raises Conflict if it no longer exists."""
    model: type[M] = item._meta.model  # type: ignore[assignment]  # the model, also of a request's lazy user
    fresh: M | None = model._default_manager.select_for_update().filter(pk=item.pk).first()
    if fresh is None:
        raise Conflict("This no longer exists: somebody removed it in the meantime.")
    return fresh


def change(item: models.Model, fields: dict[str, object]) -> Changes:
    """Set and save `fields`; return {field: (old, new)} of what changed. Raises Refused if a value is invalid."""
    changes = {
        name: (getattr(item, name), value) for name, value in fields.items() if getattr(item, name) != value
    }
    for name, value in fields.items():
        setattr(item, name, value)
    check(item, only=set(fields))
    if changes:
        item.save(update_fields=list(changes))
    return changes


def check(item: models.Model, *, only: set[str] | None = None) -> None:
    """Validate the row, or only the fields in `only`. Raises Refused with the messages of all invalid fields."""
    names = {field.name for field in item._meta.fields}
    try:
        item.clean_fields(exclude=names - (names if only is None else only))
        item.validate_unique()
    except ValidationError as bad:
        raise Refused(" ".join(f"{name}: {' '.join(why)}" for name, why in bad.message_dict.items())) from bad
