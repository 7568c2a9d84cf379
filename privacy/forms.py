"""Forms for budgets, promises and lists. They check shape only; rules, services and the engine decide."""

from collections.abc import Sequence
from typing import Any

from django import forms

from datasets.models import Dataset
from privacy.engine.synthetic_rows import MAX_SYNTHETIC_ROWS
from privacy.models import Answer
from privacy.presentation.promise_in_words import LEVELS


class HistoryFilter(forms.Form):
    """Filter the list of answers."""

    q = forms.CharField(label="Question contains", required=False, max_length=100)
    dataset = forms.ModelChoiceField(queryset=Dataset.objects.none(), required=False, empty_label="All")
    state = forms.ChoiceField(required=False, choices=[("", "All"), *Answer.State.choices])

    def __init__(self, *args: Any, datasets: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = datasets  # type: ignore[attr-defined]


USUAL_ROWS = 1000
"""Rows of a synthetic table, unless somebody asks for another number."""


class SyntheticRowsForm(forms.Form):
    """How many rows of a synthetic table to download."""

    rows = forms.IntegerField(
        initial=USUAL_ROWS,
        min_value=1,
        max_value=MAX_SYNTHETIC_ROWS,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            f"Enter a whole number of rows from 1 to {MAX_SYNTHETIC_ROWS:,}.",
        ),
    )


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
