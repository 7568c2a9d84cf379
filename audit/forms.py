"""The search form of the audit log. Invalid values in the address are ignored."""

from typing import Any

from django import forms

from audit.queries import Search


class SearchForm(forms.Form):
    text = forms.CharField(label="Text", required=False, max_length=100)
    dataset = forms.ChoiceField(label="Dataset", required=False)
    person = forms.CharField(
        label="Person", required=False, max_length=254, help_text="Part of an e-mail address, or an id."
    )
    action = forms.ChoiceField(label="Kind", required=False)
    object = forms.UUIDField(label="Object id", required=False, widget=forms.HiddenInput)
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    received = forms.BooleanField(
        label="Only what somebody received: files, answers, logs, rows", required=False
    )

    def __init__(self, *args: Any, datasets: dict[str, str], kinds: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = {"dataset": [("", "Every dataset"), *datasets.items()]}
        choices["action"] = [("", "Everything"), *((f"{kind}.", kind.capitalize()) for kind in kinds)]
        for name, offered in choices.items():
            chosen = self.fields[name]
            if isinstance(chosen, forms.ChoiceField):
                chosen.choices = offered

    def wanted(self) -> Search:
        """Return the search, without the invalid values."""
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return Search(**{**given, **({"object": str(given["object"])} if "object" in given else {})})
