"""The form of a question. It checks shape only; rules, services and the engine decide."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from common.forms import whole_number
from privacy.engine.language.learning import (
    MAX_FEATURE_BINS,
    MAX_STEPS,
    MAX_SYNTHETIC_BINS,
    MAX_TEST_SHARE,
    MIN_STEPS,
    SYNTHETIC_BINS,
)
from privacy.engine.language.query import MAX_BINS
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, Kind, QueryRefused, TableSpec
from privacy.engine.plan.fits import BINS
from privacy.presentation import learning_form
from privacy.presentation.query_form import MEASURES, OPERATORS, Line, asks_to_learn

MAX_LINES = 12
TEXT_LIMIT = 10_000
FORM, SQL = "form", "sql"
ERROR, EPSILON, SHARE = "error", "epsilon", "share"
PRICES = (ERROR, EPSILON, SHARE)
MOST_POINTS = 50
MOST_PEOPLE = 10**9
WITH_ROWS = [
    name for name in MEASURES if name not in {"person_rows", "person_amount", *learning_form.MEASURES}
]
WITH_ERROR = [name for name in MEASURES if name not in learning_form.MEASURES]
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
    "rows": " ".join(WITH_ROWS),
    **dict.fromkeys(
        ("outcome", "value", "predictors", "shape", "parts", "hidden", "test_share", "steps", "people"),
        learning_form.MODEL,
    ),
    **dict.fromkeys(("columns", "table_bins", "focus"), learning_form.TABLE),
}
"""The measures that use each field: the page shows only the fields in use."""
LISTS = ("by", "features", "predictors", "columns")
"""The fields of several values."""
SQL_SIDE = {"sql"}
FORM_SIDE = {"measure", *NEEDS}
NO_CHOICE = {"invalid_choice": "“%(value)s” is not one of the choices. Choose one from the list."}


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
    bins = whole_number("Bins", 2, MAX_BINS)
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
    rows = whole_number(
        "Rows counted per person, at most",
        1,
        MAX_ROWS_PER_SUBJECT,
        help_text="Fewer rows make the answer cheaper. People with more are scaled down.",
    )
    outcome = forms.ChoiceField(label="Predict", required=False, error_messages=NO_CHOICE)
    value = forms.CharField(
        label="Value",
        required=False,
        max_length=200,
        help_text="The declared value that is predicted.",
    )
    predictors = forms.MultipleChoiceField(
        label="From these columns",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages=NO_CHOICE,
    )
    shape = forms.ChoiceField(
        label="Numbers as",
        required=False,
        choices=list(learning_form.SHAPES.items()),
        error_messages=NO_CHOICE,
    )
    parts = whole_number(
        "Parts of a number, at most",
        2,
        MAX_FEATURE_BINS,
        help_text="Whole numbers with fewer values have one part each.",
    )
    test_share = whole_number(
        "People to test on, in %",
        0,
        round(MAX_TEST_SHARE * 100),
        help_text="They take no part in the training, and show how well it predicts. They cost nothing extra.",
    )
    hidden = forms.CharField(
        label="Hidden units",
        required=False,
        max_length=20,
        help_text="Such as 16, or 16, 8 for two layers. Leave it empty for a model whose weights one can read.",
    )
    steps = whole_number(
        "Steps of the training",
        MIN_STEPS,
        MAX_STEPS,
        help_text="Leave it empty to have it chosen from public numbers.",
    )
    people = whole_number(
        "About how many people does it learn from?",
        1,
        MOST_PEOPLE,
        help_text="If you know it better than the dataset’s number, because of your conditions.",
    )
    columns = forms.MultipleChoiceField(
        label="Columns", required=False, widget=forms.CheckboxSelectMultiple, error_messages=NO_CHOICE
    )
    table_bins = whole_number(
        "Parts of a number, at most",
        2,
        MAX_SYNTHETIC_BINS,
        help_text="More parts keep finer differences, with more noise in each.",
    )
    focus = forms.ChoiceField(
        label="Focus",
        required=False,
        error_messages=NO_CHOICE,
        help_text="The column whose relation to all others matters most, such as what a model will predict.",
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
        choices=[(ERROR, "how exact it is"), (EPSILON, "what it costs"), (SHARE, "its share of the budget")],
        widget=forms.RadioSelect,
    )
    error = forms.FloatField(label="Error", required=False)
    epsilon = forms.FloatField(label="Epsilon", required=False)
    share = forms.FloatField(label="Share of the budget, in %", required=False)

    def __init__(self, *args: Any, table: TableSpec, undeclared: bool, **kwargs: Any) -> None:
        """Offer what the table's columns allow. `undeclared`: whether the promise releases values of text columns."""
        super().__init__(*args, **kwargs)
        self.undeclared = undeclared
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
        self._offer("outcome", learning_form.outcomes(table))
        self._offer("predictors", [(each, each) for each in learning_form.explaining(table)])
        drawn = [(each, each) for each in learning_form.drawn(table)]
        self._offer("columns", drawn)
        self._offer("focus", [("", "None"), *drawn])
        unless_chosen = {
            "parts": BINS,
            "table_bins": SYNTHETIC_BINS,
            "test_share": learning_form.PERCENT_TESTED,
        }
        for name, first in unless_chosen.items():
            self.fields[name].widget.attrs["placeholder"] = str(first)
        self.fields["rows"].widget.attrs["placeholder"] = f"{table.max_rows:,}, as declared"
        if missing := [spec.name for spec in columns if spec.groups and spec.nullable]:
            self.fields["by"].help_text = f"Rows without a value are in no group ({', '.join(missing)})."
        for name in PRICES:
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
        if name in PRICES:
            return name == self._goal(given)
        if given.get("source") == SQL:
            return name not in FORM_SIDE
        measure = given.get("measure") or "people"
        return name not in SQL_SIDE and (name not in NEEDS or measure in NEEDS[name].split())

    @staticmethod
    def _goal(given: Mapping[str, Any]) -> str:
        """Return what fixes the price: of a model never the error, which nobody knows in advance."""
        goal = str(given.get("goal") or EPSILON)
        return EPSILON if goal == ERROR and given.get("source") != SQL and asks_to_learn(given) else goal

    @property
    def shown_for(self) -> dict[str, str]:
        return NEEDS

    @property
    def with_error(self) -> str:
        """The measures whose error can be chosen, where it is known in advance."""
        return " ".join(WITH_ERROR)

    @property
    def with_nothing_known(self) -> str:
        """The measures whose error is never known in advance."""
        return " ".join(learning_form.MEASURES)

    def price(self, *, in_points: bool) -> dict[str, float]:
        """Return the `error`, the `epsilon` or the `share` that was chosen. `in_points`: the error is typed in
        percentage points, as for a quantile, and returned as a fraction. Raises QueryRefused."""
        goal = self._goal(self.cleaned_data)
        value = self.cleaned_data.get(goal)
        if value is None:
            raise QueryRefused(
                "Give either the error that you accept, the epsilon that the answer may cost, or the share of your "
                "budget that it may use."
            )
        if goal == SHARE:
            return {goal: value / 100}
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
