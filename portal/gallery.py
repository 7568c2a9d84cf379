"""Examples for the component gallery: invented people and objects that are never saved."""

from datetime import timedelta
from types import SimpleNamespace

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from datasets.models import Dataset
from requests_app.models import CodeRequest, Release, Run

TONES = ("grey", "blue", "green", "amber", "red")
MARKDOWN = (
    "Wages by **region**, with `main(wages)`:\n\n- one row per person\n- [the method](https://example.org)"
)


class ExampleForm(forms.Form):
    """One field of each kind."""

    title = forms.CharField(help_text="A few words that the reviewers see in their inbox.")
    purpose = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), help_text="What the answer is for.")
    environment = forms.ChoiceField(
        choices=[("default", "Python 3.11, scientific"), ("small", "Python 3.11, plain")]
    )
    runs = forms.IntegerField(min_value=1, max_value=20, help_text="How many times this code may run.")
    until = forms.DateField(
        required=False, widget=forms.DateInput(attrs={"type": "date"}), label="Approved until"
    )
    outputs = forms.MultipleChoiceField(
        choices=[("table", "Tables"), ("figure", "Figures"), ("model", "Model coefficients")],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    verdict = forms.ChoiceField(
        choices=[("approve", "Approve"), ("request_changes", "Request changes"), ("reject", "Reject")],
        widget=forms.RadioSelect,
    )
    understood = forms.BooleanField(
        label="I have read the terms", help_text="Version 3, accepted with today's date."
    )


def context(request: HttpRequest) -> dict[str, object]:
    now = timezone.now()
    posted = request.method == "POST"
    people = [User(name="Ada Lovelace", email="ada@example.org"), User(email="k.johnson@example.org")]
    rows = [
        SimpleNamespace(
            title=title, author=people[index % 2], state=CodeRequest(state=state), since=now - age
        )
        for index, (title, state, age) in enumerate(
            [
                ("Wage gap by region and schooling", CodeRequest.State.SUBMITTED, timedelta(minutes=4)),
                ("Replication of table 2", CodeRequest.State.CHANGES_REQUESTED, timedelta(hours=7)),
                ("Smoking and weight change, 1971 to 1982", CodeRequest.State.APPROVED, timedelta(days=3)),
            ]
        )
    ]
    return {
        "form": ExampleForm(request.POST) if posted else ExampleForm(initial={"runs": 3}),
        "states": [CodeRequest(state=value) for value in CodeRequest.State],
        "runs": [Run(state=value) for value in Run.State],
        "releases": [Release(state=value) for value in Release.State],
        "datasets": [Dataset(state=value) for value in Dataset.State],
        "tones": TONES,
        "people": people,
        "rows": rows,
        "moments": [now, now - timedelta(minutes=3), now - timedelta(days=40), now + timedelta(hours=5)],
        "lengths": [timedelta(seconds=42), timedelta(minutes=15), timedelta(hours=1, minutes=5)],
        "page_obj": Paginator(range(480), 25).get_page(request.GET.get("page", "4")),
        "text": MARKDOWN,
        "example_icons": [
            "inbox",
            "database",
            "file-code",
            "shield-lock",
            "history",
            "server",
            "bell",
            "lock",
        ],
    }
