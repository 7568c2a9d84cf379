"""The forms of the review lane."""

from typing import Any

from django import forms

from common import code_environments, plain_json
from common.errors import Refused
from datasets.models import Dataset
from requests_app.models import CodeRequest, Output, Review
from requests_app.services.drafts import CODE_LINES, checked_parameters

NEEDED = "needed to submit"
CODE_LIMIT = 200_000
PARAMETERS_LIMIT = 10_000


class NewRequestForm(forms.Form):
    """The title of a new request; the rest is written in the editor."""

    title = forms.CharField(
        max_length=200, help_text="What you want to know, in a few words. You can change it until you submit."
    )


def parameters_field(*, rows: int) -> forms.CharField:
    return forms.CharField(
        max_length=PARAMETERS_LIMIT,
        required=False,
        widget=forms.Textarea(attrs={"rows": rows, "spellcheck": "false", "class": "code"}),
        help_text='One JSON object, such as {"year": 1987}. Each name is an argument of main().',
    )


def parameters_of(text: str) -> dict[str, Any]:
    """Return the parameters that somebody has typed. Raises ValidationError, for the field."""
    try:
        value = plain_json.loads(text.strip() or "{}")
    except ValueError as bad:
        raise forms.ValidationError(f"This is not valid JSON: {bad}.") from bad
    if not isinstance(value, dict):
        raise forms.ValidationError('Write one JSON object, such as {"year": 1987}.')
    try:
        return checked_parameters(value)
    except Refused as refusal:
        raise forms.ValidationError(str(refusal)) from refusal


class DraftForm(forms.Form):
    """All fields of a draft. They may be unfinished: the submission requires what is missing."""

    number = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    title = forms.CharField(
        max_length=200, required=False, widget=forms.TextInput(attrs={"data-needed": NEEDED})
    )
    code = forms.CharField(
        max_length=CODE_LIMIT,
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "class": "code"}),
    )
    parameters = parameters_field(rows=3)
    purpose = forms.CharField(
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "data-needed": NEEDED}),
        help_text="The question you want to answer, and who will use the answer.",
    )
    context = forms.CharField(
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "data-needed": NEEDED}),
        help_text="What a reviewer should know: the method, earlier requests, why the output is safe.",
    )
    outputs = forms.CharField(
        max_length=2000,
        required=False,
        label="Expected outputs",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Which files or numbers the code produces, and how much they reveal about the data.",
    )

    environment = forms.ChoiceField(
        required=False,
        label="Code environment",
        help_text="The packages that the code can import. The hash of the environment becomes part of the version.",
    )

    def __init__(self, *args: Any, fixed_title: str = "", **kwargs: Any) -> None:
        """`fixed_title` is the title of a submitted request, which cannot change: reviewers know it by that title."""
        super().__init__(*args, **kwargs)
        offered = [(name, name) for name in code_environments.on_offer()]
        self.fields["environment"].choices = offered  # type: ignore[attr-defined]
        if fixed_title:
            self.initial["title"] = fixed_title
            self.fields["title"].disabled = True
            self.fields[
                "title"
            ].help_text = "Fixed since version 1, because reviewers know the request by this title."

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        if code.count("\n") > CODE_LINES:
            raise forms.ValidationError(
                f"The code has more than {CODE_LINES:,} lines, too many to review. Shorten it."
            )
        return code

    def clean_parameters(self) -> dict[str, Any]:
        return parameters_of(self.cleaned_data["parameters"])


class TryForm(forms.Form):
    """The parameters with which a reviewer tries a version on mock data."""

    parameters = parameters_field(rows=6)

    def clean_parameters(self) -> dict[str, Any]:
        return parameters_of(self.cleaned_data["parameters"])


class CommentForm(forms.Form):
    """A comment on a line or on the whole version, or a reply."""

    text = forms.CharField(
        max_length=4000, label="Comment", widget=forms.Textarea(attrs={"rows": 3, "required": True})
    )
    line = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
    parent = forms.UUIDField(required=False, widget=forms.HiddenInput)
    private = forms.BooleanField(
        required=False,
        label="For the owner and reviewers only",
        help_text="The author never sees this comment.",
    )

    @classmethod
    def on_line(cls, line: int | None, data: Any = None) -> "CommentForm":
        """Return a form for a line. Several can be open on one page, so each has ids of its own."""
        ids = f"line-{line}-%s" if line else "id_%s"
        return cls(data, initial={"line": line}, auto_id=ids)


class VerdictForm(forms.Form):
    """One reviewer's verdict, with the scope of an approval. `seen` is the hash of the code on the page."""

    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)
    verdict = forms.ChoiceField(
        choices=Review.Verdict, widget=forms.RadioSelect, error_messages={"required": "Choose a verdict."}
    )
    comment = forms.CharField(
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The author reads this. Required unless you approve.",
    )
    runs = forms.IntegerField(min_value=1, label="Runs")
    days = forms.IntegerField(min_value=1, label="Days")

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, limit in (("runs", dataset.max_runs), ("days", dataset.approval_days)):
            field = self.fields[name]
            field.max_value = limit  # type: ignore[attr-defined]
            field.widget.attrs["max"] = limit
            field.help_text = f"At most {limit}, by this dataset's policy."
            field.required = self.data.get("verdict", "") in ("", Review.Verdict.APPROVE)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        verdict = data.get("verdict")
        for name in ("runs", "days"):
            if verdict == Review.Verdict.APPROVE:
                self._check_scope(name, data.get(name))
            else:
                data[name] = None
        if verdict and verdict != Review.Verdict.APPROVE and not data.get("comment", "").strip():
            self.add_error("comment", "Tell the author what has to change, or why you reject it.")
        return data

    def _check_scope(self, name: str, value: int | None) -> None:
        limit = self.fields[name].max_value  # type: ignore[attr-defined]
        if value is not None and value > limit:
            self.add_error(name, f"This dataset allows at most {limit}.")


class ReasonForm(forms.Form):
    """The reason for revoking, recalling or pausing. The people concerned read it."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}))


class EnvironmentForm(forms.Form):
    """A new set of packages for submitted code."""

    name = forms.CharField(
        max_length=40,
        help_text="Lower-case letters, digits and '-'. A name cannot be reused for other packages.",
    )
    requirements = forms.CharField(
        max_length=200_000,
        label="Packages",
        widget=forms.Textarea(attrs={"rows": 14, "class": "code", "spellcheck": "false"}),
        help_text="One per line, as name==version, including all dependencies. If every package lists --hash=sha256:… "
        "(pip-compile --generate-hashes writes these), the downloaded files must match.",
    )


class LogExcerptForm(forms.Form):
    """A part of a private log, edited by a reviewer, that its author may be given."""

    text = forms.CharField(
        max_length=20_000,
        label="Excerpt",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "code", "spellcheck": "false"}),
    )


class OutputVerdictForm(forms.Form):
    """A verdict on one file: release or withhold."""

    verdict = forms.ChoiceField(
        choices=[choice for choice in Output.Verdict.choices if choice[0] != "pending"]
    )
    comment = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))


class DecisionForm(forms.Form):
    """The decision on a run's outputs as a whole."""

    DECISIONS = (
        ("release", "Release the files marked for release"),
        ("request_changes", "Request changes"),
        ("reject", "Reject: release nothing"),
    )
    decision = forms.ChoiceField(
        choices=DECISIONS, widget=forms.RadioSelect, error_messages={"required": "Choose a decision."}
    )
    comment = forms.CharField(
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The author reads this, so it must not reveal anything about held data. Required unless you release.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("decision") in {"request_changes", "reject"} and not data.get("comment", "").strip():
            self.add_error("comment", "Give a reason, so that the author knows what to change.")
        return data


class FilterForm(forms.Form):
    """The filters of the list of requests."""

    q = forms.CharField(max_length=100, required=False, label="Search")
    whose = forms.ChoiceField(
        required=False, choices=[("", "Everyone's"), ("mine", "Mine"), ("to_review", "To review")]
    )
    state = forms.ChoiceField(required=False, choices=[("", "Any state"), *CodeRequest.State.choices])
    dataset = forms.ModelChoiceField(
        required=False, queryset=Dataset.objects.none(), empty_label="Any dataset"
    )

    def __init__(self, *args: Any, datasets: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = datasets  # type: ignore[attr-defined]
