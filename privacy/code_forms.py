"""The form for code that answers in blocks. It checks shape only; services and the engine decide."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from common import code_environments
from common.errors import Refused
from common.forms import whole_number
from privacy.engine.language.code import (
    MAX_BLOCKS,
    MAX_CODE,
    MAX_OUTPUTS,
    MAX_ROUNDS,
    MAX_WEIGHTS,
    MIN_BLOCKS,
    CodeQuestion,
)
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.presentation.code_form import (
    METHODS,
    NUMBERS,
    SHAPES,
    VECTOR,
    VOTE,
    Output,
    outputs_of,
    question_of,
)

EPSILON, SHARE = "epsilon", "share"
PERCENT = 100
TEXT_LIMIT = 10_000
START_LIMIT = 400_000
SPARE = 2
"""Blank lines below those that are filled in, where the page has no scripts to add any."""
FIELDS_OF = {
    NUMBERS: {"outputs", "method", "halves"},
    VECTOR: {"size", "radius", "rounds", "start"},
    VOTE: {"labels"},
}
"""The fields that each shape uses: what is wrong in the others does not matter."""
CELL = re.compile(r"question\.shape\.(names|lower|upper)\[(\d+)\]")
CELLS = {"names": "name", "lower": "lower", "upper": "upper"}
FIELDS = {
    "question.table": "table",
    "question.code": "code",
    "question.where": "condition",
    "question.people": "people",
    "question.blocks": "blocks",
    "question.environment": "environment",
    "question.shape.method": "method",
    "question.shape.size": "size",
    "question.shape.radius": "radius",
    "question.shape.rounds": "rounds",
    "question.shape.start": "start",
    "question.shape.labels": "labels",
    "epsilon": EPSILON,
    "share": SHARE,
}
"""The field to which a place in the question, or a price, belongs."""


NEEDED = {"data-needed": "needed"}
"""Of a field that its shape needs, although the form can be sent without it."""


def _code_area(rows: int, **more: str) -> forms.Textarea:
    return forms.Textarea(
        attrs={"rows": rows, "spellcheck": "false", "class": "code", "autocapitalize": "off", **more}
    )


class CodeForm(forms.Form):
    """Code, what it returns, and its price."""

    table = forms.ChoiceField(error_messages={"invalid_choice": "There is no table “%(value)s” here."})
    code = forms.CharField(
        label="Code (Python)",
        strip=False,
        max_length=MAX_CODE,
        widget=_code_area(18),
        error_messages={
            "required": "Write a function main(t).",
            "max_length": f"Write at most {MAX_CODE:,} characters.",
        },
    )
    environment = forms.ChoiceField(
        label="Code environment",
        required=False,
        help_text="The packages that the code can import.",
        error_messages={"invalid_choice": "There is no code environment “%(value)s”. Choose another one."},
    )
    condition = forms.CharField(
        label="Only rows where",
        required=False,
        max_length=TEXT_LIMIT,
        widget=_code_area(2),
        help_text="As after WHERE in SQL, such as <code>year &gt;= 1990 AND region = 'east'</code>. Empty: all rows.",
    )
    people = whole_number(
        "About how many people are left?",
        1,
        10**9,
        help_text="From what you know, not from the data. The number of blocks follows from it. Empty: as many as the "
        "owner announces for the whole dataset.",
    )
    shape = forms.ChoiceField(
        label="What main returns", choices=list(SHAPES.items()), widget=forms.RadioSelect
    )
    size = whole_number(
        "Numbers in the vector",
        1,
        MAX_WEIGHTS,
        widget=forms.NumberInput(attrs=NEEDED),
    )
    radius = forms.FloatField(
        label="Radius",
        required=False,
        widget=forms.NumberInput(attrs={"step": "any", "min": 0, "inputmode": "decimal", **NEEDED}),
        help_text="A longer vector is shortened to this length. Noise grows with it.",
    )
    rounds = whole_number(
        "Rounds",
        1,
        MAX_ROUNDS,
        help_text="With several rounds, main(t, state) gets what was released so far and returns a change.",
    )
    start = forms.CharField(
        label="State in the first round",
        required=False,
        max_length=START_LIMIT,
        widget=_code_area(2),
        help_text="Numbers separated by commas. Empty: zeros.",
    )
    labels = forms.CharField(
        required=False,
        max_length=TEXT_LIMIT * 3,
        widget=_code_area(4, **NEEDED),
        help_text="One a line. main returns one of these texts, and the answer is how many blocks chose which.",
    )
    method = forms.ChoiceField(
        label="How the blocks’ answers become one", choices=list(METHODS.items()), required=False
    )
    halves = forms.BooleanField(
        label="Correct the bias of small blocks with half samples",
        required=False,
        help_text="The code also runs on both halves of each block, so it takes about twice as long. Not used for a "
        "median.",
    )
    blocks = whole_number(
        "Number of blocks",
        MIN_BLOCKS,
        MAX_BLOCKS,
        help_text="More blocks mean less noise, but fewer people in each. Empty: chosen from the number of people and "
        "the price.",
    )
    goal = forms.ChoiceField(choices=[(SHARE, SHARE), (EPSILON, EPSILON)], required=False)
    epsilon = forms.FloatField(label="Epsilon", required=False)
    share = forms.FloatField(
        label="Part of your budget, in percent",
        required=False,
        min_value=0,
        max_value=PERCENT,
        error_messages=dict.fromkeys(
            ("min_value", "max_value"), "Enter a percentage above 0 and at most 100."
        ),
    )

    wrong_line: int | None = None
    """The line of the code that is wrong."""

    def __init__(self, *args: Any, tables: Mapping[str, TableSpec], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tables = tables
        self.fields["table"].choices = [(name, name) for name in tables]  # type: ignore[attr-defined]
        environments = [(name, name) for name in code_environments.on_offer()]
        self.fields["environment"].choices = environments  # type: ignore[attr-defined]
        self.offers_environments = len(environments) > 1
        self.outputs = outputs_of(self.data if self.is_bound else self.initial)
        self.outputs_error = ""

    @property
    def lines(self) -> list[Output]:
        """The numbers that main returns, with blank lines to fill in."""
        spare = min(SPARE if self.outputs else SPARE + 1, MAX_OUTPUTS - len(self.outputs))
        return [*self.outputs, *(Output() for _ in range(spare))]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        for name in ("code", "condition", "labels"):
            if name in given:
                given[name] = str(given[name]).replace("\r\n", "\n")  # browsers send two characters
        shape = given.get("shape")
        unused = set().union(*(names for name, names in FIELDS_OF.items() if name != shape))
        for name in [*(unused if shape else ()), SHARE if given.get("goal") == EPSILON else EPSILON]:
            self.errors.pop(name, None)
        self._check_price(given)
        return given

    def _check_price(self, given: Mapping[str, Any]) -> None:
        goal = given.get("goal") or SHARE
        if goal not in self.errors and given.get(goal) is None:
            self.add_error(goal, "Enter what the answer may cost.")

    @property
    def has_more(self) -> bool:
        """Whether something that "More" hides was chosen or is wrong."""
        wrong = {"method", "halves", "blocks", "start"} & set(self.errors)
        chosen = self["method"].value() not in {None, "", "auto"} or not self["halves"].value()
        return bool(wrong or chosen or self["blocks"].value() or self["start"].value())

    def question(self) -> CodeQuestion:
        """Return the question. Raises QueryRefused."""
        given = self.cleaned_data
        return question_of(given, self.outputs, self.tables[given["table"]])

    def price(self) -> dict[str, float]:
        """Return {"epsilon": …} or {"share": …}."""
        given = self.cleaned_data
        if given.get("goal") == EPSILON:
            return {EPSILON: given[EPSILON]}
        return {SHARE: given[SHARE] / PERCENT}

    def refuse(self, refused: Refused | QueryRefused) -> None:
        """Show a refusal at the field that it is about."""
        cause = refused if isinstance(refused, QueryRefused) else refused.__cause__
        place = getattr(cause, "place", "")
        self.wrong_line = getattr(cause, "line", None)
        if (cell := CELL.match(place)) and int(cell[2]) < len(self.outputs):
            self.outputs[int(cell[2])].wrong[CELLS[cell[1]]] = str(refused)
        elif place in {"question.shape.names", "question.shape.lower", "question.shape.upper"}:
            self.outputs_error = str(refused)
        else:
            found = [name for start, name in FIELDS.items() if place.startswith(start)]
            self.add_error(found[0] if found else None, str(refused))
