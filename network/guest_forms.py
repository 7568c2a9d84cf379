"""Forms about guests: asking for access at another portal, and the decision on who asks here."""

from django import forms

from common.reasons import LIMIT

LONGEST = 4000


class AskElsewhereForm(forms.Form):
    """What a person asks another portal for. The form repeats the terms that they saw."""

    purpose = forms.CharField(
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="The question that you want to answer, and for whom. An admin and the owner there read it.",
    )
    outputs = forms.CharField(
        label="Intended outputs",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The figures, tables or models that you want released.",
    )
    terms = forms.IntegerField(required=False, widget=forms.HiddenInput)
    accepts = forms.BooleanField(
        label="I have read these terms and accept them.",
        error_messages={"required": "Accept the terms, or do not ask."},
    )
    agreed = forms.BooleanField(
        label="The other portal may be told my name, my e-mail address and my affiliation, as written here.",
        error_messages={"required": "The other portal has to be told who you are."},
    )

    def __init__(self, *args: object, with_terms: bool, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on
        if not with_terms:
            del self.fields["accepts"]


class RefuseForm(forms.Form):
    """Why somebody is not admitted."""

    reason = forms.CharField(
        label="Reason", max_length=LIMIT, help_text="The person reads it.", widget=forms.TextInput
    )
