"""Forms for questions, budgets and promises. They check shape only; rules, services and the engine decide."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from datasets.models import Dataset
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, Kind, QueryRefused, TableSpec
from privacy.models import Answer
from privacy.presentation.promise_in_words import LEVELS
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


class HistoryFilter(forms.Form):
    """Filter the list of answers."""

    q = forms.CharField(label="Question contains", required=False, max_length=100)
    dataset = forms.ModelChoiceField(queryset=Dataset.objects.none(), required=False, empty_label="All")
    state = forms.ChoiceField(required=False, choices=[("", "All"), *Answer.State.choices])

    def __init__(self, *args: Any, datasets: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = datasets  # type: ignore[attr-defined]


class LedgerFilter(forms.Form):
    """Filter the ledger."""

    scientist = forms.ChoiceField(required=False)
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, people: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scientist"].choices = [("", "Everybody"), *people]  # type: ignore[attr-defined]


class RowsForm(forms.Form):
    """About how many rows each table holds, as the owner publishes it."""

    def __init__(self, *args: Any, tables: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tables = tables
        self.fields |= _rows_fields(tables)

    @property
    def rows(self) -> dict[str, int]:
        return _rows_of(self, self.tables)


def _rows_fields(tables: Sequence[str]) -> dict[str, forms.Field]:
    return {
        f"rows_of_{name}": forms.IntegerField(
            label=f"About how many rows does {name} hold?",
            required=False,
            min_value=1,
            max_value=10**12,
            help_text="This number becomes public: enter what everybody may know. It lets scientists see the error of "
            "a mean before they pay. Leave it empty to publish nothing.",
        )
        for name in tables
    }


def _rows_of(form: forms.Form, tables: Sequence[str]) -> dict[str, int]:
    """Return the numbers that were entered, by table."""
    typed = {name: form.cleaned_data.get(f"rows_of_{name}") for name in tables}
    return {name: rows for name, rows in typed.items() if rows}


class ProtectForm(forms.Form):
    """The promise for a dataset: made once, and never weakened."""

    level = forms.ChoiceField(
        label="Total of the promise, for everybody together and for ever",
        choices=[
            *((f"{epsilon:g}", f"{name} (ε {epsilon:g})") for epsilon, name in LEVELS.items()),
            ("own", "Another epsilon"),
        ],
        initial="1",
        widget=forms.RadioSelect,
    )
    epsilon = forms.FloatField(
        label="Your epsilon",
        required=False,
        min_value=0.001,
        max_value=50,
        widget=forms.NumberInput(attrs={"step": "any", "data-needed": "for “Another epsilon”"}),
    )
    public_size = forms.IntegerField(
        label="About how many people does the dataset hold?",
        min_value=1,
        max_value=10**10,
        help_text="This number becomes public: enter what everybody may know, not a count of the rows. It sets δ, "
        "and errors of means are computed from it.",
    )
    scientists = forms.IntegerField(
        label="How many scientists may share it?",
        min_value=1,
        max_value=1000,
        initial=3,
        help_text="Each gets an equal budget, for good. With fewer scientists, each budget is larger.",
    )
    constants = forms.MultipleChoiceField(
        label="Which of these never change for the same person?",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="What you declared to be so is ticked. Questions about separate groups of people then do not use up "
        "each other’s budget. If a person has several values after all, the first one counts.",
    )
    extended_allowed = forms.ChoiceField(
        label="When a scientist’s budget is used up",
        choices=[
            ("no", "Stop: answers are always complete"),
            (
                "yes",
                "You may let a scientist continue with the people who have not reached their limit: incomplete answers",
            ),
        ],
        initial="no",
        widget=forms.RadioSelect,
    )
    undeclared_values = forms.BooleanField(
        label="Also count people by values that are not declared",
        required=False,
        help_text="For text columns. A value is released only if many people share it. It takes half of δ.",
    )

    def __init__(
        self, *args: Any, tables: Sequence[str], keys: Sequence[str], texts: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.tables = tables
        self.fields |= _rows_fields(tables)
        self.order_fields(["level", "epsilon", "public_size", *_rows_fields(tables)])
        self.fields["constants"].choices = [(key, key) for key in keys]  # type: ignore[attr-defined]
        if not keys:
            del self.fields["constants"]
        if not texts:
            del self.fields["undeclared_values"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("level") == "own" and not given.get("epsilon") and "epsilon" not in self.errors:
            self.add_error("epsilon", "Enter your epsilon, such as 2.")
        return given

    @property
    def chosen(self) -> dict[str, Any]:
        """The arguments of services.protect."""
        given = self.cleaned_data
        return {
            "epsilon": given["epsilon"] if given["level"] == "own" else float(given["level"]),
            "public_size": given["public_size"],
            "public_rows": _rows_of(self, self.tables),
            "scientists": given["scientists"],
            "constants": given.get("constants", []),
            "extended_allowed": given["extended_allowed"] == "yes",
            "undeclared_values": given.get("undeclared_values", False),
        }


class GiveForm(forms.Form):
    """A budget for a scientist with access to the dataset."""

    scientist = forms.ChoiceField(help_text="People with access to this dataset who have no budget yet.")
    epsilon = forms.FloatField(
        required=False,
        min_value=0.001,
        max_value=50,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="Leave it empty to give one of the equal budgets.",
    )
    extended = forms.BooleanField(
        label="May continue after the budget is used up",
        required=False,
        help_text="With the people who have not reached their limit: answers may then silently leave people out.",
    )

    def __init__(
        self, *args: Any, people: Sequence[tuple[str, str]], extended_allowed: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scientist"].choices = [("", "Choose…"), *people]  # type: ignore[attr-defined]
        if not extended_allowed:
            del self.fields["extended"]


class ShareForm(forms.Form):
    """Another epsilon for a budget."""

    epsilon = forms.FloatField(
        label="New epsilon",
        min_value=0.001,
        max_value=50,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="For the whole budget, including what is used already. A budget that has been used can only grow.",
    )


class TopUpForm(forms.Form):
    """A scientist's request for a larger budget."""

    epsilon = forms.FloatField(
        label="Epsilon of the whole budget",
        min_value=0.001,
        max_value=50,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    reason = forms.CharField(
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="Say which questions are still open, and why what is left is not enough for them.",
    )


class DecisionForm(forms.Form):
    note = forms.CharField(
        label="Note to the scientist",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "data-needed": "needed when you decline"}),
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="The scientist will read it.")
