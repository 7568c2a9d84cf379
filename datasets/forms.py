"""What people type about datasets. Forms check shape; rules and services decide."""

import math
from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.forms import AddressField
from common.decimal_grid import MOST_DECIMALS
from common.templatetags.weir import span
from datasets.declarations.schema import (
    BOUNDED,
    COUNTED,
    OFFERED,
    SUBJECT_KINDS,
    bound_text,
    misplaced,
    parse_bound,
)
from datasets.models import NAME, Column, Dataset, Table
from datasets.queries import SHOWN

PLAIN_LIMIT = 16 * 1024 * 1024
CATEGORIES = 500
NOBODY = "nobody"


class ListFilter(forms.Form):
    """What the list of datasets is narrowed to. Nonsense in the address is ignored."""

    text = forms.CharField(label="Search", required=False, max_length=100)
    show = forms.ChoiceField(label="Show", required=False, choices=list(SHOWN.items()))

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: str(value) for name, value in self.cleaned_data.items()}


class DescribeForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """What is said in public about a dataset."""

    class Meta:
        model = Dataset
        fields = ["title", "summary", "description", "discoverable"]
        widgets = {"description": forms.Textarea(attrs={"rows": 8})}
        labels = {"discoverable": "List it for every data scientist"}
        help_texts = {
            "title": "What the data is, in a few words.",
            "summary": "One or two sentences for the list of datasets.",
            "description": "Where the data comes from, whom it is about, what it can answer. Markdown.",
            "discoverable": "Otherwise only people who were given access know that the dataset exists.",
        }


class CreateForm(DescribeForm):
    """A new dataset also needs a name for code."""

    name = forms.CharField(
        label="Name in code",
        max_length=63,
        validators=[NAME],
        help_text="Small letters, digits and underscores, for example wage_panel. It cannot be changed later.",
    )

    class Meta(DescribeForm.Meta):
        fields = ["title", "name", "summary", "description", "discoverable"]


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The rules of the review lane for one dataset."""

    class Meta:
        model = Dataset
        fields = [
            "reviewers_needed", "blinded", "max_runs", "approval_days", "wall_seconds", "memory_mb", "threshold",
            "run_isolation", "end_step_seconds",
            "held_downloads",
        ]  # fmt: skip
        labels = {
            "reviewers_needed": "Reviewers who have to approve",
            "blinded": "Reviewers do not see each other's verdict before their own",
            "max_runs": "Runs an approval may allow at most",
            "approval_days": "Days an approval lasts at most",
            "wall_seconds": "Seconds a run may take",
            "memory_mb": "Memory of a run in MB",
            "threshold": "Smallest group that may be shown",
            "run_isolation": "Runs on this data stay apart",
            "end_step_seconds": "The end of a run is announced in steps of",
            "held_downloads": "Reviewers may download held files",
        }
        help_texts = {
            "reviewers_needed": "You count as one. There must be that many before you can publish.",
            "threshold": "Counts below it are pointed out when outputs are checked. 10 is usual.",
            "held_downloads": "Before anybody has decided on them. A file may hold private rows: once it is on a "
            "reviewer's computer, neither you nor the portal can protect it. Without this they page through every "
            "file here. Each download is recorded.",
            "wall_seconds": "5 to 86,400 (a day).",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        longest = span(self.instance.wall_seconds)
        self.fields["run_isolation"].help_text = (
            "On one machine a run could signal to a trial on mock data, whose log nobody checks. So these trials wait "
            f"until the run has ended: at most {longest}, the longest run you allow. Runs on this data also wait "
            "for trials, at most 5 min each."
        )
        moments = math.ceil(self.instance.wall_seconds / self.instance.end_step_seconds)
        self.fields["end_step_seconds"].help_text = (
            "How long code runs may depend on the rows. Its author learns the end at the next step after the start: "
            f"now one of {moments:,} moments. Longer steps tell less; a run keeps its place until then, and its "
            "outputs are checked afterwards."
        )


class TermsForm(forms.Form):
    text = forms.CharField(
        label="Terms of use",
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="Everyone who asks for access from now on accepts this version. Markdown.",
    )


class AccessForm(forms.Form):
    """Why somebody wants to use a dataset."""

    purpose = forms.CharField(
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="The question you want to answer, and for whom.",
    )
    outputs = forms.CharField(
        label="Intended outputs",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What is to leave: tables, charts, model coefficients.",
    )
    accepted = forms.BooleanField(label="I accept the terms of use above.")
    terms = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, with_terms: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_terms:
            del self.fields["accepted"], self.fields["terms"]


class DecisionForm(forms.Form):
    """Granting access, or declining it with the reason."""

    note = forms.CharField(
        label="Note to the scientist",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Needed when you decline.",
    )
    days = forms.IntegerField(
        label="Days of access",
        required=False,
        min_value=1,
        max_value=3650,
        help_text="Empty: without end, until you take it away.",
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="The people concerned will read it.")


class ReviewerForm(forms.Form):
    email = AddressField(help_text="Of somebody who has an account here.")
    decides_access = forms.BooleanField(label="May also decide on requests for access", required=False)


class TransferForm(ReasonForm):
    email = AddressField(label="New owner's e-mail address", help_text="Of a data owner on this portal.")
    field_order = ["email", "reason"]


class RevisionForm(forms.Form):
    note = forms.CharField(
        label="What is new", required=False, max_length=500, help_text="Scientists will read it."
    )


class PlainUploadForm(forms.Form):
    """A small file in one piece, for browsers without JavaScript."""

    file = forms.FileField(label="CSV or Parquet file", help_text="Up to 15 MB this way.")


class TableForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """What is declared about a table as a whole."""

    subject = forms.ChoiceField(
        label="Which column says whom a row is about?",
        help_text="The person (or household, patient, firm) whose privacy is protected: all rows with the same "
        "value there belong to one data subject.",
    )

    plain = forms.BooleanField(
        label="The types of these columns, and whether they may be empty, may be public.",
        required=False,
        help_text="For all columns of this page that have neither bounds nor categories. They were proposed from your "
        "file; look at them first.",
    )

    class Meta:
        model = Table
        fields = ["name", "description", "subject", "mock_rows", "rows_per_subject"]
        labels = {
            "name": "Name in code",
            "mock_rows": "Rows of the mock",
            "rows_per_subject": "Rows per data subject, at most",
        }
        help_texts = {
            "name": "The name of the DataFrame that submitted code gets.",
            "mock_rows": "Choose it freely: it need not (and better does not) resemble the real number.",
            "rows_per_subject": "People in the mock have from one to so many rows, and automatic answers count no "
            "more of a person's rows unless a scientist asks for it. The larger it is, the noisier they are: choose "
            "what most people stay within, by what everybody knows.",
            "description": "One sentence: what is a row?",
        }

    def __init__(self, *args: Any, columns: list[Column], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fit = [(str(column.pk), column.name) for column in columns if column.stored in SUBJECT_KINDS]
        nobody = (NOBODY, "None: no row of this table is about a person")
        self.fields["subject"].choices = [("", "Choose…"), *fit, nobody]  # type: ignore[attr-defined]
        chosen = next((str(column.pk) for column in columns if column.is_subject), "")
        self.initial["subject"] = chosen if self.instance.about_people else NOBODY


PLACEHOLDERS = {"date32": "YYYY-MM-DD", "timestamp": "YYYY-MM-DD HH:MM"}
"""How bounds of such columns are written."""


class ColumnForm(forms.Form):
    """What is declared about one column."""

    type = forms.ChoiceField()
    description = forms.CharField(required=False, max_length=500)
    unit = forms.CharField(required=False, max_length=40)
    nullable = forms.BooleanField(label="May be empty", required=False)
    lower = forms.CharField(label="Lowest possible value", required=False, max_length=40)
    upper = forms.CharField(label="Highest possible value", required=False, max_length=40)
    categories = forms.CharField(
        label="Categories, one a line",
        required=False,
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    rows_per_value = forms.IntegerField(
        label="Rows of a person with the same value, at most",
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="If everybody knows one: 1 for a year, when a person has one row a year. It makes answers about few "
        "values less noisy.",
    )
    decimals = forms.IntegerField(
        label="Decimals of its values, at most",
        required=False,
        min_value=0,
        max_value=MOST_DECIMALS,
        help_text="If everybody knows how many: 2 for prices in euros and cents. Medians and other quantiles are then "
        "exact to the cent, where the bounds are close enough. Values with more decimals are rounded.",
    )
    confirmed = forms.BooleanField(
        label="What is declared here may be public: I know it from elsewhere, or accept that it tells something.",
        required=False,
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, column: Column) -> None:
        self.column = column
        super().__init__(data, prefix=f"c{column.position}", initial=self._start(column))
        names = dict(Column.Type.choices)
        offered = OFFERED[column.stored]
        self.fields["type"].choices = [(each, names[each]) for each in offered]  # type: ignore[attr-defined]
        self.bounded = bool(BOUNDED & set(offered))
        self.listed = "category" in offered
        self.counted = bool(COUNTED & set(offered))
        self.has_decimals = "number" in offered
        for name in ("lower", "upper"):
            self.fields[name].widget.attrs["placeholder"] = PLACEHOLDERS.get(column.stored, "")

    @staticmethod
    def _start(column: Column) -> dict[str, object]:
        start: dict[str, object] = {
            name: getattr(column, name)
            for name in ("type", "description", "unit", "nullable", "rows_per_value", "decimals", "confirmed")
        }
        for name in ("lower", "upper"):
            value = getattr(column, name)
            start[name] = "" if value is None else bound_text(column.type, value)
        return {**start, "categories": "\n".join(str(value) for value in column.categories)}

    @property
    def held(self) -> dict[str, Any]:
        """What reading the file has shown of this column: for the owner's eyes."""
        found = dict(self.column.table.profile.get(self.column.name, {}))
        for name in ("lowest", "highest"):
            if found.get(name) is not None:
                found[name] = bound_text(self._kind(), found[name])
        return found

    def _kind(self) -> str:
        return {"date32": "date", "timestamp": "datetime"}.get(self.column.stored, "number")

    def clean(self) -> dict[str, Any]:
        """Only what belongs to the chosen type is kept."""
        given: dict[str, Any] = super().clean() or {}
        kind = given.get("type", "")
        bounds = {name: self._bound(name, kind) if kind in BOUNDED else None for name in ("lower", "upper")}
        given |= bounds
        lower, upper = bounds["lower"], bounds["upper"]
        if lower is not None and upper is not None and lower > upper:
            self.add_error("upper", "The highest value is below the lowest.")
        given["decimals"] = given.get("decimals") if kind == "number" else None
        for name, bound in bounds.items():
            if bound is not None and (why := misplaced(kind, given["decimals"], bound)):
                self.add_error(name, why[0].upper() + why[1:])
        given["categories"] = self._categories() if kind == "category" else []
        given["rows_per_value"] = given.get("rows_per_value") if kind in COUNTED else None
        return given

    def _bound(self, name: str, kind: str) -> float | None:
        text = str(self.cleaned_data.get(name, "")).strip()
        if not text:
            return None
        try:
            return parse_bound(kind, text)
        except (ValueError, OverflowError):
            forms_of = {"date": "a date such as 1990-12-31", "datetime": "a time such as 1990-12-31 18:00"}
            wanted = forms_of.get(kind, "a whole number" if kind == "integer" else "a number")
            self.add_error(name, f"This should be {wanted}.")
            return None

    def _categories(self) -> list[str | int]:
        lines = [line.strip() for line in str(self.cleaned_data.get("categories", "")).splitlines()]
        values = list(dict.fromkeys(line for line in lines if line))
        if len(values) > CATEGORIES:
            self.add_error(
                "categories", f"At most {CATEGORIES} categories; declare the column as text instead."
            )
            return []
        if self.column.stored != "int64":
            return list(values)
        try:
            return [int(value) for value in values]
        except ValueError:
            self.add_error("categories", "This column holds whole numbers: so must its categories.")
            return []
