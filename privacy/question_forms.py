"""The form of a question. It checks shape only; rules, services and the engine decide."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, Kind, QueryRefused, TableSpec
from privacy.presentation.query_form import MEASURES, OPERATORS, Line

MAX_LINES = 12
TEXT_LIMIT = 10_000
FORM, SQL = "form", "sql"
ERROR, EPSILON = "error", "epsilon"
MOST_POINTS = 50
NEEDS = {
    "column": "mean person_mean sum variance quantiles person_amount distribution histogram correlation covariance "
    "regression",
    "other": "correlation covariance",
    "features": "regression",
    "shares": "quantiles person_rows person_amount",
    "bins": "distribution",
    "edges": "histogram",
    "text": "keys",
    "by": "count people mean person_mean sum variance histogram covariance",
}
"""The measures that use each field: the page shows only the fields in use."""
SQL_SIDE = {"sql"}
FORM_SIDE = {"measure", *NEEDS, "rows"}
NO_CHOICE = {"invalid_choice": "“%(value)s” is not one of the choices. Choose one from the list."}


def _from_to(least: int, most: int) -> dict[str, str]:
    return dict.fromkeys(
        ("invalid", "min_value", "max_value"), f"Enter a whole number from {least:,} to {most:,}."
    )


class QuestionForm(forms.Form):
    """A question in fields and in SQL, with its price. `source` names the side that was edited last: errors on the
    other side, or in fields that the question does not use, are ignored."""

    source = forms.ChoiceField(choices=[(FORM, FORM), (SQL, SQL)], widget=forms.HiddenInput, required=False)
    table = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)
    key = forms.UUIDField(widget=forms.HiddenInput, required=False)
    meant = forms.CharField(widget=forms.HiddenInput, required=False, max_length=TEXT_LIMIT)
    """The question, in its wire form, for which a guide or a count is asked first."""
    measure = forms.ChoiceField(label="Compute", required=False, error_messages=NO_CHOICE)
    column = forms.ChoiceField(label="Of", required=False, error_messages=NO_CHOICE)
    other = forms.ChoiceField(label="And", required=False, error_messages=NO_CHOICE)
    text = forms.ChoiceField(label="Of", required=False, error_messages=NO_CHOICE)
    features = forms.MultipleChoiceField(
        label="Explained by",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages=NO_CHOICE,
    )
    shares = forms.CharField(
        label="Quantiles",
        required=False,
        max_length=100,
        help_text="Such as 0.5, 0.9 or 50 %, 90 %. 0.5 is the median.",
    )
    bins = forms.IntegerField(
        label="Bins", required=False, min_value=2, max_value=256, error_messages=_from_to(2, 256)
    )
    edges = forms.CharField(
        label="Edges of the bins",
        required=False,
        max_length=TEXT_LIMIT,
        help_text="Such as 0, 10, 50 or 0 to 100 by 5. A bin includes its lower edge, the last one both. Rows outside "
        "all bins are not counted.",
    )
    by = forms.MultipleChoiceField(
        label="For each",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages=NO_CHOICE,
    )
    rows = forms.IntegerField(
        label="Rows counted per person, at most",
        required=False,
        min_value=1,
        max_value=MAX_ROWS_PER_SUBJECT,
        error_messages=_from_to(1, MAX_ROWS_PER_SUBJECT),
        help_text="Fewer rows make the answer cheaper. People with more are scaled down.",
    )
    sql = forms.CharField(
        label="SQL",
        required=False,
        max_length=TEXT_LIMIT,
        error_messages={"max_length": f"This SQL query is longer than {TEXT_LIMIT:,} characters."},
        strip=False,
        widget=forms.Textarea(
            attrs={"class": "code", "rows": 8, "spellcheck": "false", "autocapitalize": "off"}
        ),
    )
    goal = forms.ChoiceField(
        label="Fix",
        required=False,
        choices=[(ERROR, "how exact it is"), (EPSILON, "what it costs")],
        widget=forms.RadioSelect,
    )
    error = forms.FloatField(label="Error", required=False)
    epsilon = forms.FloatField(label="Epsilon", required=False)

    def __init__(self, *args: Any, table: TableSpec, undeclared: bool, **kwargs: Any) -> None:
        """Offer what the table's columns allow. `undeclared`: whether the promise releases values of text columns."""
        super().__init__(*args, **kwargs)
        columns = list(table.columns.values())
        numeric = [spec.name for spec in columns if spec.is_numeric]
        texts = [spec.name for spec in columns if spec.kind == Kind.TEXT and undeclared]
        offered = {"numeric": numeric, "texts": texts, "keys": [spec.name for spec in columns if spec.groups]}
        days = [
            (spec.name, f"{spec.name} (dates: quantiles only)") for spec in columns if spec.kind == Kind.DATE
        ]
        measures = [(name, words) for name, words in MEASURES.items() if name != "keys" or texts]
        self._offer("measure", measures)
        for name, kind in (("column", "numeric"), ("other", "numeric"), ("text", "texts")):
            more = days if name == "column" else []
            self._offer(name, [("", "Choose…"), *((each, each) for each in offered[kind]), *more])
        for name, kind in (("features", "numeric"), ("by", "keys")):
            self._offer(name, [(each, each) for each in offered[kind]])
        self.fields["rows"].widget.attrs["placeholder"] = f"{table.max_rows:,}, as declared"
        if missing := [spec.name for spec in columns if spec.groups and spec.nullable]:
            self.fields["by"].help_text = f"Rows without a value are in no group ({', '.join(missing)})."
        for name in ("error", "epsilon"):
            self.fields[name].widget.attrs.update({"step": "any", "min": 0, "inputmode": "decimal"})

    def _offer(self, name: str, choices: Sequence[tuple[str, str]]) -> None:
        self.fields[name].choices = list(choices)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        given["sql"] = str(given.get("sql") or "").replace("\r\n", "\n")  # browsers send two characters
        for name in [name for name in self.errors if not self._counts(name, given)]:
            del self.errors[name]
        return given

    def _counts(self, name: str, given: Mapping[str, Any]) -> bool:
        """Return whether the question or its price depends on this field."""
        if name in {ERROR, EPSILON}:
            return name == (given.get("goal") or EPSILON)
        if given.get("source") == SQL:
            return name not in FORM_SIDE
        measure = given.get("measure") or "people"
        return name not in SQL_SIDE and (name not in NEEDS or measure in NEEDS[name].split())

    @property
    def shown_for(self) -> dict[str, str]:
        return NEEDS

    def price(self, *, in_points: bool) -> dict[str, float]:
        """Return the `error` or the `epsilon` that was chosen. `in_points`: the error is typed in percentage points,
        as for a quantile, and returned as a fraction. Raises QueryRefused."""
        goal = self.cleaned_data.get("goal") or EPSILON
        value = self.cleaned_data.get(goal)
        if value is None:
            raise QueryRefused(
                "Give either the error that you accept or the epsilon that the answer may cost."
            )
        if goal != ERROR or not in_points:
            return {goal: value}
        if value >= MOST_POINTS:
            raise QueryRefused(
                f"{MOST_POINTS} percentage points of rank or more would say nothing. Enter a smaller error, such as 2."
            )
        return {goal: value / 100}


def lines_of(data: Mapping[str, Any]) -> list[Line]:
    """Return the conditions that were entered: lines with a column. Lines beyond MAX_LINES are ignored."""
    found = []
    for k in range(MAX_LINES):
        column = str(data.get(f"where-{k}-column", ""))[:200]
        op = str(data.get(f"where-{k}-op", "is"))
        if column:
            value = str(data.get(f"where-{k}-value", ""))[:1000]
            found.append(Line(column, op if op in OPERATORS else "is", value))
    return found
