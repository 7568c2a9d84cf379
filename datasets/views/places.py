"""Where on the pages something is that the owner has to look at: columns, and fields with errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.urls import reverse

from datasets.forms import ColumnForm, TableForm
from datasets.models import Table

COLUMNS = 40
"""The columns on one page of a table's declarations."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What a draft lacks: a link to the column that it is about, if it is about one, and the rest of the sentence."""

    place: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of a field, in words that name its column, and the id of the field."""

    field: str
    words: str


def of_columns(table: Table) -> dict[str, str]:
    """Return the address of each column's row on the page that declares the table."""
    page = reverse("datasets:declare", args=[table.pk])
    return {
        column.name: f"{page}?page={place // COLUMNS + 1}#column-{column.pk.hex}"
        for place, column in enumerate(table.columns.all())
    }


def of_gap(gap: str, tables: Sequence[Table]) -> Gap:
    """Return what is missing with the address of its column: the longest name that the sentence begins with."""
    found = Gap("", "", gap)
    for table in tables:
        for name, place in of_columns(table).items():
            shown = f"{table.name}.{name}"
            if gap.startswith(f"{shown}: ") and len(shown) > len(found.name):
                found = Gap(place, shown, gap.removeprefix(shown))
    return found


def misfits(table: Table) -> list[dict[str, Any]]:
    """Return the columns with cells that do not fit, each with the address of its row."""
    places = of_columns(table)
    found = table.misfits.get("columns", {})
    return [
        {"name": name, "place": places[name], **counts} for name, counts in found.items() if name in places
    ]


def problems(table_form: TableForm, column_forms: Sequence[ColumnForm]) -> list[Problem]:
    """Return the errors of all fields of the page that declares a table."""
    named: list[tuple[str, forms.BaseForm]] = [
        ("", table_form),
        *((form.column.name, form) for form in column_forms),
    ]
    return [
        Problem(
            form[field].auto_id,
            f"{name}, {_lowered(str(form[field].label))}: {error}"
            if name
            else f"{form[field].label}: {error}",
        )
        for name, form in named
        for field, errors in form.errors.items()
        if field != NON_FIELD_ERRORS
        for error in errors
    ]


def _lowered(label: str) -> str:
    return label[:1].lower() + label[1:]
