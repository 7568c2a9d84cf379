"""Lists: the newest first, in pages that a cursor continues. There are no totals."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django_filters import CharFilter, FilterSet

from common.rest.grants import Call
from common.rest.problems import Invalid

M = TypeVar("M", bound=Model)

NEWEST = ("created_at", "pk")
LIMIT = 50
LARGEST_LIMIT = 200
LONGEST_CURSOR = 300


def page_of(
    call: Call, rows: "QuerySet[M]", *, order: Sequence[str] = NEWEST, filters: type[FilterSet] | None = None
) -> tuple[list[M], str | None]:
    """Return one page of `rows` and the path of the next one, or None if this is the last.

    `order` names two attributes, the second unique; both descend. Raises Invalid for an unknown parameter.
    """
    _refuse_unknown(call, filters)
    if filters is not None:
        rows = filtered(call, rows, filters).qs
    limit = _limit(call.query_params.get("limit", str(LIMIT)))
    if cursor := call.query_params.get("cursor"):
        rows = rows.filter(_after(cursor, order, rows.model))
    items = list(rows.order_by(*(f"-{name}" for name in order))[: limit + 1])
    if len(items) <= limit:
        return items, None
    items = items[:limit]
    given = {name: value for name, value in call.query_params.items() if name != "cursor"}
    return items, f"{call.path}?{urlencode({**given, 'cursor': _cursor(items[-1], order)})}"


def _refuse_unknown(call: Call, filters: type[FilterSet] | None) -> None:
    known = {"limit", "cursor", *(filters.base_filters if filters else ())}
    if extra := sorted(set(call.query_params) - known):
        names = ", ".join(sorted(known))
        raise Invalid(f"“{extra[0][:100]}” is not a parameter of this list. The parameters are: {names}.")


def filtered(call: Call, rows: "QuerySet[M]", filters: type[FilterSet]) -> FilterSet:
    """Return the filters that the call gives, checked. Raises Invalid."""
    for name, item in filters.base_filters.items():
        if call.query_params.get(name) == "" and not isinstance(item, CharFilter):
            raise Invalid(f"{name}: This is empty. Give a value, or leave it out.")
    chosen = filters(data=call.query_params, queryset=rows, request=call)
    if not chosen.is_valid():
        fields = {name: [str(text) for text in texts] for name, texts in chosen.errors.items()}
        name, texts = next(iter(fields.items()))
        raise Invalid(f"{name}: {texts[0]}", fields=fields)
    return chosen


def _limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= LARGEST_LIMIT:
        raise Invalid(f"limit must be a whole number from 1 to {LARGEST_LIMIT}.")
    return int(text)


def _cursor(item: Model, order: Sequence[str]) -> str:
    when, pk = (getattr(item, name) for name in order)
    return base64.urlsafe_b64encode(json.dumps([when.isoformat(), str(pk)]).encode()).decode().rstrip("=")


def _after(cursor: str, order: Sequence[str], model: type[Model]) -> Q:
    """Return the condition of the rows that come after the one that the cursor names."""
    first, second = order
    try:
        padded = cursor[:LONGEST_CURSOR] + "=" * (-len(cursor[:LONGEST_CURSOR]) % 4)
        when_text, pk_text = json.loads(base64.urlsafe_b64decode(padded))
        when, pk = datetime.fromisoformat(when_text), _field(model, second).to_python(pk_text)
    except (ValueError, TypeError, AttributeError, OverflowError, ValidationError) as bad:
        raise Invalid("This cursor is not one of this list. Start again without a cursor.") from bad
    if when.tzinfo is None:
        raise Invalid("This cursor is not one of this list. Start again without a cursor.")
    return Q(**{f"{first}__lt": when}) | Q(**{first: when, f"{second}__lt": pk})


def _field(model: type[Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)
