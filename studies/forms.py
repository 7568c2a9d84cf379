"""Forms for studies. They check shape only; rules, services and the engine decide."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from django import forms

from common.reasons import LIMIT
from network.models import Peer
from privacy.engine.language.schema import NUMERIC, ColumnSpec, TableSpec
from privacy.presentation import learning_form
from privacy.presentation.query_form import MEASURES
from privacy.question_forms import ERROR, SHARE, QuestionForm
from studies import documents

RELIANCE = (
    "To run Weir as it is built: to add their noise, and to keep their masks secret. Questions then cost scientists "
    "less. Choose none if you are not sure: your promise holds whatever the others do."
)
NOT_JOINT = {"quantiles", "person_rows", "person_amount", "keys", *learning_form.MEASURES}
"""Measures that cannot be asked of several portals together."""
NONE = ("", "Choose…")
MISSING = ("", "Counts as missing")
Portals: TypeAlias = Sequence[tuple[str, str]]
"""Addresses of portals, each with its name."""


def _reliance(portals: Portals) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label="On which of these portals do you count?",
        choices=portals,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=RELIANCE,
    )


class FoundForm(forms.Form):
    """What an owner declares for all portals of a new study, out of one of their own tables."""

    title = forms.CharField(
        max_length=documents.LONGEST_TITLE, help_text="As people of all its portals read it."
    )
    name = forms.CharField(
        label="Name in code",
        max_length=63,
        help_text="Small letters, digits and hyphens, such as wages-north. It never changes.",
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
    )
    purpose = forms.CharField(
        max_length=documents.LONGEST_PURPOSE,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What the answers are for. The owners at the other portals decide by it.",
    )
    columns = forms.MultipleChoiceField(
        label="Columns that all portals are to fill",
        widget=forms.CheckboxSelectMultiple,
        help_text="With your declared bounds and categories, which become those of the study.",
    )

    def __init__(self, *args: Any, table: TableSpec, portals: Portals, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        able = [column for column in table.columns.values() if column.kind in documents.KINDS]
        self.fields["columns"].choices = [(each.name, each.name) for each in able]  # type: ignore[attr-defined]
        self.fields["portals"] = forms.MultipleChoiceField(
            label="Portals to invite",
            choices=portals,
            widget=forms.CheckboxSelectMultiple,
            help_text="Their owners decide whether they join.",
        )
        self.fields["relies_on"] = _reliance(portals)

    @property
    def peers(self) -> list[Peer]:
        """The portals that are invited."""
        return list(Peer.objects.active().filter(url__in=self.cleaned_data["portals"]).order_by("url"))

    @property
    def parts(self) -> dict[str, Any]:
        """The parts of the study, as `services.studies.drafted` takes them."""
        given = self.cleaned_data
        return {**{name: given[name] for name in ("name", "title", "purpose")}, "portals": self.peers}


class RelyForm(forms.Form):
    """On whom an owner counts."""

    def __init__(self, *args: Any, portals: Portals, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["relies_on"] = _reliance(portals)


class MappingForm(RelyForm):
    """How the columns of an own table become a study's, and on whom the owner counts.

    For the study's column k: `column-k`; for numbers `scale-k` and `offset-k`; for others `label-k-c-j`, for the value
    j of the own column c. Which of these there are depends on the column that is chosen.
    """

    bounds = forms.BooleanField(
        label="The study’s bounds and categories are right for my data.",
        error_messages={"required": "Compare the bounds with your data, and confirm them."},
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        study: TableSpec,
        own: TableSpec,
        portals: Portals,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        self.study, self.own, self._places = study, own, list(own.columns)
        super().__init__(data, portals=portals, initial=initial)
        self.parts = [self._part(k, column) for k, column in enumerate(study.columns.values())]
        self.order_fields(
            [name for name in self.fields if name not in {"bounds", "relies_on"}] + ["relies_on", "bounds"]
        )

    def _part(self, k: int, column: ColumnSpec) -> tuple[int, ColumnSpec]:
        """Add the fields for one column of the study."""
        able = list(_able(column, self.own))
        same = column.name if column.name in {each.name for each in able} else ""
        name = f"column-{k}"
        self.fields[name] = forms.ChoiceField(
            label="Your column", choices=[NONE, *((each.name, each.name) for each in able)], initial=same
        )
        chosen = str((self.data if self.is_bound else self.initial).get(name, same))
        source = next((each for each in able if each.name == chosen), None)
        if source is not None and column.is_key:
            self._add_labels(k, column, source)
        elif not column.is_key:
            for part, text, first in (("scale", "Times", "1"), ("offset", "Plus", "0")):
                self.fields[f"{part}-{k}"] = forms.FloatField(
                    label=text, initial=first, widget=forms.NumberInput(attrs={"step": "any"})
                )
        return k, column

    def _add_labels(self, k: int, column: ColumnSpec, source: ColumnSpec) -> None:
        known = {label.casefold(): label for label in column.labels}
        for j, label in enumerate(source.groups):
            self.fields[f"{self._labels(k, source)}{j}"] = forms.ChoiceField(
                label=_shown(source, label),
                choices=[MISSING, *((each, _shown(column, each)) for each in column.labels)],
                initial=known.get(label.casefold(), ""),
                required=False,
            )

    def _labels(self, k: int, source: ColumnSpec) -> str:
        return f"label-{k}-{self._places.index(source.name)}-"

    @property
    def columns(self) -> list[dict[str, Any]]:
        """For the page: each column of the study with its fields."""
        return [
            {
                "spec": column,
                "choice": self[f"column-{k}"],
                "numbers": [self[name] for name in (f"scale-{k}", f"offset-{k}") if name in self.fields],
                "labels": [self[name] for name in self.fields if name.startswith(f"label-{k}-")],
            }
            for k, column in self.parts
        ]

    @property
    def mapping(self) -> dict[str, dict[str, Any]]:
        """The mapping, as `studies.mapping` reads it."""
        return {column.name: self._way(k, column) for k, column in self.parts}

    def _way(self, k: int, column: ColumnSpec) -> dict[str, Any]:
        given = self.cleaned_data
        source = self.own.columns[given[f"column-{k}"]]
        if not column.is_key:
            numbers = {part: repr(float(given[f"{part}-{k}"])) for part in ("scale", "offset")}
            return {"column": source.name, **numbers}
        chosen = {label: given.get(f"{self._labels(k, source)}{j}") for j, label in enumerate(source.groups)}
        return {
            "column": source.name,
            "labels": {label: becomes for label, becomes in chosen.items() if becomes},
        }

    def add_misfits(self, columns: Mapping[str, str]) -> None:
        """Show, beside each column of the study, why an own one cannot become it."""
        places = {column.name: k for k, column in self.parts}
        for name, why in columns.items():
            self.add_error(f"column-{places[name]}" if name in places else None, why)


def _able(column: ColumnSpec, own: TableSpec) -> Iterable[ColumnSpec]:
    """Yield the own columns that could become a study's column."""
    for each in own.columns.values():
        if each.groups if column.is_key else each.kind in NUMERIC:
            yield each


def _shown(column: ColumnSpec, label: str) -> str:
    return {"0": "no", "1": "yes"}.get(label, label) if column.labels == ("0", "1") else label


class ReasonForm(forms.Form):
    """Why an owner declines, leaves or ends a study."""

    reason = forms.CharField(
        max_length=LIMIT,
        help_text="Kept in the audit log.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class JointQuestionForm(QuestionForm):
    """A question to several portals: it has no single epsilon, because each portal has a budget of its own."""

    def __init__(self, *args: Any, table: TableSpec, undeclared: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, table=table, undeclared=undeclared, **kwargs)
        self._offer("measure", [(name, text) for name, text in MEASURES.items() if name not in NOT_JOINT])

    @staticmethod
    def _goal(given: Mapping[str, Any]) -> str:
        return SHARE if given.get("goal") == SHARE else ERROR
