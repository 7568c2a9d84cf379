"""The form of a synthetic table for mock data."""

from collections.abc import Sequence
from typing import Any

from django import forms

from privacy.engine.language.learning import MAX_SYNTHETIC_BINS

PERCENT = 100


class MockForm(forms.Form):
    """Which columns a synthetic table has, how fine it is, and what it may take of the promise."""

    columns = forms.MultipleChoiceField(
        label="Columns",
        widget=forms.CheckboxSelectMultiple,
        help_text="Fewer columns mean less noise in each. The others are drawn from the declarations as before.",
    )
    bins = forms.IntegerField(
        label="Parts of a number",
        min_value=2,
        max_value=MAX_SYNTHETIC_BINS,
        initial=8,
        help_text="The bounds of a number or a date are cut into so many equal parts. Within a part, all values are "
        "equally frequent.",
    )
    focus = forms.ChoiceField(
        required=False,
        help_text="A column whose pairs with the others matter most, such as what a model will predict.",
    )
    share = forms.FloatField(
        label="Share of the promise, in percent",
        min_value=0.01,
        max_value=20,
        initial=5,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="It is taken from the promise for good. The price says which ε this is.",
    )

    def __init__(self, *args: Any, columns: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = columns
        self.fields["columns"].choices = [(name, name) for name in columns]  # type: ignore[attr-defined]
        self.fields["columns"].initial = list(columns)
        self.fields["focus"].choices = [("", "None"), *((name, name) for name in columns)]  # type: ignore[attr-defined]

    @property
    def chosen(self) -> dict[str, Any]:
        """What a valid form asks for, as `services.sampled_mocks` takes it."""
        given = self.cleaned_data
        return {
            "columns": given["columns"],
            "bins": given["bins"],
            "focus": given["focus"] or None,
            "share": given["share"] / PERCENT,
        }
