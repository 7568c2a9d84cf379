"""What programs declare of a table, in the form that the service takes. The forms of the pages check the columns."""

from datetime import UTC, datetime, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.rest.bodies import Body
from common.rest.problems import Invalid
from datasets import models
from datasets.declarations.schema import EPOCH
from datasets.forms import ColumnForm

OF_TYPE = ("lower", "upper", "categories", "rows_per_value", "decimals")
"""The declarations that only columns of some types have: a change of the type clears the others."""


@extend_schema_field({"type": ["number", "string"]})
class Bound(serializers.Field[Any, Any, Any, Any]):
    """A number, or a text such as 1990-12-31, or null."""

    def to_internal_value(self, data: Any) -> float | str:
        if isinstance(data, str):
            return data
        if isinstance(data, int | float) and not isinstance(data, bool):
            return float(data)
        raise serializers.ValidationError("Send a number, or a date as text, such as 1990-12-31.")


@extend_schema_field({"type": ["integer", "string"]})
class Category(serializers.Field[Any, Any, Any, Any]):
    """A text, or a whole number."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str | int) or isinstance(data, bool) or "\n" in str(data):
            raise serializers.ValidationError("A category is a text on one line, or a whole number.")
        return str(data)


class ColumnChange(Body):
    """The declarations of a column that change."""

    type = serializers.ChoiceField(models.Column.Type.choices, required=False)
    description = serializers.CharField(max_length=500, allow_blank=True, required=False)
    unit = serializers.CharField(max_length=40, allow_blank=True, required=False)
    nullable = serializers.BooleanField(required=False)
    lower = Bound(allow_null=True, required=False)
    upper = Bound(allow_null=True, required=False)
    categories = serializers.ListField(child=Category(), max_length=500, required=False)
    rows_per_value = serializers.IntegerField(allow_null=True, required=False)
    decimals = serializers.IntegerField(allow_null=True, required=False)
    constant = serializers.BooleanField(required=False)
    confirmed = serializers.BooleanField(
        required=False, help_text="You confirm that the declarations of this column may be public."
    )


def arguments(table: models.Table, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what services.declare() takes. Raises Invalid if a column's declarations have the wrong form."""
    fields = dict(fields)
    given: dict[str, dict[str, Any]] = fields.pop("columns", {})
    columns = {column.name: column for column in table.columns.all()}
    if unknown := sorted(set(given) - set(columns)):
        raise Invalid(f"The table has no column “{unknown[0][:100]}”.", place="columns")
    asked = {name: _column(columns[name], changed) for name, changed in given.items()}
    if "subject" in fields:
        subject = fields.pop("subject")
        if subject is not None and subject not in columns:
            raise Invalid(f"The table has no column “{subject}”.", place="subject")
        fields["about_people"] = subject is not None
        asked = {name: {**asked.get(name, {}), "is_subject": name == subject} for name in columns}
    return {"columns": asked, **fields}


def _column(column: models.Column, changed: dict[str, Any]) -> dict[str, Any]:
    """Return the changes of a column as the page's form would read them."""
    typed = {**ColumnForm(column=column).initial, **changed}
    prefix = f"c{column.position}-"
    form = ColumnForm({f"{prefix}{name}": _typed(typed, name) for name in typed}, column=column)
    if not form.is_valid():
        errors = {f"columns.{column.name}.{name}": list(map(str, why)) for name, why in form.errors.items()}
        first = next(iter(errors.values()))[0]
        raise Invalid(f"{column.name}: {first}", fields=errors, place=f"columns.{column.name}")
    clean = form.cleaned_data
    stray = [name for name in OF_TYPE if changed.get(name) not in (None, []) and clean[name] in (None, [])]
    if stray:
        words = f"A column of the type “{clean['type']}” has no {stray[0]}."
        raise Invalid(words, place=f"columns.{column.name}.{stray[0]}")
    cleared = [name for name in OF_TYPE if "type" in changed and clean[name] != getattr(column, name)]
    return {name: clean[name] for name in {*changed, *cleared}}


def _typed(given: dict[str, Any], name: str) -> Any:
    """Return a value as people would type it into the form."""
    value = given[name]
    if name == "categories":
        return "\n".join(value) if isinstance(value, list) else value
    if name in {"lower", "upper"} and isinstance(value, float):
        return _written(given["type"], value)
    return "" if value is None else value


def _written(type_: str, bound: float) -> str:
    """Return a bound as people type it, to the microsecond; a bare number if it is no date or time."""
    whole = float(bound).is_integer()
    try:
        if type_ == "date" and whole:
            return (EPOCH + timedelta(days=bound)).isoformat()
        if type_ == "datetime":
            return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=bound)).isoformat()
    except OverflowError:
        return repr(bound)
    return str(int(bound)) if whole and type_ == "integer" else repr(bound)
