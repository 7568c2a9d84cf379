"""Forms of the page on which an owner says how a file is read. What stays as it was shown is left to the portal."""

from collections.abc import Mapping
from typing import Any

from django import forms

from datasets.reading.formats import FORMATS
from datasets.reading.options import (
    DECIMALS,
    DELIMITERS,
    ENCODINGS,
    MISSING,
    MOST_MISSING,
    MOST_SKIPPED,
    QUOTES,
    SPLITS,
    THOUSANDS,
)

TYPE_WORDS = {
    "int64": "Whole numbers",
    "double": "Numbers",
    "string": "Text or categories",
    "bool": "Yes or no",
    "date32": "Dates",
    "timestamp": "Dates with time",
}
LINES = ("skip", "header")
VALUES = ("decimal", "thousands", "trim", "missing", "zone")
OF_KIND = {
    "csv": ("encoding", "delimiter", "quote", *LINES, *VALUES),
    "excel": ("sheet", *LINES, *VALUES),
    "json": VALUES,
    "stata": ("labels", *VALUES),
    "spss": ("labels", *VALUES),
    "sas": VALUES,
    "xport": VALUES,
    "parquet": (),
}
NOTHING: dict[str, Any] = {
    "kind": "csv", "encoding": "utf-8", "delimiter": ",", "quote": '"', "skip": 0, "header": True, "decimal": ".",
    "thousands": "", "trim": True, "missing": list(MISSING), "zone": "UTC", "sheet": "", "sheets": [],
    "labels": False, "number_people": False, "columns": [],
}  # fmt: skip
"""What is shown of a file that cannot even be looked at."""


class Lines(forms.CharField):
    """Texts, one on each line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(value or "").splitlines()]
        found = list(dict.fromkeys(line for line in lines if line))
        if len(found) > MOST_MISSING:
            raise forms.ValidationError(f"List at most {MOST_MISSING} texts.")
        return found


class _Changes(forms.Form):
    """A form that knows which of its values are not those that were shown."""

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, shown: Mapping[str, Any], **kwargs: Any
    ) -> None:
        self.shown = dict(shown)
        super().__init__(data, initial=self.shown, **kwargs)

    def changes(self) -> dict[str, Any]:
        """Return the options that were changed. The form has to be valid."""
        return {name: value for name, value in self.cleaned_data.items() if value != self.shown.get(name)}


class FileForm(_Changes):
    """How a file as a whole is read."""

    sheet = forms.ChoiceField()
    encoding = forms.ChoiceField(choices=list(ENCODINGS.items()))
    delimiter = forms.ChoiceField(label="Between fields", choices=list(DELIMITERS.items()))
    quote = forms.ChoiceField(label="Quote around texts", choices=list(QUOTES.items()), required=False)
    skip = forms.IntegerField(label="Lines to leave out at the top", min_value=0, max_value=MOST_SKIPPED)
    decimal = forms.ChoiceField(label="Decimal mark", choices=list(DECIMALS.items()))
    thousands = forms.ChoiceField(
        label="Mark between thousands", choices=list(THOUSANDS.items()), required=False
    )
    zone = forms.CharField(
        label="Time zone of times",
        max_length=64,
        help_text="Such as Europe/Berlin, for times that do not name theirs. They are stored in UTC.",
    )
    missing = Lines(
        label="What means missing",
        required=False,
        help_text="One text on each line. Empty cells are always missing.",
    )
    header = forms.BooleanField(label="The first line has the names of the columns", required=False)
    trim = forms.BooleanField(label="Remove blanks around texts", required=False)
    labels = forms.BooleanField(label="Read the labels of values instead of their codes", required=False)
    number_people = forms.BooleanField(
        label="Each row is another person",
        required=False,
        help_text="Tick this if no column identifies a person. The portal then numbers the rows.",
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, shown: Mapping[str, Any]) -> None:
        super().__init__(data, shown=shown)
        used = {*OF_KIND[shown["kind"]], "number_people"}
        for name in set(self.fields) - used:
            del self.fields[name]
        if "sheet" in self.fields:
            self.fields["sheet"].choices = [(each, each) for each in shown["sheets"]]  # type: ignore[attr-defined]

    @property
    def choices(self) -> list[forms.BoundField]:
        """The fields that stand beside each other."""
        return [field for field in self if not isinstance(field.field, forms.BooleanField | Lines)]

    @property
    def others(self) -> list[forms.BoundField]:
        return [field for field in self if isinstance(field.field, forms.BooleanField | Lines)]


class ColumnForm(_Changes):
    """How one column is read."""

    name = forms.CharField(max_length=128)
    type = forms.ChoiceField(label="Read as", choices=list(TYPE_WORDS.items()))
    format = forms.ChoiceField(
        label="Notation of dates",
        choices=[("", "–"), *((each, each) for each in FORMATS)],
        required=False,
    )
    missing = Lines(
        label="What means missing in this column",
        required=False,
        help_text="One text on each line, for this column alone.",
    )
    leave_out = forms.BooleanField(label="Leave this column out", required=False)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, place: int, shown: Mapping[str, Any], kind: str
    ) -> None:
        super().__init__(data, shown=shown, prefix=f"c{place}")
        if kind == "parquet":
            del self.fields["format"], self.fields["missing"]
        self.examples: list[str] = []

    def clean(self) -> dict[str, Any]:
        """Forget the notation of dates in a column that is not read as dates."""
        given: dict[str, Any] = super().clean() or {}
        is_new = given.get("format") and given["format"] != self.shown["format"]
        if (
            is_new
            and given.get("type") == self.shown["type"]
            and given["type"] not in {"date32", "timestamp"}
        ):
            given["type"] = "date32"
        if "format" in given and given.get("type") not in {"date32", "timestamp"}:
            given["format"] = ""
        return given


def merged(asked: Mapping[str, Any], file: FileForm, columns: list[ColumnForm]) -> dict[str, Any]:
    """Return what the owner asks for: as before, with what was changed on the page.

    Once the file is divided in another way, what was said of its columns is forgotten.
    """
    changed = file.changes()
    options = {**asked, **changed}
    if set(changed) & set(SPLITS):
        options.pop("columns", None)
        return options
    said = {source: dict(each) for source, each in asked.get("columns", {}).items()}
    for form in columns:
        if fresh := form.changes():
            said[form.shown["source"]] = {**said.get(form.shown["source"], {}), **fresh}
    return {**options, **({"columns": said} if said else {})}
