"""Forms about datasets. They check the form of the input; rules and services decide."""

import math
import re
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
from datasets.search import SHOWN, SORTS

PLAIN_LIMIT = 16 * 1024 * 1024
CATEGORIES = 500
DESCRIPTION = 500
TAGS_TEXT = 600
TAGS_HELP = "Words by which people search, separated by commas: wages, panel, Oslo. At most 12."
NOBODY = "nobody"


class ListFilter(forms.Form):
    """The filter of the list of datasets. Invalid values in the address are ignored."""

    text = forms.CharField(label="Search", required=False, max_length=100)
    show = forms.ChoiceField(label="Show", required=False, choices=list(SHOWN.items()))
    sort = forms.ChoiceField(label="Order", required=False, choices=list(SORTS.items()))

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: str(value) for name, value in self.cleaned_data.items()}


class TagsField(forms.CharField):
    """Words separated by commas."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=TAGS_TEXT, help_text=TAGS_HELP, **options)

    def prepare_value(self, value: object) -> object:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: object) -> Any:
        return [tag for tag in (part.strip() for part in str(value or "").split(",")) if tag]

    def run_validators(self, value: Any) -> None:
        super().run_validators(", ".join(value))


class DescribeForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The public description of a dataset."""

    tags = TagsField()

    class Meta:
        model = Dataset
        fields = ["title", "summary", "description", "tags", "discoverable"]
        widgets = {"description": forms.Textarea(attrs={"rows": 8})}
        labels = {"discoverable": "List it for every data scientist"}
        help_texts = {
            "title": "What the data is, in a few words.",
            "summary": "One or two sentences for the list of datasets.",
            "description": "Where the data comes from, whom it is about, what it can answer. Markdown is allowed.",
            "discoverable": "If not, only people with access know that the dataset exists.",
        }


class CreateForm(DescribeForm):
    """The description of a new dataset, with its name in code."""

    name = forms.CharField(
        label="Name in code",
        max_length=63,
        validators=[NAME],
        help_text="Lower-case letters, digits and underscores, such as wage_panel. It cannot be changed later.",
    )

    class Meta(DescribeForm.Meta):
        fields = ["title", "name", "summary", "description", "tags", "discoverable"]


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The policy: the rules of the review lane for one dataset."""

    class Meta:
        model = Dataset
        fields = [
            "reviewers_needed", "blinded", "max_runs", "approval_days", "wall_seconds", "memory_mb", "threshold",
            "run_isolation", "end_step_seconds",
            "held_downloads",
        ]  # fmt: skip
        labels = {
            "reviewers_needed": "Reviewers who have to approve",
            "blinded": "Reviewers see each other's verdicts only after giving their own",
            "max_runs": "Runs per approval, at most",
            "approval_days": "Days an approval lasts, at most",
            "wall_seconds": "Time limit of a run, in seconds",
            "memory_mb": "Memory limit of a run, in MB",
            "threshold": "Smallest group that may be shown",
            "run_isolation": "On one machine, runs on this data never overlap",
            "end_step_seconds": "The end of a run is announced in steps of",
            "held_downloads": "Reviewers may download held files",
        }
        help_texts = {
            "reviewers_needed": "You count as one. You need that many reviewers before you can publish.",
            "blinded": "Your activity page still lists who has given a verdict.",
            "threshold": "Output checks point out smaller counts. 10 is usual.",
            "held_downloads": "Before anybody has decided on them. A file may contain private rows: once it is on a "
            "reviewer's computer, neither you nor the portal can protect it. Without this, reviewers can page through "
            "every file here. Each download is recorded.",
            "wall_seconds": "5 to 86,400 (one day).",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        longest = span(self.instance.wall_seconds)
        self.fields["run_isolation"].help_text = (
            "Code could pass private facts to a mock run on the same machine, and nobody checks what a mock run "
            f"writes. These mock runs therefore wait until the run has ended: at most {longest}, the longest run you "
            "allow. Runs on this data also wait for mock runs, at most 5 min each."
        )
        moments = math.ceil(self.instance.wall_seconds / self.instance.end_step_seconds)
        self.fields["end_step_seconds"].help_text = (
            "How long code runs may depend on the rows. Its author sees the end at the next step after the start: "
            f"one of {moments:,} moments at present. Longer steps reveal less, but a run occupies its place until "
            "then, and its outputs are checked afterwards."
        )


class TermsForm(forms.Form):
    text = forms.CharField(
        label="Terms of use",
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="Everyone who asks for access from now on accepts this version. Markdown is allowed.",
    )


class AccessForm(forms.Form):
    """A request for access to a dataset, with the terms if there are any."""

    purpose = forms.CharField(
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="The question you want to answer, and for whom.",
    )
    outputs = forms.CharField(
        label="Intended outputs",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What you want released: tables, charts, model coefficients.",
    )
    accepted = forms.BooleanField(
        label="I accept the terms of use above",
        error_messages={"required": "Access is asked for under these terms: accept them, or do not ask."},
    )
    terms = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, with_terms: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_terms:
            del self.fields["accepted"], self.fields["terms"]


class DecisionForm(forms.Form):
    """The decision on a request for access; declining needs a note."""

    note = forms.CharField(
        label="Note to the scientist",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Required if you decline.",
    )
    days = forms.IntegerField(
        label="Days of access",
        required=False,
        min_value=1,
        max_value=3650,
        help_text="Leave this empty for access that lasts until you revoke it.",
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="The people concerned will read it.")


class ReviewerForm(forms.Form):
    email = AddressField(help_text="The address of somebody who has an account here.")
    decides_access = forms.BooleanField(label="May also decide on requests for access", required=False)


class TransferForm(ReasonForm):
    email = AddressField(
        label="New owner's e-mail address", help_text="The address of a data owner on this portal."
    )
    field_order = ["email", "reason"]


class RevisionForm(forms.Form):
    note = forms.CharField(
        label="What is new", required=False, max_length=500, help_text="Scientists can read this."
    )


class PlainUploadForm(forms.Form):
    """A small file in one piece, for browsers without JavaScript."""

    file = forms.FileField(
        label="File", help_text="CSV, Parquet, Excel, JSON, Stata, SPSS or SAS; up to 15 MB this way."
    )


class TableForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The declarations of a table as a whole."""

    subject = forms.ChoiceField(
        label="Which column identifies the person a row is about?",
        help_text="The person (or household, patient, firm) whose privacy is protected: all rows with the same "
        "value in this column belong to one person.",
    )

    plain = forms.BooleanField(
        label="The types of these columns, and whether cells may be empty, may be public.",
        required=False,
        help_text="For all columns on this page that have neither bounds nor categories. These were proposed from your "
        "file; look at them first.",
    )

    class Meta:
        model = Table
        fields = ["name", "description", "subject", "mock_rows", "rows_per_subject"]
        labels = {
            "name": "Name in code",
            "mock_rows": "Rows of mock data",
            "rows_per_subject": "Rows per person, at most",
        }
        help_texts = {
            "name": "The name of the DataFrame that submitted code receives.",
            "mock_rows": "Choose any number. It need not resemble the real one, and is better if it does not.",
            "rows_per_subject": "People in the mock data have between one row and this many, and automatic answers "
            "count no more of a person's rows unless a scientist asks for it. A larger number makes answers noisier: "
            "judging by what is public, choose one that few people exceed.",
            "description": "In one sentence: what is a row?",
        }

    def __init__(self, *args: Any, columns: list[Column], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fit = [(str(column.pk), column.name) for column in columns if column.stored in SUBJECT_KINDS]
        nobody = (NOBODY, "None: the rows of this table are not about people")
        self.fields["subject"].choices = [("", "Choose…"), *fit, nobody]  # type: ignore[attr-defined]
        chosen = next((str(column.pk) for column in columns if column.is_subject), "")
        self.initial["subject"] = chosen if self.instance.about_people else NOBODY


PLACEHOLDERS = {"date32": "YYYY-MM-DD", "timestamp": "YYYY-MM-DD HH:MM"}
"""The notation of bounds, by the type that a column is stored as."""


NOT_CONVERTED = (
    "type", "description", "unit", "nullable", "rows_per_value", "decimals", "constant", "confirmed",
)  # fmt: skip
"""The declarations that a form shows as they are stored."""


class ColumnForm(forms.Form):
    """The declarations of one column."""

    type = forms.ChoiceField()
    description = forms.CharField(required=False, max_length=DESCRIPTION)
    unit = forms.CharField(required=False, max_length=40)
    nullable = forms.BooleanField(label="May be empty", required=False)
    lower = forms.CharField(label="Lowest possible", required=False, max_length=40)
    upper = forms.CharField(label="Highest possible", required=False, max_length=40)
    categories = forms.CharField(
        label="Categories, one per line",
        required=False,
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 1}),
    )
    rows_per_value = forms.IntegerField(
        label="Rows of a person with the same value, at most",
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="Only if such a limit is public knowledge: 1 for a year, if each person has one row per year. It "
        "makes answers about few values less noisy.",
    )
    decimals = forms.IntegerField(
        label="Decimals of its values, at most",
        required=False,
        min_value=0,
        max_value=MOST_DECIMALS,
        help_text="Only if this is public knowledge: 2 for prices in euros and cents. Medians and other quantiles are "
        "then exact to the cent, if the bounds are close enough. Values with more decimals are rounded.",
    )
    constant = forms.BooleanField(
        label="Same in all of a person’s rows",
        required=False,
        help_text="For what never changes, such as a country of birth. A person in the mock data then has one value, "
        "and a promise that you make proposes it.",
    )
    confirmed = forms.BooleanField(
        label="May be public",
        required=False,
        widget=forms.CheckboxInput(attrs={"aria-describedby": "public-means"}),
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
        start: dict[str, object] = {name: getattr(column, name) for name in NOT_CONVERTED}
        for name in ("lower", "upper"):
            value = getattr(column, name)
            start[name] = "" if value is None else bound_text(column.type, value)
        return {**start, "categories": "\n".join(str(value) for value in column.categories)}

    @property
    def held(self) -> dict[str, Any]:
        """The profile of this column as read from the file. Only the owner may see it."""
        found = dict(self.column.table.profile.get(self.column.name, {}))
        for name in ("lowest", "highest"):
            if found.get(name) is not None:
                found[name] = bound_text(self._kind(), found[name])
        return found

    def _kind(self) -> str:
        return {"date32": "date", "timestamp": "datetime"}.get(self.column.stored, "number")

    def clean(self) -> dict[str, Any]:
        """Keep only the declarations that belong to the chosen type."""
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
            self.add_error(name, f"Enter {wanted}.")
            return None

    def _categories(self) -> list[str | int]:
        text = str(self.cleaned_data.get("categories", ""))
        lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
        values = list(dict.fromkeys(line for line in lines if line))
        if len(values) > CATEGORIES:
            self.add_error(
                "categories", f"List at most {CATEGORIES} categories, or declare the column as text."
            )
            return []
        if self.column.stored != "int64":
            return list(values)
        try:
            return [int(value) for value in values]
        except ValueError:
            self.add_error("categories", "This column contains whole numbers. Enter only whole numbers.")
            return []
