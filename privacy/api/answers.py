"""Answers: list them, read one, download its files."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseBase
from django.utils.functional import cached_property
from django_filters import ChoiceFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from audit.api.signed_log import ReceiptItem, item_of
from common import heavy_views
from common.http import found
from common.rest.bodies import Item, Parameters
from common.rest.endpoints import Endpoint, lists, parameters_of, reads, sends
from common.rest.grants import Call, within
from common.rest.problems import Invalid
from common.rest.references import DatasetReference, Reference
from privacy import models, queries, rules
from privacy.api.budgets import HolderReference
from privacy.api.schema import AskedField
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language.display import EVERYTHING, LONGEST, Display
from privacy.engine.language.schema import QueryRefused
from privacy.engine.language.wire import decode_display, encode
from privacy.engine.synthetic_rows import MAX_SYNTHETIC_ROWS
from privacy.models import AnswerQuerySet
from privacy.presentation import display_in_words, exports
from privacy.services import questions, receipts


class AnswerItem(Item):
    """A question that was asked, and what it cost."""

    id = serializers.UUIDField()
    budget = Reference()
    dataset = DatasetReference(source="budget.promise.dataset")
    scientist = HolderReference(source="budget")
    state = serializers.SerializerMethodField()
    question = serializers.SerializerMethodField(help_text="In words.")
    kind = serializers.ChoiceField(models.Answer.Kind.choices, help_text="What was asked for.")
    query = AskedField(help_text="What is asked: a question, or a question with code.")
    sql = serializers.CharField(help_text="As it was asked; empty if it was asked in another form.")
    epsilon = serializers.SerializerMethodField()
    delta = serializers.FloatField(source="budget.promise.delta")
    share = serializers.SerializerMethodField(help_text="Of the budget as it is now; 0 if it was given back.")
    mode = serializers.SerializerMethodField(help_text="extended: it may silently leave people out.")
    created_at = serializers.DateTimeField()
    released_at = serializers.SerializerMethodField()
    deadline = serializers.DateTimeField(
        allow_null=True,
        help_text="When what takes long is answered, whatever is in the rows; null for questions.",
    )

    def get_state(self, answer: models.Answer) -> Literal["pending", "released", "lost", "voided"]:
        state: Any = models.Answer.State.PENDING if answer.is_waiting else answer.state
        return state  # type: ignore[no-any-return]

    def get_question(self, answer: models.Answer) -> str:
        return queries.title_of(answer)

    def get_epsilon(self, answer: models.Answer) -> float:
        return noise_epsilon(answer.mu, answer.budget.promise.noise_delta)

    def get_share(self, answer: models.Answer) -> float:
        return queries.share_of(answer)

    def get_mode(self, answer: models.Answer) -> Literal["complete", "extended"]:
        return "extended" if answer.extended else "complete"

    def get_released_at(self, answer: models.Answer) -> datetime | None:
        return answer.visible_at if answer.is_out else None


class AnswerDetail(AnswerItem):
    """An answer with its figures, once they are released."""

    rows_per_person = serializers.SerializerMethodField(
        help_text="Rows of a person that count in full; null if it does not matter."
    )
    counting = serializers.SerializerMethodField(help_text="The same in words.")
    beyond = serializers.SerializerMethodField(help_text="What happens to people with more rows.")
    reason = serializers.SerializerMethodField(help_text="Why nothing was computed, if it was voided.")
    result = serializers.SerializerMethodField(help_text="The figures, or null until they are released.")
    rows = serializers.SerializerMethodField(
        help_text="The lines of `result` that HAVING and LIMIT leave, in the order of ORDER BY; null until then."
    )
    display = serializers.SerializerMethodField(
        help_text="What `rows` shows, as the parameter `display` takes it; null if all lines as they come."
    )
    shown = serializers.SerializerMethodField(help_text="The same in words, or empty.")
    record = serializers.SerializerMethodField(help_text="How they were made, or null until then.")

    @cached_property
    def facts(self) -> dict[str, Any]:
        """How much of each person counts, for pages and programs."""
        return queries.counted(self.instance)  # type: ignore[arg-type]  # one answer

    @cached_property
    def showing(self) -> Display:
        """What is shown: as the call says or, if it does not, as it was first asked."""
        given: Display | None = self.context.get("display")
        return queries.display_of(self.instance) if given is None else given  # type: ignore[arg-type]  # one answer

    def get_rows(self, answer: models.Answer) -> list[dict[str, Any]] | None:
        return queries.lines_of(answer, self.showing)

    def get_display(self, answer: models.Answer) -> dict[str, Any] | None:
        return None if self.showing == EVERYTHING else encode(self.showing)

    def get_shown(self, answer: models.Answer) -> str:
        return display_in_words.sentence(self.showing)

    def get_rows_per_person(self, answer: models.Answer) -> int | None:
        rows: int | None = self.facts.get("rows_per_person")
        return rows

    def get_counting(self, answer: models.Answer) -> str:
        return str(self.facts.get("counting", ""))

    def get_beyond(self, answer: models.Answer) -> str:
        return str(self.facts.get("beyond", ""))

    def get_reason(self, answer: models.Answer) -> str:
        return str(answer.record.get("why", "")) if answer.state == models.Answer.State.VOIDED else ""

    def get_result(self, answer: models.Answer) -> dict[str, Any] | None:
        return answer.result if answer.is_out else None

    def get_record(self, answer: models.Answer) -> dict[str, Any] | None:
        return answer.record if answer.is_out else None


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer, and what is shown of it; None: as it was first asked."""

    answer: models.Answer
    display: Display | None = None


class ShownAnswer(AnswerDetail):
    """An answer with its figures, once they are released."""

    def to_representation(self, instance: Shown) -> dict[str, Any]:
        """Return the answer as it is shown."""
        return dict(AnswerDetail(instance.answer, context={**self.context, "display": instance.display}).data)


class DisplayParameter(Parameters):
    """What is shown of an answer."""

    display = serializers.CharField(
        required=False,
        max_length=LONGEST,
        help_text="What is shown of the answer, as JSON in the form of its field `display`; `{}` shows all lines.",
    )


def shown_in(call: Call, answer: models.Answer) -> Shown:
    """Return an answer as the call wants it shown. Raises Invalid for a display that does not fit it."""
    text = parameters_of(call, DisplayParameter).get("display", "")
    if not text:
        return Shown(answer)
    try:
        display = decode_display(text)
        queries.lines_of(answer, display)
    except QueryRefused as refused:
        raise Invalid(str(refused), place="display") from refused
    return Shown(answer, display)


class AnswersOfBudget(FilterSet):
    """Which answers of a budget to list."""

    state = ChoiceFilter(
        choices=models.Answer.State.choices,
        method="in_state",
        help_text="As you see it: pending until the public time.",
    )

    def in_state(self, rows: AnswerQuerySet, name: str, state: str) -> AnswerQuerySet:
        return rows.in_state(state)


class AnswerFilters(AnswersOfBudget):
    """Which answers to list."""

    dataset = UUIDFilter("budget__promise__dataset", help_text="The id of a dataset.")


def visible_answers(call: Call) -> AnswerQuerySet:
    """Return the answers that this call may see, with what a list of them shows."""
    rows = models.Answer.objects.visible_to(call.user).select_related(
        "budget__promise__dataset", "budget__scientist", "revision", "line"
    )
    rows = rows.prefetch_related(queries.SAID_WITH)
    return within(call, rows, "budget__promise__dataset")  # type: ignore[return-value]


def the_answer(call: Call, pk: UUID) -> models.Answer:
    """Return an answer that this call may see. Raises Http404."""
    return found(visible_answers(call), pk=pk)


def live_key(answer: models.Answer) -> str:
    """Return what somebody who waits for this answer wants to hear of, or ""."""
    return f"answer:{answer.pk}" if answer.is_waiting else ""


class Answers(Endpoint):
    """Answers."""

    @lists(AnswerItem, filters=AnswerFilters)
    def get(self, call: Call) -> AnswerQuerySet:
        """List your own answers and those of your datasets, without their figures."""
        return visible_answers(call)


class Answer(Endpoint):
    """One answer."""

    @reads(ShownAnswer, live=lambda shown: live_key(shown.answer), parameters=DisplayParameter)
    def get(self, call: Call, pk: UUID) -> Shown:
        """Read an answer, with its figures once they are released."""
        answer = the_answer(call, pk)
        shown = shown_in(call, answer)
        if rules.is_own(call.user, answer.budget) is None:
            questions.note_seen(answer)
        return shown


class AnswerFile(Endpoint):
    """An answer as a file."""

    @sends("text/csv", "application/json", parameters=DisplayParameter)
    def get(self, call: Call, pk: UUID, form: str) -> HttpResponse:
        """Download a released answer: the lines shown as CSV, everything as JSON, or the release record alone."""
        answer = the_answer(call, pk)
        if not answer.is_out or form not in exports.FORMS:
            raise Http404
        display = shown_in(call, answer).display
        return exports.file_of(answer, form, queries.display_of(answer) if display is None else display)


class AnswerReceipt(Endpoint):
    """The receipt of an answer."""

    @reads(ReceiptItem)
    def get(self, call: Call, pk: UUID) -> dict[str, object]:
        """Read the receipt: the figures, the charge, and the proof that the log holds both. Of an answer that is lost,
        and of a model, table or code until its deadline: the charge alone."""
        return item_of(receipts.of_answer(the_answer(call, pk), by=call.user))


class RowsParameter(Parameters):
    """How many rows to draw."""

    rows = serializers.IntegerField(
        min_value=1,
        max_value=MAX_SYNTHETIC_ROWS,
        default=1000,
        help_text="The same number gives the same rows.",
    )


class AnswerRows(Endpoint):
    """Rows of a synthetic table."""

    @sends("text/csv", parameters=RowsParameter, rate="prices")
    def get(self, call: Call, pk: UUID) -> HttpResponseBase:
        """Draw rows from a released synthetic table as CSV: always the same ones, at no further cost."""
        with heavy_views.turn(heavy_views.COMPUTING, call):
            return exports.rows_file(the_answer(call, pk), parameters_of(call, RowsParameter)["rows"])
