"""Convert the form's fields into a model or a synthetic table that is asked for, and back."""

from collections.abc import Iterator, Mapping
from typing import Any

from privacy.engine.language.expressions import Column, In
from privacy.engine.language.learning import (
    MAX_LAYERS,
    MAX_UNITS,
    SYNTHETIC_BINS,
    TEST_SHARE,
    Amount,
    CategoryFeature,
    Choice,
    Events,
    Feature,
    Fit,
    NumberFeature,
    Outcome,
    SyntheticTable,
    YesNo,
)
from privacy.engine.language.query import Query
from privacy.engine.language.schema import KEPT_AS_NUMBERS, ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.plan.fits import BINS, whole_values
from privacy.presentation.learning_in_words import features
from privacy.presentation.readable import FLAGS

MODEL, TABLE = "model", "table_of"
MEASURES = {MODEL: "Model that predicts a column", TABLE: "Synthetic table"}
AUTOMATIC, SLOPE, PARTS = "automatic", "slope", "parts"
SHAPES = {
    AUTOMATIC: "Automatic",
    SLOPE: "One slope for each number",
    PARTS: "Steps: equal parts",
}
WHETHER, IS, WHICH, AMOUNT, EVENTS = "whether", "is", "which", "amount", "events"
PERCENT_TESTED = round(TEST_SHARE * 100)
"""Percent of the people on whom a model is tested, unless somebody chooses otherwise."""
Choices = list[tuple[str, Any]]


def outcomes(table: TableSpec) -> Choices:
    """Return what a model can predict from the declarations, as choices of a select, in groups."""
    named: dict[str, list[tuple[str, str]]] = {}
    for spec in table.columns.values():
        for how, group, text in _predicted(spec):
            named.setdefault(group, []).append((f"{how}:{spec.name}", text))
    return [("", "Choose…"), *((group, named[group]) for group in GROUPS if group in named)]


GROUPS = ("Yes or no", "Which value", "How much", "How many events")


def _predicted(spec: ColumnSpec) -> Iterator[tuple[str, str, str]]:
    if spec.kind == Kind.BOOLEAN:
        yield WHETHER, GROUPS[0], spec.name
    elif spec.kind == Kind.CATEGORY:
        yield IS, GROUPS[0], f"{spec.name} is …"
        yield WHICH, GROUPS[1], spec.name
    elif spec.is_numeric:
        yield AMOUNT, GROUPS[2], spec.name
        if spec.lower >= 0 and spec.lattice == 0:
            yield EVENTS, GROUPS[3], f"{spec.name}, from 0 up"


def explaining(table: TableSpec) -> list[str]:
    """Return the columns that a model can use."""
    return [spec.name for spec in table.columns.values() if spec.is_numeric or spec.is_key]


def drawn(table: TableSpec) -> list[str]:
    """Return the columns that a synthetic table can have."""
    return [spec.name for spec in table.columns.values() if spec.kind in KEPT_AS_NUMBERS or spec.is_key]


def measure_of(fields: Mapping[str, Any], table: TableSpec) -> Fit | SyntheticTable:
    """Return what the form's fields ask for. Raises QueryRefused naming what is missing."""
    if fields.get("measure") == TABLE:
        columns = tuple(fields.get("columns") or ())
        if not columns:
            raise QueryRefused("Choose the columns of the table.")
        return SyntheticTable(
            columns, fields.get("table_bins") or SYNTHETIC_BINS, fields.get("focus") or None
        )
    outcome = _outcome(str(fields.get("outcome") or ""), str(fields.get("value") or "").strip(), table)
    names = fields.get("predictors") or ()
    if not names:
        raise QueryRefused("Choose the columns from which it is predicted.")
    share = fields.get("test_share")
    return Fit(
        outcome,
        tuple(_feature(name, _bins(fields), table) for name in names),
        _hidden(str(fields.get("hidden") or "")),
        (PERCENT_TESTED if share is None else share) / 100,
        fields.get("steps") or None,
        fields.get("people") or None,
    )


def _outcome(chosen: str, value: str, table: TableSpec) -> Outcome:
    how, _, name = chosen.partition(":")
    match how:
        case "whether":
            return YesNo(In(name, ("1",)))
        case "is":
            if not value:
                raise QueryRefused(f"Enter the value of “{name}” that is predicted.")
            if value not in (labels := table.column(name).labels):
                raise QueryRefused(f"“{value[:100]}” is not a value of “{name}”: {', '.join(labels)[:300]}.")
            return YesNo(In(name, (value,)))
        case "which":
            return Choice(name)
        case "amount":
            return Amount(Column(name))
        case "events":
            return Events(Column(name))
        case _:
            raise QueryRefused("Choose what is predicted.")


def _bins(fields: Mapping[str, Any]) -> int | None:
    match fields.get("shape"):
        case "slope":
            return 0
        case "parts":
            return fields.get("parts") or BINS
        case _:
            return None


def _feature(name: str, bins: int | None, table: TableSpec) -> Feature:
    if table.column(name).is_key:
        return CategoryFeature(name)
    return NumberFeature(name, Column(name), bins and _at_most(bins, name, table))


def _at_most(bins: int, name: str, table: TableSpec) -> int:
    """Return the parts of a number: whole numbers with fewer values have one part each."""
    values = whole_values(Column(name), table)
    return bins if values is None else min(bins, max(values, 2))


def _hidden(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MAX_LAYERS or not all(part.isdecimal() and 1 <= int(part) <= MAX_UNITS for part in parts):
        raise QueryRefused(
            f"Enter one or two numbers of hidden units from 1 to {MAX_UNITS}, such as 16 or 16, 8, not “{text[:40]}”."
        )
    return tuple(map(int, parts))


# Back


def fields_of(query: Query, table: TableSpec) -> dict[str, Any] | None:
    """Return the form's fields for a model or a synthetic table; None where it has none, or for other questions."""
    match query.measure:
        case SyntheticTable(columns, bins, focus):
            return {"measure": TABLE, "columns": list(columns), "table_bins": bins, "focus": focus or ""}
        case Fit() as fit:
            predicted, shape = _predicted_by(fit.outcome, table), _shape(fit, table)
            share = round(fit.test_share * 100)
            if predicted is None or shape is None or share / 100 != fit.test_share:
                return None
            return {
                "measure": MODEL,
                **predicted,
                **shape,
                "predictors": features(fit),
                "hidden": ", ".join(map(str, fit.hidden)),
                "test_share": share,
                "steps": fit.steps,
                "people": fit.people,
            }
        case _:
            return None


def _predicted_by(outcome: Outcome, table: TableSpec) -> dict[str, str] | None:
    match outcome:
        case YesNo(In(name, ("1",))) if table.column(name).labels == tuple(FLAGS):
            return {"outcome": f"{WHETHER}:{name}", "value": ""}
        case YesNo(In(name, (value,))) if table.column(name).kind == Kind.CATEGORY:
            return {"outcome": f"{IS}:{name}", "value": value}
        case Choice(name):
            return {"outcome": f"{WHICH}:{name}", "value": ""}
        case Amount(Column(name)):
            return {"outcome": f"{AMOUNT}:{name}", "value": ""}
        case Events(Column(name)):
            return {"outcome": f"{EVENTS}:{name}", "value": ""}
        case _:
            return None


def _shape(fit: Fit, table: TableSpec) -> dict[str, Any] | None:
    """Return how numbers enter, if all enter alike and each feature is a column by its name."""
    found: dict[str, int | None] = {}
    for each in fit.features:
        match each:
            case NumberFeature(name, Column(column), bins, ()) if name == column:
                found[name] = bins
            case CategoryFeature():
                pass
            case _:
                return None
    every = set(found.values())
    if every <= {None}:
        return {"shape": AUTOMATIC, "parts": None}
    if every == {0}:
        return {"shape": SLOPE, "parts": None}
    most = max(bins or 0 for bins in every)
    if any(bins != _at_most(most, name, table) for name, bins in found.items()):
        return None
    return {"shape": PARTS, "parts": most}
