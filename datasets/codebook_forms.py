"""The form with which a codebook is pasted or uploaded."""

from typing import Any

from django import forms

from common.errors import Refused
from datasets.codebooks import reader
from datasets.codebooks.entries import MOST_BYTES

EXAMPLE = "name,label,type,unit,min,max,categories,may be empty\nage,Age at interview,integer,years,18,99,,no"


class CodebookForm(forms.Form):
    """A codebook as text or as a file; `text` of what was cleaned is the one that was given."""

    text = forms.CharField(
        label="Paste it here",
        required=False,
        strip=False,
        max_length=2 * MOST_BYTES,
        widget=forms.Textarea(
            attrs={"rows": 8, "class": "code", "placeholder": EXAMPLE, "spellcheck": "false"}
        ),
        help_text="With its line of names. Cells copied from a spreadsheet are fine.",
    )
    file = forms.FileField(
        label="Or choose its file", required=False, help_text="CSV, JSON or XML, up to 1 MB."
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        file, text = given.get("file"), given.get("text") or ""
        if file and text.strip():
            raise forms.ValidationError("Either paste a codebook or choose a file, not both.")
        if file:
            try:
                given["text"] = reader.text_of(file.read(MOST_BYTES + 1))
            except Refused as why:
                raise forms.ValidationError(str(why)) from why
        elif not text.strip() and not self.errors:
            raise forms.ValidationError("Paste a codebook, or choose its file.")
        given["text"] = str(given.get("text", "")).replace("\r\n", "\n")  # browsers make each line end longer
        return given
