"""How services change a row: locked, validated, and with the old and the new value for the audit log."""

from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import models

from common.errors import Conflict, Refused

M = TypeVar("M", bound=models.Model)
Changes = dict[str, tuple[object, object]]


def locked(item: M) -> M:
    """The row as it is now, held until the transaction ends. Conflict when it is gone meanwhile."""
    model: type[M] = item._meta.model  # type: ignore[assignment]  # the model, also of a request's lazy user
    fresh: M | None = model._default_manager.select_for_update().filter(pk=item.pk).first()
    if fresh is None:
        raise Conflict("This is gone: somebody has removed it in the meantime.")
    return fresh


def change(item: models.Model, fields: dict[str, object]) -> Changes:
    """Set and save `fields`; answer what has changed. Refused when a value is not valid."""
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
    """Refused, in words, when the row's own rules do not hold."""
    names = {field.name for field in item._meta.fields}
    try:
        item.clean_fields(exclude=names - (names if only is None else only))
        item.validate_unique()
    except ValidationError as bad:
        raise Refused(" ".join(f"{name}: {' '.join(why)}" for name, why in bad.message_dict.items())) from bad
